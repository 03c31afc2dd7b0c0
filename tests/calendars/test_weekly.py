"""Weekly periods on the clock: the days on which clocks change, and then any day against the clock itself."""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.engine.weekly import WeeklyPeriod, windows

HOUR = 3600


def minutes(clock: str) -> int:
    hours, rest = clock.split(":")
    return int(hours) * 60 + int(rest)


def daily(clocks: str) -> list[WeeklyPeriod]:
    """A period such as 09:00-17:00 on every day of the week."""
    start, end = clocks.split("-")
    return [WeeklyPeriod(day, minutes(start), minutes(end)) for day in range(7)]


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp())


def around(day: str) -> Timespan:
    """A day by UTC, with half a day on both sides."""
    midnight = instant(day)
    return Timespan(midnight - 12 * HOUR, midnight + 36 * HOUR)


def utc(found: list[Timespan]) -> list[str]:
    """Spans as 25T09:00/25T17:00 in UTC."""
    return [
        "/".join(f"{datetime.fromtimestamp(end, ZoneInfo('UTC')):%dT%H:%M}" for end in span) for span in found
    ]


def test_a_period_applies_on_its_day_of_every_week() -> None:
    monday = [WeeklyPeriod(0, minutes("09:00"), minutes("17:00"))]
    fortnight = Timespan(instant("2024-06-20"), instant("2024-07-04"))

    assert utc(windows(monday, ZoneInfo("Etc/UTC"), fortnight)) == ["24T09:00/24T17:00", "01T09:00/01T17:00"]


def test_windows_are_cut_to_the_time_asked_for() -> None:
    asked = Timespan(instant("2024-06-24T10:00"), instant("2024-06-25T10:00"))

    assert utc(windows(daily("09:00-17:00"), ZoneInfo("Etc/UTC"), asked)) == [
        "24T10:00/24T17:00",
        "25T09:00/25T10:00",
    ]


def test_periods_that_overlap_or_touch_are_one_window_over_midnight_too() -> None:
    night = [
        WeeklyPeriod(1, 0, minutes("06:00")),
        WeeklyPeriod(0, minutes("22:00"), 1440),
        WeeklyPeriod(0, minutes("21:00"), minutes("23:00")),
    ]

    assert utc(windows(night, ZoneInfo("Etc/UTC"), around("2024-06-25"))) == ["24T21:00/25T06:00"]


def test_without_periods_there_is_nothing() -> None:
    assert windows([], ZoneInfo("Etc/UTC"), around("2024-06-25")) == []


@pytest.mark.parametrize(
    ("tzid", "day", "utc_hours"),
    [
        ("Europe/London", "2024-03-30", "09:00/30T17:00"),
        ("Europe/London", "2024-03-31", "08:00/31T16:00"),
        ("Europe/London", "2024-10-27", "09:00/27T17:00"),
        ("America/New_York", "2024-03-10", "13:00/10T21:00"),
        ("America/New_York", "2024-11-03", "14:00/03T22:00"),
        ("Asia/Kathmandu", "2024-06-25", "03:15/25T11:15"),
        ("Australia/Lord_Howe", "2024-10-06", "22:00/06T06:00"),
        ("Australia/Lord_Howe", "2024-04-07", "22:30/07T06:30"),
    ],
)
def test_nine_to_five_is_nine_to_five_when_clocks_change_too(tzid: str, day: str, utc_hours: str) -> None:
    noon = datetime.combine(date.fromisoformat(day), datetime.min.time(), ZoneInfo(tzid)).replace(hour=12)

    found = windows(daily("09:00-17:00"), ZoneInfo(tzid), around(day))

    here = [span for span in found if span.start <= noon.timestamp() < span.end]
    assert utc(here)[0].partition("T")[2] == utc_hours


@pytest.mark.parametrize(
    ("clocks", "found"),
    [
        pytest.param("01:30-03:00", ["31T01:00/31T02:00"], id="from within the gap"),
        pytest.param("00:30-01:30", ["31T00:30/31T01:00"], id="into the gap"),
        pytest.param("00:30-02:30", ["31T00:30/31T01:30"], id="over the gap"),
        pytest.param("01:00-02:00", [], id="the gap"),
        pytest.param("01:10-01:50", [], id="inside the gap"),
        pytest.param("02:00-03:00", ["31T01:00/31T02:00"], id="after the gap"),
    ],
)
def test_time_that_clocks_skip_is_missing(clocks: str, found: list[str]) -> None:
    sunday = Timespan(instant("2024-03-31T00:00"), instant("2024-03-31T12:00"))

    assert utc(windows(daily(clocks), ZoneInfo("Europe/London"), sunday)) == found


@pytest.mark.parametrize(
    ("clocks", "found"),
    [
        pytest.param("01:00-02:00", ["27T00:00/27T02:00"], id="all of what is shown twice"),
        pytest.param("01:15-01:45", ["27T00:15/27T01:45"], id="from one pass to the other"),
        pytest.param("00:30-01:30", ["26T23:30/27T01:30"], id="into it"),
        pytest.param("01:30-03:00", ["27T00:30/27T03:00"], id="out of it"),
        pytest.param("00:30-01:00", ["26T23:30/27T00:00"], id="up to it"),
        pytest.param("02:00-03:00", ["27T02:00/27T03:00"], id="after it"),
    ],
)
def test_time_that_clocks_show_twice_is_held_twice(clocks: str, found: list[str]) -> None:
    sunday = Timespan(instant("2024-10-26T20:00"), instant("2024-10-27T12:00"))

    assert utc(windows(daily(clocks), ZoneInfo("Europe/London"), sunday)) == found


@pytest.mark.parametrize(
    ("tzid", "day", "period", "found"),
    [
        pytest.param(
            "America/Sao_Paulo", "2017-10-15", (6, 0, 120), ["15T03:00/15T04:00"], id="gap at 00:00"
        ),
        pytest.param(
            "America/Sao_Paulo", "2017-10-15", (5, 1380, 1440), ["15T02:00/15T03:00"], id="before it"
        ),
        pytest.param(
            "America/Sao_Paulo", "2018-02-18", (5, 1380, 1440), ["18T01:00/18T03:00"], id="23:00 twice"
        ),
        pytest.param("America/Sao_Paulo", "2018-02-18", (6, 0, 60), ["18T03:00/18T04:00"], id="after it"),
        pytest.param("Africa/Cairo", "2024-04-26", (4, 0, 120), ["25T22:00/25T23:00"], id="Cairo forward"),
        pytest.param("Africa/Cairo", "2024-11-01", (3, 1380, 1440), ["31T20:00/31T22:00"], id="Cairo back"),
        pytest.param("Asia/Beirut", "2024-03-31", (6, 0, 120), ["30T22:00/30T23:00"], id="Beirut forward"),
        pytest.param("Asia/Beirut", "2024-10-27", (5, 1380, 1440), ["26T20:00/26T22:00"], id="Beirut back"),
        pytest.param("America/Havana", "2024-11-03", (6, 0, 60), ["03T04:00/03T06:00"], id="00:00 twice"),
        pytest.param(
            "America/St_Johns", "2010-11-07", (6, 0, 60), ["07T02:30/07T04:30"], id="00:01 to 23:01"
        ),
        pytest.param("Pacific/Apia", "2011-12-30", (4, 0, 1440), [], id="a day that never was"),
        pytest.param(
            "Pacific/Apia", "2011-12-30", (3, 540, 1440), ["29T19:00/30T10:00"], id="the day before"
        ),
        pytest.param("Pacific/Apia", "2011-12-30", (5, 0, 540), ["30T10:00/30T19:00"], id="the day after"),
    ],
)
def test_days_may_begin_late_twice_or_never(
    tzid: str, day: str, period: tuple[int, int, int], found: list[str]
) -> None:
    assert utc(windows([WeeklyPeriod(*period)], ZoneInfo(tzid), around(day))) == found


@pytest.mark.parametrize("day", [-1, 7])
def test_a_week_has_seven_days(day: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 6"):
        WeeklyPeriod(day, 0, 60)


@pytest.mark.parametrize(("start", "end"), [(60, 60), (61, 60), (-1, 60), (60, 1441)])
def test_a_period_lies_within_one_day(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="on one day"):
        WeeklyPeriod(0, start, end)


# The oracle: looks at a clock on the wall once a minute, and knows nothing of offsets.

# Where clocks change at midnight, by half an hour, by a day, in winter, without notice, or never.
ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Asuncion",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Etc/UTC",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Fakaofo",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
]


def changes(tz: ZoneInfo) -> list[int]:
    """The days since 1973 before which a zone's clocks change; from then on offsets are whole minutes."""
    days = range(instant("1973-01-01"), instant("2032-01-01"), 24 * HOUR)
    offsets = [datetime.fromtimestamp(day, tz).utcoffset() for day in days]
    return [days[n] for n in range(1, len(days)) if offsets[n] != offsets[n - 1]]


CHANGES = {tzid: changes(ZoneInfo(tzid)) for tzid in ZONES}


@st.composite
def places(draw: st.DrawFn) -> tuple[ZoneInfo, int]:
    """A zone and a time in it: mostly about when clocks change, else any."""
    tzid = draw(st.sampled_from(sorted(CHANGES)))
    ordinary = st.integers(instant("1973-01-01") // 60, instant("2032-01-01") // 60).map(lambda n: n * 60)
    near = st.sampled_from(CHANGES[tzid]) if CHANGES[tzid] else ordinary
    return ZoneInfo(tzid), draw(st.one_of(near, near, near, ordinary))


def read(tz: ZoneInfo, within: Timespan) -> Iterator[tuple[int, date, int]]:
    """Every minute with the day and the minute of the day that the clock shows."""
    for moment in range(within.start, within.end, 60):
        shown = datetime.fromtimestamp(moment, tz)
        yield moment, shown.date(), shown.hour * 60 + shown.minute


def watched(periods: list[WeeklyPeriod], tz: ZoneInfo, within: Timespan) -> set[int]:
    """The minutes in windows: of each day's period, all from the first that is in it to the last."""
    # What begins before or ends after is seen whole: no window is longer than a day and its repetition.
    seen = list(read(tz, Timespan(within.start - 30 * HOUR, within.end + 30 * HOUR)))
    held: set[int] = set()
    for period in periods:
        of_day: dict[date, list[int]] = {}
        for moment, day, minute in seen:
            if day.weekday() == period.day and period.start_minute <= minute < period.end_minute:
                of_day.setdefault(day, []).append(moment)
        for moments in of_day.values():
            held |= set(range(moments[0], moments[-1] + 60, 60))
    return held & set(range(within.start, within.end, 60))


clock_minutes = st.one_of(
    st.integers(0, 1440), st.sampled_from([0, 1, 30, 60, 90, 120, 150, 180, 1380, 1381, 1439, 1440])
)
weekly_periods = st.builds(
    lambda day, ends: WeeklyPeriod(day, *sorted(ends)),
    st.integers(0, 6),
    st.tuples(clock_minutes, clock_minutes).filter(lambda ends: ends[0] != ends[1]),
)


@settings(max_examples=60)
@given(st.lists(weekly_periods, max_size=12), places(), st.integers(-2000, 500), st.integers(1, 1500))
def test_windows_are_what_watching_the_clock_gives(
    periods: list[WeeklyPeriod], place: tuple[ZoneInfo, int], before: int, length: int
) -> None:
    tz, time = place
    within = Timespan(time + before * 60, time + (before + length) * 60)

    found = windows(periods, tz, within)

    assert {moment for span in found for moment in range(span.start, span.end, 60)} == watched(
        periods, tz, within
    )
    assert all(one.end < other.start for one, other in pairwise(found))
