"""What is asked again and what is not, for how long, and what is held back altogether."""

from collections.abc import Callable

import httpx
import pytest

from tests.cronofy.conftest import Guarded, Handler
from widgetsvc.cronofy.breaker import BreakerState
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.cronofy.faults import BudgetSpent, CircuitOpen, InvalidGrant, NotAsked, NotAwaited
from widgetsvc.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable
from widgetsvc.permissions import Permission

Make = Callable[..., Guarded]

ORIGIN = "https://jobs.example.com"
TOKEN = {"token": "et", "permissions": ["agenda"], "origin": ORIGIN, "expires_in": 64_800}
ACCOUNT = {
    "access_token": "at",
    "refresh_token": "rt",
    "expires_in": 3_600,
    "sub": "apc_1",
    "application_calendar_id": "store-42",
    "linking_profile": {"profile_id": "pro_1"},
}


def answers(status: int = 200, **kwargs: object) -> Handler:
    return lambda _request: httpx.Response(status, **kwargs)


def breaks(error: type[httpx.TransportError]) -> Handler:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("", request=request)

    return fail


def mint(client: CronofyClient) -> object:
    return client.element_token({Permission.AGENDA}, ["apc_1"], ORIGIN)


def link(client: CronofyClient) -> object:
    return client.create_scheduling_link({"event": {}})


REPEATABLE: dict[str, tuple[Callable[[CronofyClient], object], Handler]] = {
    "POST /v1/element_tokens": (mint, answers(json={"element_token": TOKEN})),
    "POST /v1/application_calendars": (
        lambda client: client.upsert_application_calendar("store-42"),
        answers(json=ACCOUNT),
    ),
    "POST /v1/availability": (
        lambda client: client.availability({}),
        answers(json={"available_slots": []}),
    ),
    "GET /v1/calendars": (lambda client: client.list_calendars("at"), answers(json={"calendars": []})),
    "POST /v1/calendars/{calendar_id}/events": (
        lambda client: client.upsert_event("at", "cal_1", {"event_id": "e"}),
        answers(202),
    ),
    "POST /oauth/token/revoke": (lambda client: client.revoke("apc_1"), answers()),
    "POST /oauth/token": (
        lambda client: client.refresh("rt"),
        answers(json={"access_token": "at", "expires_in": 3_600}),
    ),
}
MINTED = REPEATABLE["POST /v1/element_tokens"][1]

MAY_PASS = {
    "connect error": breaks(httpx.ConnectError),
    "connect timeout": breaks(httpx.ConnectTimeout),
    "read timeout": breaks(httpx.ReadTimeout),
    "cut connection": breaks(httpx.RemoteProtocolError),
    "500": answers(500),
    "502": answers(502),
    "503": answers(503),
    "504": answers(504, text="<html>Gateway Time-out"),
}
WILL_NOT_PASS = {
    "401": answers(401),
    "422": answers(422, json={"errors": {}}),
    "429": answers(429, headers={"Retry-After": "7"}),
    "501": answers(501),
    "503 that says when": answers(503, headers={"Retry-After": "7"}),
    "redirect": answers(302, headers={"Location": "https://elsewhere.test/"}),
    "HTML": answers(text="<!doctype html><title>Sign in to the Wi-Fi"),
    "other origin": answers(json={"element_token": TOKEN | {"origin": "https://evil.test"}}),
    "no connection free": breaks(httpx.PoolTimeout),
}


@pytest.mark.parametrize("fault", MAY_PASS.values(), ids=MAY_PASS)
def test_a_fault_that_may_pass_is_asked_about_again(guarded: Make, fault: Handler) -> None:
    made = guarded(fault)
    made.cloud.answers_in_turn(fault, fault, MINTED)

    assert mint(made.client) is not None
    assert len(made.cloud.requests) == 3


@pytest.mark.parametrize("call", REPEATABLE)
def test_calls_that_may_be_sent_twice_are_sent_up_to_three_times(guarded: Make, call: str) -> None:
    ask, _ = REPEATABLE[call]
    made = guarded(answers(500))

    with pytest.raises(UpstreamUnavailable, match="answered 500"):
        ask(made.client)

    assert len({request.content for request in made.cloud.requests}) == 1
    assert len(made.cloud.requests) == 3


def test_a_scheduling_link_is_asked_for_once(guarded: Make) -> None:
    made = guarded(breaks(httpx.ConnectError))

    with pytest.raises(UpstreamUnavailable):
        link(made.client)

    assert len(made.cloud.requests) == 1


@pytest.mark.parametrize("fault", WILL_NOT_PASS.values(), ids=WILL_NOT_PASS)
def test_other_faults_are_told_at_once(guarded: Make, fault: Handler) -> None:
    made = guarded(fault)

    with pytest.raises(UpstreamError):
        mint(made.client)

    assert len(made.cloud.requests) == 1


def test_attempts_are_a_random_while_apart(guarded: Make) -> None:
    waits = []
    for _ in range(20):
        made = guarded(answers(500))
        with pytest.raises(UpstreamUnavailable):
            mint(made.client)
        waits.append(tuple(made.slept))

    assert len(set(waits)) == 20
    assert all(0 <= first <= 0.2 and 0 <= second <= 0.4 for first, second in waits)


@pytest.mark.parametrize(("seconds", "attempts"), [(1.2, 3), (2.3, 2), (4.9, 1)])
def test_attempts_end_within_five_seconds_in_all(guarded: Make, seconds: float, attempts: int) -> None:
    made = guarded(answers(500))
    made.cloud.seconds = seconds
    began = made.clock.now

    with pytest.raises(UpstreamUnavailable):
        mint(made.client)

    assert len(made.cloud.requests) == attempts
    left = [request.extensions["total"] for request in made.cloud.requests]
    assert left[0] == 5.0
    assert left == sorted(left, reverse=True)
    assert made.cloud.requests[-1].extensions["timeout"]["read"] == left[-1]
    assert made.clock.now - began < 6


def test_a_broken_api_is_left_alone_from_the_fifth_failure_on(guarded: Make) -> None:
    made = guarded(answers(500))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable, match="answered 500"):
            mint(made.client)
    assert len(made.cloud.requests) == 5
    assert made.client.breaker_state is BreakerState.OPEN

    with pytest.raises(CircuitOpen) as caught:
        mint(made.client)

    assert len(made.cloud.requests) == 5
    assert caught.value.retry_after == 15


def test_who_had_little_time_is_no_witness_against_the_api(guarded: Make) -> None:
    made = guarded(breaks(httpx.ReadTimeout))
    for _ in range(20):
        with pytest.raises(NotAwaited, match=r"within 0\.3 s"):
            made.client.availability({}, seconds=0.3)

    assert [request.extensions["total"] for request in made.cloud.requests] == pytest.approx([0.3] * 20)
    assert made.client.breaker_state is BreakerState.CLOSED


def test_faults_are_faults_however_little_time_there_was(guarded: Make) -> None:
    made = guarded(answers(500))
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable, match="answered 500"):
            made.client.availability({}, seconds=0.3)

    assert len(made.cloud.requests) == 5
    assert made.client.breaker_state is BreakerState.OPEN


def test_a_probe_is_one_request_and_brings_it_back(guarded: Make) -> None:
    made = guarded(answers(500))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            mint(made.client)
    made.clock.advance(15)
    assert made.client.breaker_state is BreakerState.HALF_OPEN
    with pytest.raises(UpstreamUnavailable, match="answered 500"):
        mint(made.client)
    assert len(made.cloud.requests) == 6
    made.clock.advance(15)
    made.cloud.answer = MINTED

    assert mint(made.client) is not None
    assert made.client.breaker_state is BreakerState.CLOSED


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 423])
def test_refusals_never_open_the_breaker(guarded: Make, status: int) -> None:
    made = guarded(answers(status))
    for _ in range(20):
        with pytest.raises(UpstreamRejected):
            mint(made.client)

    assert made.client.breaker_state is BreakerState.CLOSED


@pytest.mark.parametrize("fault", ["other origin", "no connection free"])
def test_what_may_be_a_single_pages_fault_never_opens_the_breaker(guarded: Make, fault: str) -> None:
    made = guarded(WILL_NOT_PASS[fault])
    for _ in range(20):
        with pytest.raises(UpstreamUnavailable):
            mint(made.client)

    assert made.client.breaker_state is BreakerState.CLOSED


@pytest.mark.parametrize("fault", ["HTML", "redirect", "501"])
def test_an_api_that_is_none_opens_the_breaker(guarded: Make, fault: str) -> None:
    made = guarded(WILL_NOT_PASS[fault])
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable):
            mint(made.client)

    assert made.client.breaker_state is BreakerState.OPEN


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("Sun, 06 Nov 1994 08:49:44 GMT", 7), ("86400", 60), ("soon", 5)]
)
def test_nothing_goes_out_before_a_retry_after_is_over(
    guarded: Make, status: int, value: str, seconds: int
) -> None:
    made = guarded(answers(status, headers={"Retry-After": value}))
    with pytest.raises(UpstreamUnavailable):
        mint(made.client)
    made.cloud.answer = REPEATABLE["GET /v1/calendars"][1]
    made.clock.advance(seconds - 2)
    with pytest.raises(BudgetSpent) as caught:
        made.client.list_calendars("at")
    assert caught.value.retry_after == 2
    assert len(made.cloud.requests) == 1
    made.clock.advance(2)

    assert made.client.list_calendars("at") == ()


def test_a_429_without_a_word_is_obeyed_for_five_seconds(guarded: Make) -> None:
    made = guarded(answers(429))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            mint(made.client)

    assert len(made.cloud.requests) == 1


def test_beyond_the_budget_nothing_goes_out(guarded: Make) -> None:
    made = guarded(MINTED, limits="2/day")
    mint(made.client)
    mint(made.client)

    with pytest.raises(BudgetSpent, match="WIDGETSVC_CRONOFY_RATE_LIMITS"):
        mint(made.client)

    assert len(made.cloud.requests) == 2
    assert made.client.breaker_state is BreakerState.CLOSED


def test_attempts_count_towards_the_budget(guarded: Make) -> None:
    made = guarded(answers(500), limits="2/day")

    with pytest.raises(BudgetSpent):
        mint(made.client)

    assert len(made.cloud.requests) == 2


def test_a_probe_that_the_budget_forbids_leaves_the_probe_to_the_next(guarded: Make) -> None:
    made = guarded(answers(500, headers={"Retry-After": "20"}))
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable):
            mint(made.client)
        made.clock.advance(20)
    assert made.client.breaker_state is BreakerState.HALF_OPEN
    made.cloud.answer = MINTED

    assert mint(made.client) is not None


def test_without_a_guard_the_backend_is_asked_once_and_every_time(guarded: Make) -> None:
    made = guarded(answers(503, headers={"Retry-After": "7"}))
    http = http_client("https://api.cronofy.test", transport=httpx.MockTransport(made.cloud))
    plain = CronofyClient(http, client_id="client-1", client_secret="secret")
    for _ in range(20):
        with pytest.raises(UpstreamUnavailable, match="answered 503"):
            mint(plain)

    assert len(made.cloud.requests) == 20
    assert plain.breaker_state is BreakerState.CLOSED


class TestObserver:
    @pytest.mark.parametrize("call", REPEATABLE)
    def test_is_told_of_every_exchange_without_ids(self, guarded: Make, call: str) -> None:
        ask, answer = REPEATABLE[call]
        made = guarded(answer)
        made.cloud.seconds = 0.25

        ask(made.client)

        (exchange,) = made.exchanges
        assert (exchange.call, exchange.outcome, exchange.seconds) == (call, "ok", 0.25)

    @pytest.mark.parametrize(
        ("fault", "outcome"),
        [
            ("401", "rejected"),
            ("422", "rejected"),
            ("429", "limited"),
            ("501", "unavailable"),
            ("503 that says when", "unavailable"),
            ("HTML", "unavailable"),
            ("other origin", "unavailable"),
            ("no connection free", "unavailable"),
        ],
    )
    def test_is_told_how_it_ended(self, guarded: Make, fault: str, outcome: str) -> None:
        made = guarded(WILL_NOT_PASS[fault])

        with pytest.raises(UpstreamError):
            mint(made.client)

        assert [exchange.outcome for exchange in made.exchanges] == [outcome]

    def test_is_told_of_attempts_and_of_what_is_held_back(self, guarded: Make) -> None:
        made = guarded(answers(500))
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable):
                mint(made.client)

        assert [exchange.outcome for exchange in made.exchanges] == ["unavailable"] * 5 + ["open"]

    def test_is_told_of_a_spent_budget(self, guarded: Make) -> None:
        made = guarded(MINTED, limits="1/day")
        mint(made.client)
        with pytest.raises(NotAsked):
            mint(made.client)

        assert [exchange.outcome for exchange in made.exchanges] == ["ok", "limited"]


class TestCredentials:
    def refusal(self, error: str, date: str | None = None) -> Handler:
        headers = {"Date": date} if date else {}
        return answers(400, json={"error": error}, headers=headers)

    def test_are_right_where_only_the_grant_is_refused(self, guarded: Make) -> None:
        made = guarded(self.refusal("invalid_grant", "Sun, 06 Nov 1994 08:49:37 GMT"))
        made.cloud.seconds = 1.0

        reached = made.client.check_credentials()

        assert (reached.seconds, reached.clock_offset) == (1.0, 0.5)

    @pytest.mark.parametrize("date", [None, "yesterday", ""])
    def test_can_be_right_without_a_clock_to_compare(self, guarded: Make, date: str | None) -> None:
        made = guarded(self.refusal("invalid_grant", date))

        assert made.client.check_credentials().clock_offset is None

    @pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
    def test_are_wrong_where_the_client_is_refused(self, guarded: Make, error: str) -> None:
        made = guarded(self.refusal(error))

        with pytest.raises(UpstreamRejected, match="WIDGETSVC_CRONOFY_DATA_CENTER"):
            made.client.check_credentials()

    @pytest.mark.parametrize("answer", [answers(json={}), answers(400, text="<html>"), answers(404)])
    def test_are_not_known_to_be_right_by_any_other_answer(self, guarded: Make, answer: Handler) -> None:
        with pytest.raises(UpstreamError):
            guarded(answer).client.check_credentials()


class TestRefresh:
    def test_sends_the_grant_as_a_form(self, guarded: Make) -> None:
        made = guarded(REPEATABLE["POST /oauth/token"][1])

        tokens = made.client.refresh("rt/+ é")

        (request,) = made.cloud.requests
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert dict(httpx.QueryParams(request.content.decode())) == {
            "grant_type": "refresh_token",
            "refresh_token": "rt/+ é",
            "client_id": "client-1",
            "client_secret": "CRN_client-SECRET-7f3k",
        }
        assert (tokens.access_token, tokens.expires_in, tokens.refresh_token) == ("at", 3_600, None)

    def test_tells_a_dead_refresh_token_from_other_refusals(self, guarded: Make) -> None:
        with pytest.raises(InvalidGrant):
            guarded(answers(400, json={"error": "invalid_grant"})).client.refresh("rt")
        with pytest.raises(UpstreamRejected) as caught:
            guarded(answers(400, json={"error": "invalid_request"})).client.refresh("rt")
        assert not isinstance(caught.value, InvalidGrant)

    @pytest.mark.parametrize(
        "body",
        [
            {"access_token": "at"},
            {"access_token": "at", "expires_in": 0},
            {"access_token": "at", "expires_in": "3600"},
            {"access_token": "a t", "expires_in": 3_600},
            {"access_token": "at", "expires_in": 3_600, "refresh_token": "r\nt"},
        ],
    )
    def test_believes_no_odd_answer(self, guarded: Make, body: dict[str, object]) -> None:
        with pytest.raises(UpstreamUnavailable, match="not Cronofy's"):
            guarded(answers(json=body)).client.refresh("rt")
