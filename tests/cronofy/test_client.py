"""The client against answers right and wrong, given by handlers that stand where the network would."""

import json
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import count

import httpx
import pytest

from tests.clocks import FakeClock
from widgetsvc import __version__
from widgetsvc.cronofy.client import MAX_ANSWER_BYTES, CronofyClient, http_client
from widgetsvc.cronofy.responses import ApplicationCalendar, Calendar, ElementToken, Slot
from widgetsvc.errors import ConfigurationError, UpstreamError, UpstreamRejected, UpstreamUnavailable
from widgetsvc.permissions import Permission

BASE_URL = "https://api.cronofy.test"
CLIENT_SECRET = "CRN_client-SECRET-7f3k"
ACCESS_TOKEN = "P531x88i05Ld2yXHIQ7WjiEyqlmOHsgI"
REFRESH_TOKEN = "3gBYG1XamYDUEXUyybbummQWEe5YqPmf"
ORIGIN = "https://jobs.example.com"
SUB = "apc_64b17fbb8090ea21640c9152"
NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date in RFC 9110's examples

Handler = Callable[[httpx.Request], httpx.Response]

CALENDAR_ANSWER = {
    "token_type": "bearer",
    "access_token": ACCESS_TOKEN,
    "expires_in": 3600,
    "refresh_token": REFRESH_TOKEN,
    "scope": "read_write",
    "application_calendar_id": "store-42",
    "sub": SUB,
    "linking_profile": {
        "provider_name": "cronofy",
        "profile_id": "pro_n23kjnwrw2",
        "profile_name": "n23kjnwrw2",
    },
    "added_by_cronofy_tomorrow": {"anything": [1, None]},
}
TOKEN_ANSWER = {
    "permissions": ["availability", "agenda"],
    "origin": ORIGIN,
    "token": "eyJhbGciOiJub25lIn0.e30.c2ln_-",
    "expires_in": 64800,
    "added_by_cronofy_tomorrow": True,
}


class Cronofy:
    """Gives the same answer to every request, and keeps what it was asked."""

    def __init__(self, answer: Handler) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)


class Body(httpx.SyncByteStream):
    """A body sent in chunks, which knows how many were taken and whether it was closed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks
        self.taken = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk

    def close(self) -> None:
        self.closed = True


def answers(status: int = 200, **kwargs: object) -> Handler:
    return lambda _request: httpx.Response(status, **kwargs)


def fails_with(error: type[httpx.TransportError], text: str = "") -> Handler:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error(text, request=request)

    return fail


def token_answer(**changes: object) -> Handler:
    return answers(json={"element_token": TOKEN_ANSWER | changes})


def client_of(handler: Handler, **kwargs: object) -> CronofyClient:
    http = http_client(BASE_URL, transport=httpx.MockTransport(handler))
    kwargs = {"clock": lambda: NOW, "monotonic": lambda: 0.0} | kwargs
    return CronofyClient(http, client_id="client-1", client_secret=CLIENT_SECRET, **kwargs)


def ask_element_token(client: CronofyClient) -> ElementToken:
    return client.element_token({Permission.AVAILABILITY, Permission.AGENDA}, [SUB], ORIGIN)


def ask_application_calendar(client: CronofyClient) -> ApplicationCalendar:
    return client.upsert_application_calendar("store-42")


def ask_calendars(client: CronofyClient) -> tuple[Calendar, ...]:
    return client.list_calendars(ACCESS_TOKEN)


def ask_event(client: CronofyClient) -> None:
    client.upsert_event(ACCESS_TOKEN, "cal_n23_jsd", {"event_id": "booking-1", "summary": "Interview"})


def ask_availability(client: CronofyClient) -> tuple[Slot, ...]:
    return client.availability({"required_duration": {"minutes": 30}}, "overlapping_slots")


def ask_link(client: CronofyClient) -> str:
    return client.create_scheduling_link({"event": {"event_id": "interview-1", "summary": "Interview"}})


CALLS = {
    "POST /v1/real_time_scheduling": ask_link,
    "POST /v1/availability": ask_availability,
    "POST /v1/element_tokens": ask_element_token,
    "POST /v1/application_calendars": ask_application_calendar,
    "GET /v1/calendars": ask_calendars,
    "POST /v1/calendars/cal_n23_jsd/events": ask_event,
}


class TestRequests:
    def test_application_calendar_carries_client_credentials_in_the_body(self):
        cronofy = Cronofy(answers(json=CALENDAR_ANSWER))

        ask_application_calendar(client_of(cronofy))

        (request,) = cronofy.requests
        assert (request.method, str(request.url)) == ("POST", f"{BASE_URL}/v1/application_calendars")
        assert request.content == (
            b'{"client_id":"client-1","client_secret":"CRN_client-SECRET-7f3k","application_calendar_id":"store-42"}'
        )
        assert "Authorization" not in request.headers

    def test_element_token_carries_the_client_secret_as_api_key(self):
        cronofy = Cronofy(token_answer())

        ask_element_token(client_of(cronofy))

        (request,) = cronofy.requests
        assert (request.method, str(request.url)) == ("POST", f"{BASE_URL}/v1/element_tokens")
        assert request.content == (
            b'{"version":"1","permissions":["agenda","availability"],'
            b'"subs":["apc_64b17fbb8090ea21640c9152"],"origin":"https://jobs.example.com"}'
        )
        assert dict(request.headers) == {
            "host": "api.cronofy.test",
            "accept": "application/json",
            "accept-encoding": "identity",
            "authorization": f"Bearer {CLIENT_SECRET}",
            "connection": "keep-alive",
            "content-length": str(len(request.content)),
            "content-type": "application/json",
            "user-agent": f"widgetsvc/{__version__}",
        }

    def test_availability_carries_the_client_secret_as_api_key(self):
        cronofy = Cronofy(answers(json={"available_slots": []}))

        ask_availability(client_of(cronofy))

        (request,) = cronofy.requests
        assert (request.method, str(request.url)) == ("POST", f"{BASE_URL}/v1/availability")
        assert request.headers["Authorization"] == f"Bearer {CLIENT_SECRET}"
        assert json.loads(request.content) == {
            "required_duration": {"minutes": 30},
            "response_format": "overlapping_slots",
        }

    def test_list_calendars_carries_the_access_token_and_no_body(self):
        cronofy = Cronofy(answers(json={"calendars": []}))

        ask_calendars(client_of(cronofy))

        (request,) = cronofy.requests
        assert (request.method, str(request.url)) == ("GET", f"{BASE_URL}/v1/calendars")
        assert request.headers["Authorization"] == f"Bearer {ACCESS_TOKEN}"
        assert request.content == b""

    def test_event_goes_out_as_it_is(self):
        cronofy = Cronofy(answers(202))

        ask_event(client_of(cronofy))

        (request,) = cronofy.requests
        assert (request.method, str(request.url)) == ("POST", f"{BASE_URL}/v1/calendars/cal_n23_jsd/events")
        assert request.headers["Authorization"] == f"Bearer {ACCESS_TOKEN}"
        assert request.content == b'{"event_id":"booking-1","summary":"Interview"}'

    def test_revocation_carries_client_credentials_and_the_sub(self):
        cronofy = Cronofy(answers(200))

        client_of(cronofy).revoke(SUB)

        (request,) = cronofy.requests
        assert (request.method, str(request.url)) == ("POST", f"{BASE_URL}/oauth/token/revoke")
        assert json.loads(request.content) == {
            "client_id": "client-1",
            "client_secret": CLIENT_SECRET,
            "sub": SUB,
        }
        assert "Authorization" not in request.headers

    @pytest.mark.parametrize(
        ("calendar_id", "segment"),
        [
            ("cal_AbC-1@x", b"cal_AbC-1%40x"),
            ("a/../b", b"a%2F..%2Fb"),
            ("a?b#c", b"a%3Fb%23c"),
            ("50%41", b"50%2541"),
            ("…", b"%E2%80%A6"),
        ],
    )
    def test_calendar_id_stays_one_path_segment(self, calendar_id: str, segment: bytes):
        cronofy = Cronofy(answers(202))

        client_of(cronofy).upsert_event(ACCESS_TOKEN, calendar_id, {})

        assert cronofy.requests[0].url.raw_path == b"/v1/calendars/" + segment + b"/events"

    @pytest.mark.parametrize("calendar_id", ["", ".", ".."])
    def test_calendar_id_that_would_move_the_path_is_refused(self, calendar_id: str):
        cronofy = Cronofy(answers(202))

        with pytest.raises(ValueError, match="cannot be an id"):
            client_of(cronofy).upsert_event(ACCESS_TOKEN, calendar_id, {})

        assert cronofy.requests == []

    def test_path_prefix_of_the_base_url_is_kept(self):
        cronofy = Cronofy(answers(json={"calendars": []}))
        http = http_client("https://proxy.test/cronofy/", transport=httpx.MockTransport(cronofy))

        CronofyClient(http, client_id="client-1", client_secret=CLIENT_SECRET).list_calendars(ACCESS_TOKEN)

        assert str(cronofy.requests[0].url) == "https://proxy.test/cronofy/v1/calendars"


class TestAnswers:
    def test_application_calendar(self):
        calendar = ask_application_calendar(client_of(answers(json=CALENDAR_ANSWER)))

        assert calendar == ApplicationCalendar(
            sub=SUB,
            application_calendar_id="store-42",
            access_token=ACCESS_TOKEN,
            expires_in=3600,
            refresh_token=REFRESH_TOKEN,
            profile_id="pro_n23kjnwrw2",
        )

    def test_element_token(self):
        assert ask_element_token(client_of(token_answer())) == ElementToken(
            token="eyJhbGciOiJub25lIn0.e30.c2ln_-",
            permissions=frozenset({Permission.AGENDA, Permission.AVAILABILITY}),
            origin=ORIGIN,
            expires_in=64800,
        )

    def test_calendars_with_and_without_a_name(self):
        named = {
            "calendar_id": "cal_1",
            "calendar_name": "Home",
            "profile_id": "pro_1",
            "calendar_readonly": False,
        }
        nameless = {"calendar_id": "cal_2", "profile_id": "pro_1"}

        calendars = ask_calendars(client_of(answers(json={"calendars": [named, nameless], "sub": SUB})))

        assert calendars == (
            Calendar(calendar_id="cal_1", calendar_name="Home", profile_id="pro_1"),
            Calendar(calendar_id="cal_2", calendar_name="", profile_id="pro_1"),
        )

    def test_slots_are_instants_whatever_offset_they_are_written_with(self):
        slots = [
            {"start": "2026-11-23T09:00:00Z", "end": "2026-11-23T09:30:00Z", "participants": [{"sub": SUB}]},
            {"start": "2026-11-23T11:00:00+01:00", "end": "2026-11-23T11:30:00+01:00"},
        ]

        found = ask_availability(client_of(answers(json={"available_slots": slots})))

        nine, ten = (datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (9, 10))
        assert [slot.start for slot in found] == [nine, ten]

    @pytest.mark.parametrize("start", ["2026-11-23", "2026-11-23T09:00:00", "soon", None, 1_795_424_400])
    def test_a_slot_without_an_instant_is_no_answer(self, start: object):
        slot = {"start": start, "end": "2026-11-23T09:30:00Z"}

        with pytest.raises(UpstreamUnavailable, match=r"available_slots\.0\.start"):
            ask_availability(client_of(answers(json={"available_slots": [slot]})))

    def test_event_is_accepted_with_an_empty_answer(self):
        assert ask_event(client_of(answers(202))) is None

    def test_body_up_to_the_cap_is_read(self):
        body = json.dumps({"element_token": TOKEN_ANSWER}).encode().ljust(MAX_ANSWER_BYTES)

        assert ask_element_token(client_of(answers(content=body))).origin == ORIGIN

    def test_embedded_backend_answers_over_wsgi(self):
        def backend(environ, start_response):
            start_response("200 OK", [("Content-Type", "application/json")])
            yield json.dumps({"calendars": [], "asked": environ["PATH_INFO"]}).encode()

        http = http_client("http://embedded.invalid", transport=httpx.WSGITransport(app=backend))

        assert ask_calendars(CronofyClient(http, client_id="client-1", client_secret="s")) == ()


UNUSABLE: dict[str, Handler] = {
    "read timeout": fails_with(httpx.ReadTimeout),
    "connect timeout": fails_with(httpx.ConnectTimeout),
    "pool timeout": fails_with(httpx.PoolTimeout),
    "connection refused": fails_with(httpx.ConnectError, "[Errno 111] Connection refused"),
    "connection reset": fails_with(httpx.ReadError, "[Errno 104] Connection reset by peer"),
    "server gone": fails_with(httpx.RemoteProtocolError, "Server disconnected"),
    "500": answers(500),
    "502 in HTML": answers(502, html="<h1>Bad gateway</h1>"),
    "503": answers(503),
    "429": answers(429),
    "408": answers(408),
    "425": answers(425),
    "redirect": answers(302, headers={"Location": "https://evil.example/v1"}),
    "permanent redirect": answers(308, headers={"Location": "/v1/elsewhere"}),
    "not modified": answers(304),
    "redirect to nowhere": answers(302, headers={"Location": "https://[/"}),
    "no content": answers(204),
    "HTML": answers(203, html="<h1>Sign in to the guest network</h1>"),
    "compressed": answers(headers={"Content-Encoding": "gzip"}, stream=Body([b"\x1f\x8b"])),
}

UNUSABLE_TOKENS: dict[str, Handler] = {
    "HTML": answers(html="<h1>Sign in to the guest network</h1>"),
    "empty": answers(),
    "truncated": answers(content=json.dumps({"element_token": TOKEN_ANSWER}).encode()[:-5]),
    "not UTF-8": answers(content=b'{"element_token": "\xff"}'),
    "deeply nested": answers(content=b"[" * 100_000),
    "a list": answers(json=[TOKEN_ANSWER]),
    "null": answers(content=b"null"),
    "not wrapped": answers(json=TOKEN_ANSWER),
    "expires_in as text": token_answer(expires_in="64800"),
    "expires_in as boolean": token_answer(expires_in=True),
    "expires_in zero": token_answer(expires_in=0),
    "expires_in negative": token_answer(expires_in=-1),
    "expires_in beyond 32 bits": token_answer(expires_in=2**31),
    "token as number": token_answer(token=7),
    "token empty": token_answer(token=""),
    "token with a parameter": token_answer(token="abc&et=def"),
    "token with markup": token_answer(token="<script>"),
    "token with a line break": token_answer(token="abc\n"),
    "token too long": token_answer(token="a" * 5000),
    "other origin": token_answer(origin="https://evil.example"),
    "origin in other case": token_answer(origin=ORIGIN.upper()),
    "no origin": token_answer(origin=None),
    "fewer permissions": token_answer(permissions=["agenda"]),
    "more permissions": token_answer(permissions=["agenda", "availability", "account_management"]),
    "unknown permission": token_answer(permissions=["agenda", "availability", "root"]),
    "permissions as text": token_answer(permissions="agenda"),
}

UNUSABLE_CALENDARS: dict[str, Handler] = {
    "other calendar": answers(json=CALENDAR_ANSWER | {"application_calendar_id": "store-43"}),
    "no sub": answers(json=CALENDAR_ANSWER | {"sub": ""}),
    "no profile": answers(json=CALENDAR_ANSWER | {"linking_profile": None}),
    "access token that breaks headers": answers(json=CALENDAR_ANSWER | {"access_token": "a\r\nX: y"}),
    "refresh token missing": answers(json=CALENDAR_ANSWER | {"refresh_token": None}),
}


class TestUnusable:
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("fault", UNUSABLE)
    def test_fault_on_any_call(self, call: str, fault: str):
        cronofy = Cronofy(UNUSABLE[fault])

        with pytest.raises(UpstreamUnavailable) as caught:
            CALLS[call](client_of(cronofy))

        assert str(caught.value).startswith(call)
        assert caught.value.retry_after == 5
        assert len(cronofy.requests) == 1, "neither repeated nor redirected"

    @pytest.mark.parametrize("fault", UNUSABLE_TOKENS)
    def test_element_token_that_is_not_believed(self, fault: str):
        with pytest.raises(UpstreamUnavailable, match=r"^POST /v1/element_tokens answered "):
            ask_element_token(client_of(UNUSABLE_TOKENS[fault]))

    @pytest.mark.parametrize("fault", UNUSABLE_CALENDARS)
    def test_application_calendar_that_is_not_believed(self, fault: str):
        with pytest.raises(UpstreamUnavailable, match=r"^POST /v1/application_calendars answered "):
            ask_application_calendar(client_of(UNUSABLE_CALENDARS[fault]))

    def test_calendar_id_that_would_move_a_path_is_not_believed(self):
        handler = answers(json={"calendars": [{"calendar_id": "..", "profile_id": "pro_1"}]})

        with pytest.raises(UpstreamUnavailable, match=r"calendars\.0\.calendar_id"):
            ask_calendars(client_of(handler))

    def test_wrong_member_is_named(self):
        with pytest.raises(UpstreamUnavailable, match=r"element_token\.expires_in: Input should be greater"):
            ask_element_token(client_of(token_answer(expires_in=-1)))

    def test_two_megabytes_are_not_read_to_the_end(self):
        body = Body([b" " * 65536] * 32)

        with pytest.raises(UpstreamUnavailable, match="more than 1 MiB"):
            ask_element_token(client_of(answers(stream=body)))

        assert (body.taken, body.closed) == (17, True)

    def test_dripping_body_is_given_up_after_five_seconds(self):
        body = Body(b" " for _ in count())
        seconds = count()

        with pytest.raises(UpstreamUnavailable, match="no whole answer within 5 s"):
            ask_element_token(client_of(answers(stream=body), monotonic=lambda: float(next(seconds))))

        assert (body.taken, body.closed) == (5, True)

    def test_what_a_backend_in_this_process_has_done_is_taken_however_long_it_took(self):
        clock = FakeClock(NOW)

        def work(_request: httpx.Request) -> httpx.Response:
            clock.advance(60)
            return httpx.Response(200, json={"available_slots": []})

        assert client_of(work, timed=False, monotonic=clock).availability({}, seconds=0.3) == ()
        with pytest.raises(UpstreamUnavailable, match=r"no whole answer within 0\.3 s"):
            client_of(work, monotonic=clock).availability({}, seconds=0.3)

    def test_error_that_caused_it_is_kept(self):
        with pytest.raises(UpstreamUnavailable, match=r"api\.cronofy\.test .*refused") as caught:
            ask_element_token(client_of(UNUSABLE["connection refused"]))

        assert isinstance(caught.value.__cause__, httpx.ConnectError)


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("17", 17),
            ("0", 1),
            ("60", 60),
            ("61", 60),
            ("9" * 5000, 60),
            ("Sun, 06 Nov 1994 08:50:07 GMT", 30),
            ("Sun, 06 Nov 1994 08:50:07 -0000", 30),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 1),
            ("Sun, 06 Nov 1994 07:00:00 GMT", 1),
            ("Mon, 07 Nov 1994 08:49:37 GMT", 60),
            ("", 5),
            ("soon", 5),
            ("-7", 5),
            ("1.5", 5),
            ("Sun, 06 Nov 99999 08:50:07 GMT", 5),
            ("Sun, 06 Nov 1994 08:50:07 +9999999999999999999", 5),
        ],
    )
    def test_header_is_honoured_within_bounds(self, status: int, header: str, seconds: int):
        with pytest.raises(UpstreamUnavailable) as caught:
            ask_element_token(client_of(answers(status, headers={"Retry-After": header})))

        assert caught.value.retry_after == seconds


class TestRejected:
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 422, 423, 451])
    def test_refusal_keeps_its_status(self, call: str, status: int):
        with pytest.raises(UpstreamRejected, match=f"^{call} answered {status}: ") as caught:
            CALLS[call](client_of(answers(status)))

        assert caught.value.status == status

    @pytest.mark.parametrize("ask", [ask_element_token, ask_application_calendar])
    def test_refused_client_names_the_settings_to_check(self, ask):
        with pytest.raises(UpstreamRejected, match="client id or client secret was refused") as caught:
            ask(client_of(answers(401)))

        assert "WIDGETSVC_CRONOFY_CLIENT_ID" in str(caught.value)
        assert "WIDGETSVC_CRONOFY_CLIENT_SECRET" in str(caught.value)

    def test_client_that_oauth_refuses_names_the_settings_to_check(self):
        refused = answers(400, json={"error": "invalid_client"})

        with pytest.raises(UpstreamRejected, match="client id or client secret was refused"):
            client_of(refused).revoke(SUB)

    @pytest.mark.parametrize("ask", [ask_calendars, ask_event])
    def test_refused_access_token_does_not_blame_the_settings(self, ask):
        with pytest.raises(UpstreamRejected, match="access token was refused") as caught:
            ask(client_of(answers(401)))

        assert "WIDGETSVC" not in str(caught.value)

    def test_422_names_the_fields(self):
        fault = [{"key": "errors.required", "description": "required"}]
        errors = {"subs[0]": fault, "location.description": fault, "attendees.invite[0].email": fault}

        with pytest.raises(
            UpstreamRejected, match=r"subs\[0\], location\.description, attendees\.invite\[0\]\.email;"
        ):
            ask_element_token(client_of(answers(422, json={"errors": errors})))

    @pytest.mark.parametrize(
        "body", ["", "<h1>422</h1>", "[]", '{"errors": []}', '{"errors": {}}', '{"errors": {"<b>": []}}']
    )
    def test_422_without_readable_fields(self, body: str):
        with pytest.raises(UpstreamRejected, match="does not accept something it does not name"):
            ask_element_token(client_of(answers(422, text=body)))


def echoes_secrets(status: int) -> Handler:
    """Puts all that it was sent, and all tokens, wherever an error text might pick them up."""

    def echo(request: httpx.Request) -> httpx.Response:
        secrets = [CLIENT_SECRET, ACCESS_TOKEN, REFRESH_TOKEN, str(request.headers), request.content.decode()]
        echoed = {secret: [{"key": secret, "description": secret}] for secret in secrets}
        members = dict.fromkeys(["element_token", "calendars", "access_token", "linking_profile"], echoed)
        headers = {"Retry-After": CLIENT_SECRET, "Location": f"/{ACCESS_TOKEN}"}
        return httpx.Response(status, headers=headers, json={"errors": echoed, **members})

    return echo


class TestSecrecy:
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize(
        "handler",
        [
            *(
                pytest.param(echoes_secrets(status), id=f"echo {status}")
                for status in (200, 302, 401, 422, 429, 500)
            ),
            *(pytest.param(handler, id=fault) for fault, handler in UNUSABLE.items()),
        ],
    )
    def test_no_secret_in_an_error_or_its_traceback(self, call: str, handler: Handler):
        with pytest.raises(UpstreamError) as caught:
            CALLS[call](client_of(handler))

        assert_no_secret(repr(caught.value), *traceback.format_exception(caught.value))

    @pytest.mark.parametrize("member", ["access_token", "refresh_token"])
    def test_no_secret_in_the_traceback_of_a_refused_answer(self, member: str):
        handler = answers(json=CALENDAR_ANSWER | {member: CLIENT_SECRET + "\n"})

        with pytest.raises(UpstreamUnavailable) as caught:
            ask_application_calendar(client_of(handler))

        assert_no_secret(repr(caught.value), *traceback.format_exception(caught.value))

    def test_a_scheduling_link_is_created_with_the_api_key(self):
        url = "https://app.cronofy.com/rts/LLh-xYcYl4ZZ2CrwzDY1QTnNbxyUUTpE"
        cronofy = Cronofy(answers(json={"url": url, "real_time_scheduling": {"url": url, "status": "open"}}))

        assert ask_link(client_of(cronofy)) == url
        (request,) = cronofy.requests
        assert request.headers["Authorization"] == f"Bearer {CLIENT_SECRET}"
        assert json.loads(request.content) == {"event": {"event_id": "interview-1", "summary": "Interview"}}

    @pytest.mark.parametrize("url", ["javascript:alert(1)", "https://app.example.com/\nx", 1, None])
    def test_an_address_that_is_none_is_not_shared(self, url: object):
        client = client_of(answers(json={"real_time_scheduling": {"url": url}}))

        with pytest.raises(UpstreamUnavailable, match=r"real_time_scheduling\.url"):
            ask_link(client)

    def test_no_secret_in_any_repr(self):
        client = client_of(answers(json=CALENDAR_ANSWER))
        token = ask_element_token(client_of(token_answer(token=CLIENT_SECRET)))

        assert_no_secret(repr(client), repr(ask_application_calendar(client)), repr(token), str(token))

    @pytest.mark.parametrize("secret", ["", CLIENT_SECRET + "\n", "two words", "clé"])
    def test_client_secret_unfit_for_a_header_is_refused_unquoted(self, secret: str):
        with pytest.raises(ConfigurationError, match="WIDGETSVC_CRONOFY_CLIENT_SECRET") as caught:
            CronofyClient(http_client(BASE_URL), client_id="client-1", client_secret=secret)

        assert_no_secret(str(caught.value))

    @pytest.mark.parametrize("ask", ["list_calendars", "upsert_event"])
    def test_access_token_unfit_for_a_header_is_refused_unquoted(self, ask: str):
        client = client_of(answers())
        token = ACCESS_TOKEN + "\n"

        with pytest.raises(ValueError, match="visible ASCII") as caught:
            client.list_calendars(token) if ask == "list_calendars" else client.upsert_event(
                token, "cal_1", {}
            )

        assert_no_secret(*traceback.format_exception(caught.value))


def assert_no_secret(*texts: str) -> None:
    text = "\n".join(texts)
    for secret in (CLIENT_SECRET, ACCESS_TOKEN, REFRESH_TOKEN):
        assert secret not in text


class TestHttpClient:
    def test_times_out_and_trusts_neither_redirects_nor_the_environment(self):
        cronofy = Cronofy(token_answer())
        ask_element_token(client_of(cronofy))
        (request,) = cronofy.requests
        assert request.extensions["timeout"] == httpx.Timeout(5.0, connect=2.0, pool=2.0).as_dict()
        assert request.extensions["total"] == 5.0
        with http_client(BASE_URL) as http:
            assert not http.follow_redirects
            assert not http.trust_env
            assert http.headers["User-Agent"] == f"widgetsvc/{__version__}"
