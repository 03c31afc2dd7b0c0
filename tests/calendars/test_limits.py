"""Full days and weeks, rule by rule, and then against a clock that is read every quarter of an hour."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widgetsvc.calendars.engine.limits import Limit, Period, counted, full_periods
from widgetsvc.calendars.engine.timespan import Timespan

QUARTER = 900
UTC = ZoneInfo("Etc/UTC")


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp())


def span(text: str) -> Timespan:
    start, end = text.split("/")
    return Timespan(instant(start), instant(end))


def daily(count: int, tzid: str = "Etc/UTC") -> Limit:
    return Limit(count, Period.DAY, ZoneInfo(tzid))


def weekly(count: int, tzid: str = "Etc/UTC") -> Limit:
    return Limit(count, Period.WEEK, ZoneInfo(tzid))


WEEK = span("2024-06-24/2024-07-01")
MORNING = span("2024-06-25T09:00/2024-06-25T10:00")
EVENING = span("2024-06-25T18:00/2024-06-25T19:00")
TUESDAY = span("2024-06-25/2024-06-26")


def test_a_day_is_full_when_it_has_as_many_events_as_allowed() -> None:
    assert full_periods([MORNING], daily(2), WEEK) == []
    assert full_periods([EVENING, MORNING], daily(2), WEEK) == [TUESDAY]
    assert full_periods([EVENING, MORNING, MORNING], daily(2), WEEK) == [TUESDAY]


def test_events_may_be_plain_rows() -> None:
    assert full_periods([(MORNING.start, MORNING.end)], daily(1), WEEK) == [TUESDAY]


def test_a_week_counts_from_monday() -> None:
    sunday, monday = span("2024-06-30T23:00/2024-07-01"), span("2024-07-01/2024-07-01T01:00")
    days = span("2024-06-28/2024-07-03")

    assert full_periods([MORNING, sunday], weekly(2), days) == [WEEK]
    assert full_periods([MORNING, monday], weekly(2), days) == []


def test_an_event_over_midnight_counts_on_both_days() -> None:
    late = span("2024-06-25T23:00/2024-06-26T01:00")

    assert full_periods([late], daily(1), WEEK) == [TUESDAY, span("2024-06-26/2024-06-27")]


def test_an_event_until_midnight_does_not_count_on_the_next_day() -> None:
    assert full_periods([span("2024-06-25T23:00/2024-06-26")], daily(1), WEEK) == [TUESDAY]


def test_an_event_without_length_counts_where_it_starts() -> None:
    midnight = instant("2024-06-25")

    assert full_periods([(midnight, midnight)], daily(1), WEEK) == [TUESDAY]


def test_with_a_limit_of_none_every_day_is_full() -> None:
    found = full_periods([], daily(0), span("2024-06-25T12:00/2024-06-26T00:01"))

    assert found == [TUESDAY, span("2024-06-26/2024-06-27")]


def test_periods_are_whole_where_the_time_asked_for_is_not() -> None:
    assert full_periods([EVENING], daily(1), MORNING) == [TUESDAY]
    assert full_periods([EVENING], weekly(1), MORNING) == [WEEK]


def test_the_events_of_whole_periods_count() -> None:
    assert counted(daily(1), MORNING) == TUESDAY
    assert counted(weekly(1), MORNING) == WEEK
    assert counted(daily(1), TUESDAY) == TUESDAY


@pytest.mark.parametrize(
    ("limit", "day"),
    [
        pytest.param(daily(1, "America/New_York"), "2024-06-25T04:00/2024-06-26T04:00", id="behind"),
        pytest.param(daily(1, "Pacific/Kiritimati"), "2024-06-24T10:00/2024-06-25T10:00", id="ahead"),
        pytest.param(weekly(1, "Asia/Kathmandu"), "2024-06-23T18:15/2024-06-30T18:15", id="week"),
    ],
)
def test_days_and_weeks_are_the_zones(limit: Limit, day: str) -> None:
    assert full_periods([MORNING], limit, MORNING) == [span(day)]


@pytest.mark.parametrize(
    ("limit", "within", "whole"),
    [
        pytest.param(
            daily(0, "Europe/London"),
            "2024-03-31T12:00/2024-03-31T13:00",
            "2024-03-31/2024-03-31T23:00",
            id="23 h",
        ),
        pytest.param(
            daily(0, "Europe/London"),
            "2024-10-27T12:00/2024-10-27T13:00",
            "2024-10-26T23:00/2024-10-28",
            id="25 h",
        ),
        pytest.param(
            daily(0, "America/Sao_Paulo"),
            "2017-10-15T12:00/2017-10-15T13:00",
            "2017-10-15T03:00/2017-10-16T02:00",
            id="from 01:00",
        ),
        pytest.param(
            daily(0, "America/St_Johns"),
            "2010-11-07T03:00/2010-11-07T03:30",
            "2010-11-07T02:30/2010-11-08T03:30",
            id="shown as the day before again",
        ),
        pytest.param(
            daily(0, "Pacific/Apia"),
            "2011-12-30T09:59/2011-12-30T10:00",
            "2011-12-29T10:00/2011-12-30T10:00",
            id="29th",
        ),
        pytest.param(
            weekly(0, "Pacific/Apia"),
            "2011-12-29/2011-12-30",
            "2011-12-26T10:00/2012-01-01T10:00",
            id="six days",
        ),
    ],
)
def test_days_are_as_long_as_clocks_make_them(limit: Limit, within: str, whole: str) -> None:
    assert full_periods([], limit, span(within)) == [span(whole)]


def test_a_limit_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        daily(-1)


# The oracle: tells the day from the clock at every quarter of an hour.


def label(moment: int, limit: Limit) -> date:
    """The day that a clock shows, or the Monday before it."""
    day = datetime.fromtimestamp(moment, limit.tz).date()
    return day if limit.period is Period.DAY else day - timedelta(days=day.weekday())


def quarters(start: int, end: int) -> range:
    return range(start, end, QUARTER)


EXTENT = span("2024-03-20/2024-04-10")
moments = st.integers(0, (EXTENT.end - EXTENT.start) // QUARTER).map(lambda n: EXTENT.start + n * QUARTER)
extents = st.builds(
    lambda start, length: Timespan(start, start + length * QUARTER), moments, st.integers(1, 500)
)
events = st.builds(
    lambda start, length: (start, start + length * QUARTER),
    moments,
    st.one_of(st.integers(1, 8), st.integers(1, 300)),
)
zones = st.sampled_from(
    ["Etc/UTC", "Europe/London", "Africa/Cairo", "Asia/Beirut", "America/New_York", "Asia/Kathmandu"]
)
limits = st.builds(Limit, st.integers(0, 4), st.sampled_from(Period), zones.map(ZoneInfo))


@settings(max_examples=100)
@given(st.lists(events, max_size=15), limits, extents)
def test_full_periods_are_what_the_clock_says(
    busy: list[tuple[int, int]], limit: Limit, within: Timespan
) -> None:
    touched = [{label(moment, limit) for moment in quarters(*event)} for event in busy]
    full = {
        period
        for period in {label(moment, limit) for moment in quarters(*within)}
        if sum(period in periods for periods in touched) >= limit.count
    }

    found = full_periods(busy, limit, within)

    week = 8 * 24 * 3600
    assert {moment for one in found for moment in quarters(*one)} == {
        moment for moment in quarters(within.start - week, within.end + week) if label(moment, limit) in full
    }
    assert len(found) == len(full)
    assert found == sorted(found)


@settings(max_examples=100)
@given(st.lists(events, max_size=15), limits, extents)
def test_only_the_events_that_count_are_needed(
    busy: list[tuple[int, int]], limit: Limit, within: Timespan
) -> None:
    whole = counted(limit, within)
    needed = [(start, end) for start, end in busy if start < whole.end and end > whole.start]

    assert full_periods(needed, limit, within) == full_periods(busy, limit, within)
