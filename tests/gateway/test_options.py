"""What an Element is started with, above all the office hours of a picker."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from widgetsvc.gateway import queries
from widgetsvc.gateway.options import element_options
from widgetsvc.gateway.queries import DEFAULT_QUERY
from widgetsvc.gateway.widget_models import WidgetDraft
from widgetsvc.permissions import Element

API_URL = "https://api.cronofy.com"


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def availability_query(subs: list[str], tzid: str, now: float) -> dict[str, Any]:
    moment = queries.moment_of(DEFAULT_QUERY, tzid, now)
    return queries.availability_query(DEFAULT_QUERY, subs, moment)


def periods(tzid: str, now: str) -> list[tuple[str, str]]:
    query = availability_query(["apc_1"], tzid, unix(now))
    return [(period["start"], period["end"]) for period in query["query_periods"]]


def local(text: str, tzid: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(ZoneInfo(tzid))


@pytest.mark.parametrize(
    ("tzid", "now", "friday", "monday"),
    [
        # The clocks change in the night to Sunday between the two, forwards and back.
        ("Europe/London", "2026-03-26T00:00:00Z", "2026-03-27T09:00:00Z", "2026-03-30T08:00:00Z"),
        ("Europe/London", "2026-10-22T00:00:00Z", "2026-10-23T08:00:00Z", "2026-10-26T09:00:00Z"),
        ("America/New_York", "2026-03-05T12:00:00Z", "2026-03-06T14:00:00Z", "2026-03-09T13:00:00Z"),
        ("America/New_York", "2026-10-29T12:00:00Z", "2026-10-30T13:00:00Z", "2026-11-02T14:00:00Z"),
        ("Asia/Kolkata", "2026-03-26T00:00:00Z", "2026-03-27T03:30:00Z", "2026-03-30T03:30:00Z"),
    ],
)
def test_office_hours_follow_the_zones_clock(tzid: str, now: str, friday: str, monday: str) -> None:
    starts = [start for start, _ in periods(tzid, now)]

    assert starts[starts.index(friday) + 1] == monday


@pytest.mark.parametrize("tzid", ["Europe/London", "America/New_York", "Pacific/Kiritimati", "Asia/Kolkata"])
@pytest.mark.parametrize("day", range(0, 365, 13))
def test_periods_are_office_hours_of_working_days_ahead(tzid: str, day: int) -> None:
    now = datetime(2026, 1, 1, 10, 17, 5, tzinfo=UTC) + timedelta(days=day)

    found = periods(tzid, now.isoformat())

    assert 10 <= len(found) <= 11
    assert all(end < start for (_, end), (start, _) in pairwise(found))
    for start, end in found:
        opens, closes = local(start, tzid), local(end, tzid)
        assert now <= opens < closes <= now + timedelta(days=15)
        assert closes - opens >= timedelta(minutes=30)
        assert (opens.date(), closes.hour, closes.minute) == (closes.date(), 17, 0)
        assert opens.weekday() < 5
        assert opens.hour >= 9


@pytest.mark.parametrize(
    ("now", "first"),
    [
        ("2026-11-23T08:59:59Z", "2026-11-23T09:00:00Z"),
        ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00Z"),
        ("2026-11-23T09:00:01Z", "2026-11-23T09:30:00Z"),
        ("2026-11-23T16:30:00Z", "2026-11-23T16:30:00Z"),
        ("2026-11-23T16:30:01Z", "2026-11-24T09:00:00Z"),
        ("2026-11-27T17:00:00Z", "2026-11-30T09:00:00Z"),
    ],
)
def test_the_first_period_begins_at_the_next_half_hour_that_leaves_time(now: str, first: str) -> None:
    assert periods("Etc/UTC", now)[0][0] == first


def test_the_day_is_the_zones_and_not_utcs() -> None:
    # Sunday evening in UTC, Monday morning in Auckland.
    assert periods("Pacific/Auckland", "2026-11-22T21:10:00Z")[0] == (
        "2026-11-22T21:30:00Z",
        "2026-11-23T04:00:00Z",
    )


def test_everybody_has_to_be_free() -> None:
    query = availability_query(["apc_1", "apc_2"], "Etc/UTC", unix("2026-11-23T00:00:00Z"))

    assert query["participants"] == [{"members": [{"sub": "apc_1"}, {"sub": "apc_2"}], "required": "all"}]


@pytest.mark.parametrize("element", [Element.SLOT_PICKER, Element.AVAILABILITY_VIEWER])
def test_pickers_get_a_zone_and_a_query(element: Element) -> None:
    now = unix("2026-11-23T00:00:00Z")

    assert element_options(element, ["apc_1"], api_url=API_URL, tzid="Europe/London", now=now) == {
        "api_domain": API_URL,
        "tzid": "Europe/London",
        "availability_query": availability_query(["apc_1"], "Europe/London", now),
    }


@pytest.mark.parametrize("element", [Element.AGENDA, None])
def test_others_get_the_apis_address_only(element: Element | None) -> None:
    options = element_options(element, ["apc_1"], api_url=API_URL, tzid="Europe/London", now=0)

    assert options == {"api_domain": API_URL}


def widget_options(element: str, **parts: Any) -> dict[str, Any]:
    widget = WidgetDraft.read({"element": element, "calendars": ["store-42"], **parts})
    options = element_options(
        Element(element), ["apc_1"], api_url=API_URL, tzid="Europe/London", now=0, widget=widget
    )
    return {
        name: value for name, value in options.items() if name not in {"api_domain", "availability_query"}
    }


def test_a_widgets_look_becomes_the_elements_options() -> None:
    look = {
        "locale": "de",
        "colors": {"primary": "#0a7cff"},
        "class_prefix": "acme",
        "texts": {"de": {"slot_picker": {"confirm": "Buchen"}}},
        "confirm": False,
    }

    assert widget_options("slot-picker", look=look) == {
        "tzid": "Europe/London",
        "locale": "de",
        "translations": {"de": {"slot_picker": {"confirm": "Buchen"}}},
        "styles": {"prefix": "acme", "colors": {"primary": "#0a7cff"}},
        "config": {"mode": "no_confirm"},
    }


def test_the_viewer_draws_the_widgets_hours() -> None:
    hours = [
        {"day": "monday", "start_time": "10:00", "end_time": "24:00"},
        {"day": "sunday", "start_time": "07:30", "end_time": "12:00"},
    ]
    query = {"tzid": "Asia/Tokyo", "weekly_hours": hours, "start_interval_minutes": 30}

    assert widget_options("availability-viewer", query=query, look={"week_start_day": "monday"}) == {
        "tzid": "Asia/Tokyo",
        "config": {
            "week_start_day": "monday",
            "start_time": "07:30",
            "end_time": "00:00",
            "interval": 30,
        },
    }


def test_the_agenda_keeps_the_browsers_zone() -> None:
    assert widget_options("agenda", look={"locale": "fr"}) == {"locale": "fr"}
