"""The first free slots: what is asked, how often, and what happens where no answer comes in time."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.clocks import FakeClock
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.gateway.first_slots import FRESH_SECONDS, MAX_SLOTS, REST_SECONDS, FirstSlots, Search
from widgetsvc.gateway.widget_models import WidgetQuery
from widgetsvc.limits import Allowance, LocalCounts
from widgetsvc.permissions import Element

MONDAY_NINE = int(datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp())
HOUR = 3_600


class Api:
    """Answers queries with the slots that it holds, and keeps what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.timeouts: list[float] = []
        self.free = ["2026-11-23T09:00:00Z", "2026-11-23T09:30:00Z"]
        self.fault: Callable[[httpx.Request], httpx.Response] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        self.timeouts.append(request.extensions["total"])
        if self.fault is not None:
            return self.fault(request)
        return httpx.Response(
            200, json={"available_slots": [{"start": each, "end": each} for each in self.free]}
        )


def times_out(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("", request=request)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def uptime() -> FakeClock:
    return FakeClock(1_000.0)


Make = Callable[..., FirstSlots]


@pytest.fixture
def make(api: Api, clock: FakeClock, uptime: FakeClock) -> Make:
    def slots(*allowances: Allowance) -> FirstSlots:
        http = http_client("https://api.cronofy.test", transport=httpx.MockTransport(api))
        cronofy = CronofyClient(http, client_id="client-1", client_secret="secret", monotonic=uptime)
        return FirstSlots(cronofy, LocalCounts(clock), allowances, clock=clock, monotonic=uptime)

    return slots


def search(element: Element = Element.SLOT_PICKER, **query: Any) -> Search:
    return Search.of(element, ["apc_1"], WidgetQuery(**query), "Etc/UTC")


def test_slots_are_asked_for_as_the_element_asks(api: Api, make: Make) -> None:
    found = make().starts(search(days_ahead=1))

    assert found == (MONDAY_NINE, MONDAY_NINE + HOUR // 2)
    assert api.bodies == [
        {
            "participants": [{"members": [{"sub": "apc_1"}], "required": "all"}],
            "required_duration": {"minutes": 30},
            "query_periods": [{"start": "2026-11-23T09:00:00Z", "end": "2026-11-23T17:00:00Z"}],
            "max_results": MAX_SLOTS,
            "response_format": "overlapping_slots",
        }
    ]
    assert api.timeouts == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("element", "query", "interval"),
    [
        (Element.SLOT_PICKER, {}, None),
        (Element.DATE_TIME_PICKER, {"start_interval_minutes": 20}, {"minutes": 20}),
        (Element.AVAILABILITY_VIEWER, {}, {"minutes": 15}),
        (Element.AVAILABILITY_VIEWER, {"start_interval_minutes": 60}, {"minutes": 60}),
    ],
)
def test_the_viewer_lets_meetings_start_every_quarter_of_an_hour(
    api: Api, make: Make, element: Element, query: dict[str, int], interval: object
) -> None:
    make().starts(search(element, **query))

    assert api.bodies[0].get("start_interval") == interval


def test_a_later_beginning_leaves_out_what_comes_before(api: Api, make: Make) -> None:
    make().starts(search(days_ahead=2), MONDAY_NINE + 8 * HOUR - 600)

    assert api.bodies[0]["query_periods"] == [
        {"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T17:00:00Z"}
    ]


def test_where_nothing_is_offered_nothing_is_asked(api: Api, make: Make) -> None:
    slots = make()

    assert slots.starts(search(days_ahead=0)) == ()
    assert slots.starts(search(), MONDAY_NINE + 365 * 24 * HOUR) == ()
    assert slots.is_free(search(), MONDAY_NINE - 1) is False
    assert slots.is_free(search(), MONDAY_NINE + 8 * HOUR) is False
    assert api.bodies == []


def test_an_answer_is_given_to_others_for_a_while(api: Api, make: Make, uptime: FakeClock) -> None:
    slots = make()
    for _ in range(3):
        slots.starts(search())
    slots.starts(search(duration_minutes=60))
    assert len(api.bodies) == 2

    uptime.advance(FRESH_SECONDS)

    slots.starts(search())
    assert len(api.bodies) == 3


def test_a_chosen_slot_is_asked_about_anew(api: Api, make: Make) -> None:
    slots = make()
    slots.starts(search())
    api.free = ["2026-11-23T09:00:00Z"]

    assert slots.is_free(search(), MONDAY_NINE) is True
    assert api.bodies[-1]["query_periods"] == [
        {"start": "2026-11-23T09:00:00Z", "end": "2026-11-23T09:30:00Z"}
    ]
    api.free = []
    assert slots.is_free(search(), MONDAY_NINE) is False


@pytest.mark.parametrize("fault", [times_out, lambda _request: httpx.Response(503)], ids=["late", "503"])
def test_an_api_that_does_not_answer_is_left_alone_for_a_while(
    api: Api, make: Make, uptime: FakeClock, fault: Callable[[httpx.Request], httpx.Response]
) -> None:
    slots, api.fault = make(), fault
    assert slots.starts(search()) is None
    assert slots.starts(search(duration_minutes=60)) is None
    assert slots.is_free(search(), MONDAY_NINE) is None
    assert len(api.bodies) == 1

    api.fault = None
    uptime.advance(REST_SECONDS)

    assert slots.is_free(search(), MONDAY_NINE) is True


def test_a_refusal_concerns_nobody_else(api: Api, make: Make) -> None:
    slots, api.fault = make(), lambda _request: httpx.Response(422, json={"errors": {}})
    assert slots.starts(search()) is None
    api.fault = None

    assert slots.starts(search(duration_minutes=60)) is not None
    assert slots.starts(search()) is None
    assert len(api.bodies) == 2


def test_no_more_is_asked_than_is_allowed(api: Api, make: Make) -> None:
    slots = make(Allowance(2, 60))

    found = [slots.starts(search(duration_minutes=minutes)) for minutes in (20, 30, 60)]

    assert [each is not None for each in found] == [True, True, False]
    assert len(api.bodies) == 2
