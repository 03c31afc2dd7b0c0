"""What an Element is started with, above all the office hours of a picker."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from widgetsvc.gateway.options import DURATION, availability_query, element_options
from widgetsvc.permissions import Element

API_URL = "https://api.cronofy.com"


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


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
        assert closes - opens >= DURATION
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
