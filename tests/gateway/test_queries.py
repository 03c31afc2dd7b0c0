"""What a widget's query comes to, held against a walk through every minute."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from widgetsvc.calendars.requests.availability import AvailabilityRequest
from widgetsvc.gateway.queries import availability_query, moment_of, periods
from widgetsvc.gateway.widget_models import DAYS, WidgetQuery

EVERY_DAY = [{"day": day, "start_time": "00:00", "end_time": "24:00"} for day in DAYS]

# Days around which clocks are put forward or back, some at midnight, by half an hour, or over a whole day.
CHANGES = [
    ("Europe/London", "2026-03-29"),
    ("Europe/London", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("America/Havana", "2026-03-08"),
    ("America/Havana", "2026-11-01"),
    ("America/Santiago", "2026-04-05"),
    ("America/Santiago", "2026-09-06"),
    ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Auckland", "2026-04-05"),
    ("Asia/Kathmandu", "2026-06-01"),
]


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def query_of(**fields: Any) -> WidgetQuery:
    return WidgetQuery.model_validate(fields)


def asked(query: WidgetQuery, now: float, tzid: str = "Etc/UTC") -> list[tuple[str, str]]:
    body = availability_query(query, ["apc_1"], moment_of(query, tzid, now))
    return [(period["start"], period["end"]) for period in body["query_periods"]]


def hours(start: str, end: str, *days: str) -> list[dict[str, str]]:
    return [{"day": day, "start_time": start, "end_time": end} for day in days or DAYS]


# The oracle


def open_minutes(query: WidgetQuery, zone: ZoneInfo, now: int) -> list[int]:
    """Every minute at which clocks show a time of the query's hours, from now on."""
    today = datetime.fromtimestamp(now, zone).date()
    last = today + timedelta(days=query.days_ahead)
    found = []
    for minute in range(now - now % 60, now + (query.days_ahead + 3) * 86_400, 60):
        shown = datetime.fromtimestamp(minute, zone)
        if not today <= shown.date() <= last or shown.date() in query.days_off:
            continue
        day, clock = DAYS[shown.weekday()], f"{shown:%H:%M}"
        if any(h.day == day and h.start_time <= clock < h.end_time for h in query.weekly_hours):
            found.append(minute)
    return found


@st.composite
def weekly(draw: st.DrawFn) -> list[dict[str, str]]:
    quarter = st.integers(0, 95)
    found = []
    for day in draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=8)):
        first, last = sorted((draw(quarter), draw(quarter) + 1))
        assume(first < last)
        clock = [f"{n // 4:02}:{n % 4 * 15:02}" for n in (first, last)]
        found.append({"day": day, "start_time": clock[0], "end_time": clock[1]})
    return found


@st.composite
def requests(draw: st.DrawFn) -> tuple[WidgetQuery, int]:
    zone, changes = draw(st.sampled_from(CHANGES))
    start = unix(f"{changes}T00:00:00Z")
    now = start + 60 * draw(st.integers(-3 * 1_440, 1_440)) + draw(st.integers(0, 59))
    day_off = date.fromisoformat(changes) + timedelta(days=draw(st.integers(-1, 3)))
    fields = {
        "tzid": zone,
        "weekly_hours": draw(st.one_of(weekly(), st.just(EVERY_DAY))),
        "days_ahead": draw(st.integers(0, 5)),
        "duration_minutes": draw(st.sampled_from([5, 15, 30, 45, 60, 90, 480])),
        "minimum_notice_minutes": draw(st.sampled_from([0, 1, 60, 1_440])),
        "days_off": draw(st.sampled_from([[], [day_off.isoformat()]])),
    }
    try:
        return query_of(**fields), now
    except ValidationError:
        assume(False)
        raise


@settings(max_examples=120)
@given(requests())
def test_periods_are_the_minutes_that_clocks_show_as_open(request: tuple[WidgetQuery, int]) -> None:
    query, now = request
    zone = ZoneInfo(query.tzid or "")
    moment = moment_of(query, "Etc/UTC", now)
    found = periods(query, moment)
    open_now = set(open_minutes(query, zone, now))

    assert moment.earliest >= now + query.minimum_notice_minutes * 60
    covered = {minute for start, end in found for minute in range(start, end, 60)}
    reachable = {minute for minute in open_now if minute >= moment.earliest}
    # A time shown twice is open in between, too; nothing else is that clocks do not show as open.
    for minute in covered - reachable:
        earlier, later = (
            datetime.fromtimestamp(minute - 10_800, zone),
            datetime.fromtimestamp(minute + 10_800, zone),
        )
        assert earlier.utcoffset() > later.utcoffset()
    # What is left out is too short for a meeting.
    left_out = sorted(reachable - covered)
    runs: list[list[int]] = []
    for minute in left_out:
        if runs and minute == runs[-1][-1] + 60:
            runs[-1].append(minute)
        else:
            runs.append([minute])
    assert all(len(run) < query.duration_minutes for run in runs)
    for (_, end), (start, _) in pairwise(found):
        assert end < start


@settings(max_examples=80)
@given(requests(), st.integers(0, 34))
def test_the_backend_takes_whatever_a_query_comes_to(request: tuple[WidgetQuery, int], ahead: int) -> None:
    query, now = request
    try:
        query = query_of(**{**query.model_dump(mode="json"), "days_ahead": ahead, "required": "any"})
    except ValidationError:
        assume(False)
    body = availability_query(query, ["apc_1", "apc_2"], moment_of(query, "Etc/UTC", now))

    assert AvailabilityRequest.model_validate(body).periods


# Cases


@pytest.mark.parametrize(
    ("fields", "now", "expected"),
    [
        pytest.param(
            {"tzid": "Europe/London", "weekly_hours": hours("01:00", "02:00", "sunday")},
            "2026-03-28T12:00:00Z",
            [],
            id="hours that clocks skip vanish",
        ),
        pytest.param(
            {"tzid": "Europe/London", "weekly_hours": hours("01:00", "02:00", "sunday")},
            "2026-10-24T12:00:00Z",
            [("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z")],
            id="hours that clocks show twice are open twice",
        ),
        pytest.param(
            {"weekly_hours": hours("22:00", "24:00", "friday") + hours("00:00", "06:00", "saturday")},
            "2026-11-27T12:00:00Z",
            [("2026-11-27T22:00:00Z", "2026-11-28T06:00:00Z")],
            id="a night is one stretch",
        ),
        pytest.param(
            {"weekly_hours": hours("09:00", "12:00", "friday") + hours("11:00", "13:00", "friday")},
            "2026-11-27T00:00:00Z",
            [("2026-11-27T09:00:00Z", "2026-11-27T13:00:00Z")],
            id="hours that overlap are one stretch",
        ),
        pytest.param(
            {"weekly_hours": hours("09:00", "10:00"), "days_off": ["2026-11-28"]},
            "2026-11-27T00:00:00Z",
            [
                ("2026-11-27T09:00:00Z", "2026-11-27T10:00:00Z"),
                ("2026-11-29T09:00:00Z", "2026-11-29T10:00:00Z"),
            ],
            id="a day off has no hours",
        ),
        pytest.param(
            {"weekly_hours": hours("09:00", "12:00"), "minimum_notice_minutes": 60, "days_ahead": 0},
            "2026-11-27T09:10:00Z",
            [("2026-11-27T10:30:00Z", "2026-11-27T12:00:00Z")],
            id="notice goes up to the next start",
        ),
        pytest.param(
            {"weekly_hours": hours("09:00", "12:00"), "start_interval_minutes": 5, "days_ahead": 0},
            "2026-11-27T09:10:01Z",
            [("2026-11-27T09:15:00Z", "2026-11-27T12:00:00Z")],
            id="starts lie as far apart as the query says",
        ),
        pytest.param(
            {"weekly_hours": hours("09:00", "10:00"), "days_ahead": 0, "tzid": "Pacific/Auckland"},
            "2026-11-26T19:00:00Z",
            [("2026-11-26T20:00:00Z", "2026-11-26T21:00:00Z")],
            id="today is the day in the query's zone",
        ),
    ],
)
def test_a_query_at_a_moment(fields: dict[str, Any], now: str, expected: list[tuple[str, str]]) -> None:
    query = query_of(**{"days_ahead": 2, **fields})

    moment = moment_of(query, "Etc/UTC", unix(now))
    body = availability_query(query, ["apc_1"], moment)

    assert len(periods(query, moment)) == len(expected)
    if expected:
        assert [(each["start"], each["end"]) for each in body["query_periods"]] == expected


def test_where_nothing_is_left_no_meeting_has_room() -> None:
    query = query_of(weekly_hours=hours("09:00", "17:00", "monday"), days_ahead=2, duration_minutes=5)

    assert asked(query, unix("2026-11-27T12:01:00Z")) == [("2026-11-27T12:05:00Z", "2026-11-27T12:06:00Z")]


def test_five_weeks_of_whole_days_stay_within_35_days() -> None:
    # The clocks are put back within them, so that they last an hour longer.
    query = query_of(weekly_hours=EVERY_DAY, days_ahead=34, tzid="Europe/London")

    ((start, end),) = asked(query, unix("2026-10-09T23:00:00Z"))

    assert (start, end) == ("2026-10-09T23:00:00Z", "2026-11-13T23:00:00Z")


def test_the_rest_of_the_query_is_handed_on() -> None:
    query = query_of(
        duration_minutes=45,
        buffer_after_minutes=15,
        start_interval_minutes=10,
        required="any",
        tzid="Etc/UTC",
    )

    body = availability_query(query, ["apc_1", "apc_2"], moment_of(query, "Asia/Tokyo", 0))

    del body["query_periods"]
    assert body == {
        "participants": [{"members": [{"sub": "apc_1"}, {"sub": "apc_2"}], "required": 1}],
        "required_duration": {"minutes": 45},
        "start_interval": {"minutes": 10},
        "buffer": {"before": {"minutes": 0}, "after": {"minutes": 15}},
    }


@pytest.mark.parametrize(
    ("later", "same"),
    [(lambda now: now + 1_799, True), (lambda now: now + 1_801, False), (lambda now: now + 86_400, False)],
)
def test_the_moment_moves_by_steps(later: Callable[[int], int], same: bool) -> None:
    query = query_of()
    now = unix("2026-11-27T12:00:01Z")

    assert (moment_of(query, "Etc/UTC", later(now)) == moment_of(query, "Etc/UTC", now)) is same
    assert datetime.fromtimestamp(moment_of(query, "Etc/UTC", now).earliest, UTC).minute == 30
