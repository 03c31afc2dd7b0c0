"""Requests as each SDK puts them on the wire, byte for byte, and what it reads from the answers.

Ruby, PHP and C# are not at hand where the tests run; these requests are written after what a loopback server
saw of them. The rules that they teach: a header may lie about a body, a DELETE carries one, a form may stand
where JSON is expected, and no address is taken from what a client says in `Host`.
"""

import gzip
import json
import re
import socket
from contextlib import closing
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.processes import RunningService
from tests.sdks.conftest import Application, FullCalendar

JSON = ("Content-Type: application/json",)
JSON_UTF8 = ("Content-Type: application/json; charset=utf-8",)
FORM = ("Content-Type: application/x-www-form-urlencoded",)
PHP = ("Host: api.cronofy.com", *JSON_UTF8)
CSHARP = (*JSON_UTF8, "Content-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3")
CSHARP_SENDING = (*CSHARP, "Expect: 100-continue")

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MANAGED = "tzid=Etc%2FUTC&include_managed=true"
PAGE = "https://jobs.example.com"

_numbers = count()


@dataclass(frozen=True)
class Answer:
    """What came back; `interim` is whether 100 Continue came before."""

    status: int
    headers: Message
    body: bytes
    interim: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Wire:
    """Sends requests as they are given."""

    service: RunningService

    def send(
        self, method: str, target: str, headers: tuple[str, ...] = (), body: bytes | None = None
    ) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", *headers, "Connection: close"]
        if not any(line.startswith("Host:") for line in headers):
            lines.insert(1, f"Host: 127.0.0.1:{self.service.port}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        waits = "Expect: 100-continue" in headers
        with closing(socket.create_connection(("127.0.0.1", self.service.port), timeout=60)) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            received = b""
            if waits:
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65_536)
            connection.sendall(body or b"")
            while chunk := connection.recv(65_536):
                received += chunk
        head, _, rest = received.partition(b"\r\n\r\n")
        if waits:
            assert head == b"HTTP/1.1 100 Continue"
            head, _, rest = rest.partition(b"\r\n\r\n")
        status, _, fields = head.partition(b"\r\n")
        return Answer(int(status.split()[1]), BytesParser().parsebytes(fields), rest, waits)


@dataclass(frozen=True)
class Calendar:
    """A calendar of its own for a test, as the Ruby SDK asks for it."""

    wire: Wire
    document: dict[str, Any]
    calendar_id: str = field(init=False)

    def __post_init__(self) -> None:
        listed = self.wire.send("GET", "/v1/calendars", (self.bearer,))
        object.__setattr__(self, "calendar_id", listed.json["calendars"][0]["calendar_id"])

    @property
    def sub(self) -> str:
        return str(self.document["sub"])

    @property
    def bearer(self) -> str:
        return f"Authorization: Bearer {self.document['access_token']}"

    @property
    def path(self) -> str:
        return f"/v1/calendars/{self.calendar_id}/events"

    def send(
        self, method: str, target: str, headers: tuple[str, ...] = JSON, body: bytes | None = None
    ) -> Answer:
        return self.wire.send(method, target, (*headers, self.bearer), body)

    def write(self, event_id: str, hour: int) -> None:
        event = {
            "event_id": event_id,
            "summary": event_id,
            "start": f"2024-06-25T{hour:02}:00:00Z",
            "end": f"2024-06-25T{hour:02}:30:00Z",
        }
        assert self.send("POST", self.path, JSON, json.dumps(event).encode()).status == 202

    def events(self, query: str = MANAGED) -> list[dict[str, Any]]:
        answer = self.send("GET", f"/v1/events?{query}")
        assert answer.status == 200, answer.body
        return list(answer.json["events"])

    def event_ids(self, query: str = MANAGED) -> list[str]:
        return [event["event_id"] for event in self.events(query)]


@pytest.fixture(scope="module")
def wire(service: RunningService) -> Wire:
    return Wire(service)


def client_fields(application: Application, **more: str) -> dict[str, str]:
    return {"client_id": application.client_id, "client_secret": application.client_secret} | more


def form(fields: dict[str, str]) -> bytes:
    return urlencode(fields).encode()


@pytest.fixture
def calendar(wire: Wire, application: Application) -> Calendar:
    fields = client_fields(application, application_calendar_id=f"wire-{next(_numbers)}")
    created = wire.send("POST", "/v1/application_calendars", FORM, form(fields))
    assert created.status == 200
    return Calendar(wire, created.json)


# Credentials and tokens


def test_ruby_creates_a_calendar_with_a_form_and_reads_credentials(calendar: Calendar) -> None:
    document = calendar.document

    assert len(document["access_token"]) == 32
    assert document["refresh_token"]
    assert document["expires_in"] > 0
    assert document["scope"] == "read_write"
    assert document["sub"].startswith("apc_")
    assert document["linking_profile"]["provider_name"] == "cronofy"
    assert document["linking_profile"].keys() == {"provider_name", "profile_id", "profile_name"}


@pytest.mark.parametrize("token", ["None", "undefined", "a-token-that-has-expired", "", None])
def test_credentials_in_a_body_make_the_authorization_header_irrelevant(
    wire: Wire, application: Application, calendar: Calendar, token: str | None
) -> None:
    header = () if token is None else (f"Authorization: Bearer {token}",)
    fields = client_fields(application, application_calendar_id="any")
    refresh = client_fields(
        application, grant_type="refresh_token", refresh_token=calendar.document["refresh_token"]
    )

    created = wire.send("POST", "/v1/application_calendars", (*JSON, *header), json.dumps(fields).encode())
    refreshed = wire.send("POST", "/oauth/token", (*JSON, *header), json.dumps(refresh).encode())

    assert (created.status, refreshed.status) == (200, 200)


@pytest.mark.parametrize(
    ("headers", "encode"),
    [
        pytest.param((*FORM, "Host: api.cronofy.com"), form, id="Ruby"),
        pytest.param(
            ("Host: app.cronofy.com", *CSHARP_SENDING), lambda fields: json.dumps(fields).encode(), id="C#"
        ),
        pytest.param(PHP, lambda fields: json.dumps(fields).replace("/", "\\/").encode(), id="PHP"),
    ],
)
def test_tokens_are_refreshed_and_revoked_at_the_root_of_the_origin(
    wire: Wire, application: Application, calendar: Calendar, headers: tuple[str, ...], encode: Any
) -> None:
    token = calendar.document["refresh_token"]
    refresh = client_fields(application, grant_type="refresh_token", refresh_token=token)

    refreshed = wire.send("POST", "/oauth/token", headers, encode(refresh))
    revoked = wire.send(
        "POST", "/oauth/token/revoke", headers, encode(client_fields(application, token=token))
    )
    afterwards = wire.send("POST", "/oauth/token", headers, encode(refresh))

    assert (refreshed.status, refreshed.json["refresh_token"]) == (200, token)
    assert refreshed.headers["Cache-Control"] == "no-store"
    assert (revoked.status, revoked.body) == (200, b"")
    assert (afterwards.status, afterwards.json["error"]) == (400, "invalid_grant")
    assert calendar.send("GET", "/v1/calendars").status == 401


def test_node_revokes_with_nothing_but_its_refresh_token(
    wire: Wire, application: Application, calendar: Calendar
) -> None:
    fields = client_fields(application, refresh_token=calendar.document["refresh_token"])

    revoked = wire.send("POST", "/oauth/token/revoke", JSON, json.dumps(fields).encode())

    assert (revoked.status, revoked.body) == (200, b"")
    assert calendar.send("GET", "/v1/calendars").status == 401


def test_ruby_takes_its_error_message_from_the_status_header(calendar: Calendar) -> None:
    refused = calendar.send("POST", calendar.path, JSON_UTF8, b"{}")

    assert refused.status == 422
    assert refused.headers["Status"] == "422 Unprocessable Entity"
    assert refused.json["errors"]["summary"][0]["key"] == "errors.required"


# Bodies


def test_csharp_waits_for_100_and_sends_a_plain_body_under_an_encoding_header(calendar: Calendar) -> None:
    event = (
        b'{"event_id":"c-sharp","summary":"Meeting","start":{"time":"2024-06-25 17:00:00Z","tzid":"Etc/UTC"},'
        b'"end":{"time":"2024-06-25 17:30:00Z","tzid":"Etc/UTC"}}'
    )

    written = calendar.send("POST", calendar.path, CSHARP_SENDING, event)

    assert (written.status, written.body, written.interim) == (202, b"", True)
    (found,) = calendar.events(f"{MANAGED}&localized_times=true")
    assert found["start"] == {"time": "2024-06-25T17:00:00+00:00", "tzid": "Etc/UTC"}
    assert found["end"] == {"time": "2024-06-25T17:30:00+00:00", "tzid": "Etc/UTC"}


def test_csharp_deletes_with_a_body(calendar: Calendar) -> None:
    calendar.write("c-sharp", 9)

    deleted = calendar.send("DELETE", calendar.path, CSHARP_SENDING, b'{"event_id":"c-sharp"}')

    assert (deleted.status, deleted.body) == (202, b"")
    assert calendar.events() == []


def test_a_body_that_is_compressed_is_refused_and_not_inflated(calendar: Calendar) -> None:
    bomb = gzip.compress(b" " * 20_000_000)

    refused = calendar.send("POST", calendar.path, (*JSON, "Content-Encoding: gzip"), bomb)

    assert refused.status == 422
    assert list(refused.json["errors"]) == ["base"]


def test_php_escapes_slashes_and_names_another_host(calendar: Calendar) -> None:
    event = (
        rb'{"event_id":"php","summary":"caf\u00e9 a\/b","start":"2024-06-25T17:00:00Z",'
        rb'"end":"2024-06-25T17:30:00Z","tzid":"Europe\/London"}'
    )

    assert calendar.send("POST", calendar.path, PHP, event).status == 202
    (found,) = calendar.events()
    assert (found["event_id"], found["summary"]) == ("php", "café a/b")


def test_python_sends_nulls_for_what_is_unset(calendar: Calendar) -> None:
    event = (
        b'{"event_id": "python", "summary": "s", "start": "2024-06-25T17:00:00Z", '
        b'"end": "2024-06-25T18:00:00Z", "location": null, "reminders": null, "transparency": null, '
        b'"tzid": null, "description": null}'
    )

    assert calendar.send("POST", calendar.path, JSON, event).status == 202
    (found,) = calendar.events()
    assert found["transparency"] == "opaque"


@pytest.mark.parametrize(
    "start",
    [
        '"2024-06-25T17:00:00Z"',
        '"2024-06-25 17:00:00Z"',
        '"2024-06-25T17:00:00UTC"',
        '"2024-06-25T19:00:00+02:00"',
        '{"time":"2024-06-25T17:00:00Z","tzid":"Europe/Paris"}',
        '{"time":"2024-06-25 17:00:00Z","tzid":"Etc/UTC"}',
    ],
)
def test_every_sdks_form_of_a_time_is_the_same_instant(calendar: Calendar, start: str) -> None:
    event = f'{{"event_id":"t","summary":"s","start":{start},"end":"2024-06-25T17:30:00Z"}}'.encode()

    assert calendar.send("POST", calendar.path, JSON_UTF8, event).status == 202
    assert [found["start"] for found in calendar.events()] == ["2024-06-25T17:00:00Z"]


# Reading


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(JSON, b"{}", id="Python sends a body"),
        pytest.param(JSON, None, id="Node names the type of no body"),
        pytest.param(CSHARP, None, id="C# names an encoding of no body"),
        pytest.param(PHP, None, id="PHP names another host"),
    ],
)
def test_a_read_is_a_read_whatever_its_headers_and_body(
    calendar: Calendar, headers: tuple[str, ...], body: bytes | None
) -> None:
    calendar.write("meeting", 9)

    found = calendar.send("GET", f"/v1/events?{MANAGED}", headers, body)

    assert (found.status, [event["event_id"] for event in found.json["events"]]) == (200, ["meeting"])


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "1"])
def test_every_sdks_word_for_true_is_understood(calendar: Calendar, word: str) -> None:
    calendar.write("meeting", 9)

    assert calendar.event_ids(f"tzid=Etc%2FUTC&include_managed={word}") == ["meeting"]


@pytest.mark.parametrize("word", ["false", "False", "FALSE", "0"])
def test_every_sdks_word_for_false_is_understood(calendar: Calendar, word: str) -> None:
    calendar.write("meeting", 9)

    assert calendar.event_ids(f"tzid=Etc%2FUTC&include_managed={word}") == []


@pytest.mark.parametrize("name", ["calendar_ids[]", "calendar_ids%5B%5D"])
def test_brackets_of_a_list_are_raw_or_encoded(calendar: Calendar, name: str) -> None:
    calendar.write("meeting", 9)

    assert calendar.event_ids(f"{MANAGED}&{name}=cal_other&{name}={calendar.calendar_id}") == ["meeting"]
    assert calendar.event_ids(f"{MANAGED}&{name}=cal_other") == []


def test_csharp_asks_for_what_has_changed_with_a_space_in_the_time(calendar: Calendar) -> None:
    calendar.write("meeting", 9)

    long_ago, in_time = (
        calendar.event_ids(f"{MANAGED}&localized_times=true&last_modified={year}-01-02%2003%3A04%3A05Z")
        for year in (2024, 2199)
    )

    assert (long_ago, in_time) == (["meeting"], [])


def test_php_takes_the_first_member_of_the_list_of_calendars(calendar: Calendar) -> None:
    assert calendar.send("GET", "/v1/calendars", PHP).body.startswith(b'{"calendars":[{')


def test_csharp_finds_neither_fractions_nor_nulls(calendar: Calendar) -> None:
    calendar.write("meeting", 9)

    answer = calendar.send("GET", f"/v1/events?{MANAGED}", CSHARP)

    assert b"null" not in answer.body
    (event,) = answer.json["events"]
    for name in ("start", "end", "created", "updated"):
        assert UTC_TIME.fullmatch(event[name]), name
    localized = calendar.events(f"{MANAGED}&localized_times=true")[0]
    assert localized["start"].keys() == {"time", "tzid"}


def test_pages_are_linked_by_the_public_address_whatever_host_is_named(
    wire: Wire, application: Application, full_calendar: FullCalendar, service: RunningService
) -> None:
    fields = client_fields(application, application_calendar_id=full_calendar.application_calendar_id)
    opened = wire.send("POST", "/v1/application_calendars", FORM, form(fields)).json
    body = {"permissions": ["agenda"], "subs": [opened["sub"]], "origin": PAGE}
    key = f"Authorization: Bearer {application.client_secret}"
    minted = wire.send("POST", "/v1/element_tokens", (*PHP, key), json.dumps(body).encode()).json
    element_token = quote(minted["element_token"]["token"])

    first = wire.send(
        "GET", f"/v1/events?{MANAGED}&et={element_token}", (f"Origin: {PAGE}", "Host: api.cronofy.com")
    ).json
    link = first["pages"]["next_page"]
    # The UI Elements add their token to the link by themselves.
    second = wire.send(
        "GET", f"{link.removeprefix(service.url)}?et={element_token}", (f"Origin: {PAGE}",)
    ).json

    assert link.startswith(f"{service.url}/v1/events/pages/")
    assert "et=" not in link
    assert (first["pages"]["current"], first["pages"]["total"]) == (1, 2)
    assert second["pages"] == {"current": 2, "total": 2}
    found = [event["event_id"] for event in first["events"] + second["events"]]
    assert found == full_calendar.event_ids


# Deleting


def test_python_puts_a_bulk_delete_into_the_query(calendar: Calendar) -> None:
    calendar.write("a", 9)
    calendar.write("b", 10)

    named = calendar.send("DELETE", f"/v1/events?calendar_ids%5B%5D={calendar.calendar_id}", JSON, b"{}")
    assert (named.status, named.body, calendar.events()) == (202, b"", [])

    calendar.write("c", 9)
    everything = calendar.send("DELETE", "/v1/events?delete_all=True", JSON, b"{}")
    assert (everything.status, everything.body, calendar.events()) == (202, b"", [])


def test_others_put_a_bulk_delete_into_the_body(calendar: Calendar) -> None:
    calendar.write("a", 9)

    deleted = calendar.send("DELETE", "/v1/events", CSHARP_SENDING, b'{"delete_all":true}')

    assert (deleted.status, deleted.body, calendar.events()) == (202, b"", [])


RULE = (
    b'{"availability_rule_id":"work","tzid":"Europe\\/London","calendar_ids":null,'
    b'"weekly_periods":[{"day":"monday","start_time":"09:30","end_time":"12:30"}]}'
)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(PHP, b"[]", id="PHP sends an empty list"),
        pytest.param(JSON, b'{"availability_rule_id":"work"}', id="Node repeats the id"),
        pytest.param(JSON, b"{}", id="Python sends an empty object"),
        pytest.param(CSHARP, None, id="C# sends nothing"),
    ],
)
def test_a_rule_is_deleted_by_its_path_whatever_the_body(
    calendar: Calendar, headers: tuple[str, ...], body: bytes | None
) -> None:
    written = calendar.send("POST", "/v1/availability_rules", PHP, RULE)
    assert (written.status, written.json["availability_rule"]["weekly_periods"]) == (
        200,
        [{"day": "monday", "start_time": "09:30", "end_time": "12:30"}],
    )

    deleted = calendar.send("DELETE", "/v1/availability_rules/work", headers, body)

    assert (deleted.status, deleted.body) == (202, b"")
    assert calendar.send("GET", "/v1/availability_rules/work").status == 404


def test_php_deletes_an_available_period_under_a_trailing_slash(calendar: Calendar) -> None:
    period = b'{"available_period_id":"morning","start":"2024-06-25T09:00:00Z","end":"2024-06-25T12:00:00Z"}'
    assert calendar.send("POST", "/v1/available_periods", PHP, period).status == 202

    deleted = calendar.send("DELETE", "/v1/available_periods/", PHP, b'{"available_period_id":"morning"}')

    assert (deleted.status, deleted.body) == (202, b"")
    assert calendar.send("GET", "/v1/available_periods").json == {
        "pages": {"current": 1, "total": 1},
        "available_periods": [],
    }


# Several at once, and availability


def test_a_batch_names_paths_and_counts_202_as_success(calendar: Calendar) -> None:
    path = calendar.path.replace("/", "\\/")
    body = (
        '{"batch":['
        f'{{"method":"POST","relative_url":"{path}","data":{{"event_id":"a","summary":"a",'
        '"start":{"time":"2024-06-25 17:00:00Z","tzid":"Etc/UTC"},'
        '"end":{"time":"2024-06-25 17:30:00Z","tzid":"Etc/UTC"}}},'
        f'{{"method":"DELETE","relative_url":"{path}","data":{{"event_id":"a"}}}},'
        f'{{"method":"POST","relative_url":"{path}","data":[]}}'
        "]}"
    ).encode()

    done = calendar.send("POST", "/v1/batch", PHP, body)

    assert done.status == 207
    assert done.json["batch"][:2] == [{"status": 202}, {"status": 202}]
    assert done.json["batch"][2]["status"] == 422
    assert "event_id" in done.json["batch"][2]["data"]["errors"]


@pytest.mark.parametrize("with_key", [True, False], ids=["API key (PHP)", "access token (C#)"])
def test_availability_is_asked_for_with_either_credential(
    wire: Wire, application: Application, calendar: Calendar, with_key: bool
) -> None:
    calendar.write("meeting", 10)
    query = (
        f'{{"participants":[{{"members":[{{"sub":"{calendar.sub}"}}]}}],"required_duration":{{"minutes":60}},'
        '"available_periods":[{"start":"2024-06-25 09:00:00Z","end":"2024-06-25 12:00:00Z"}],'
        '"buffer":{},"start_interval":null,"query_slots":null,"max_results":null}'
    ).encode()
    credential = f"Authorization: Bearer {application.client_secret}" if with_key else calendar.bearer

    found = wire.send("POST", "/v1/availability", (*CSHARP_SENDING, credential), query)

    assert found.status == 200
    assert found.json == {
        "available_periods": [
            {
                "start": "2024-06-25T09:00:00Z",
                "end": "2024-06-25T10:00:00Z",
                "participants": [{"sub": calendar.sub}],
            },
            {
                "start": "2024-06-25T10:30:00Z",
                "end": "2024-06-25T12:00:00Z",
                "participants": [{"sub": calendar.sub}],
            },
        ]
    }


# Real-time scheduling: three ways to show who calls, and one answer for all


def link_fields(calendar: Calendar) -> dict[str, Any]:
    return {
        "oauth": {"redirect_uri": "https://jobs.example.com/done", "scope": "x", "state": None},
        "event": {"event_id": "interview", "summary": "Interview", "tzid": "Europe/London"},
        "availability": {
            "participants": [{"members": [{"sub": calendar.sub}], "required": "all"}],
            "required_duration": {"minutes": 60},
            "available_periods": [{"start": "2199-06-25 09:00:00Z", "end": "2199-06-25 12:00:00Z"}],
        },
        "target_calendars": [{"sub": calendar.sub, "calendar_id": calendar.calendar_id}],
        "tzid": "Europe/London",
        "callback_url": None,
    }


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        pytest.param(JSON, {"key"}, id="API key (Python, Node)"),
        pytest.param(JSON_UTF8, {"body"}, id="body (Ruby)"),
        pytest.param(CSHARP_SENDING, {"body"}, id="body (C#)"),
        pytest.param(PHP, {"body", "access token"}, id="body and an access token (PHP)"),
    ],
)
def test_a_link_is_made_with_any_credentials_and_read_in_both_shapes(
    wire: Wire, application: Application, calendar: Calendar, headers: tuple[str, ...], shown: set[str]
) -> None:
    if "key" in shown:
        headers = (*headers, f"Authorization: Bearer {application.client_secret}")
    if "access token" in shown:
        headers = (*headers, calendar.bearer)
    fields = link_fields(calendar) | (client_fields(application) if "body" in shown else {})
    body = json.dumps(fields).replace("/", "\\/").encode()

    made = wire.send("POST", "/v1/real_time_scheduling", headers, body)

    assert made.status == 200, made.body
    link = made.json["real_time_scheduling"]
    assert made.json["url"] == link["url"]
    assert link["status"] == "open"
    assert link["real_time_scheduling_id"].startswith("sch_")
    assert (link["event"]["event_id"], link["event"]["summary"]) == ("interview", "Interview")
    assert b"null" not in made.body


def test_body_credentials_that_are_wrong_are_not_mended_by_a_header(
    wire: Wire, application: Application, calendar: Calendar
) -> None:
    fields = link_fields(calendar) | client_fields(application) | {"client_secret": "wrong"}
    key = f"Authorization: Bearer {application.client_secret}"

    refused = wire.send("POST", "/v1/real_time_scheduling", (*PHP, key), json.dumps(fields).encode())

    assert (refused.status, refused.body) == (401, b"")


def test_a_link_is_found_by_its_token_and_id_and_disabled_twice(
    wire: Wire, application: Application, calendar: Calendar
) -> None:
    key = f"Authorization: Bearer {application.client_secret}"
    body = json.dumps(link_fields(calendar)).encode()
    made = wire.send("POST", "/v1/real_time_scheduling", (*JSON, key), body).json["real_time_scheduling"]
    path = f"/v1/real_time_scheduling/{made['real_time_scheduling_id']}"

    by_token = wire.send(
        "GET", f"/v1/real_time_scheduling?token={made['url'].rpartition('/')[2]}", (*JSON, key), b"{}"
    )
    by_id = wire.send("GET", path, (*JSON, key))
    disabled = [
        wire.send("POST", f"{path}/disable", (*CSHARP_SENDING, key), b'{"display_message":"Closed"}')
        for _ in range(2)
    ]

    assert by_token.json == by_id.json == {"real_time_scheduling": made}
    assert [(answer.status, answer.json["real_time_scheduling"]["status"]) for answer in disabled] == [
        (200, "disabled")
    ] * 2
