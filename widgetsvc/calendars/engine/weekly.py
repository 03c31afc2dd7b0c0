"""Availability that returns every week: what the weekly periods of a rule amount to on the clock.

Source: Cronofy API, Availability Rules (`weekly_periods`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from widgetsvc.calendars.engine.timespan import Timespan, intersect, merge
from widgetsvc.localtime import day_of, first_at, last_before

_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class WeeklyPeriod:
    """A stretch of one day of every week.

    `day` counts from Monday, 0, to Sunday, 6. `start_minute` and `end_minute` are the wall time in minutes
    since 00:00, and the end may be 1440, which is 24:00.
    """

    day: int
    start_minute: int
    end_minute: int

    def __post_init__(self) -> None:
        if not 0 <= self.day <= 6:
            raise ValueError("a day of the week is a number from 0 to 6")
        if not 0 <= self.start_minute < self.end_minute <= _DAY:
            raise ValueError("a weekly period must start before it ends, on one day")


def windows(periods: Sequence[WeeklyPeriod], tz: ZoneInfo, within: Timespan) -> list[Timespan]:
    """The time inside `within` that lies in some period in `tz`; periods may overlap, in any order.

    A period holds every moment of its day at which clocks show a time from its start up to, not including,
    its end. So 09:00 to 17:00 is that on every day, however far it is from midnight. What clocks skip is
    missing, and with it the whole period if they skip all of it; a period that reaches into a time shown
    twice holds both passes and what lies between them. The result is sorted, and a gap lies between any two
    of its spans.
    """
    of_day: list[list[tuple[timedelta, timedelta]]] = [[] for _ in range(7)]
    for period in periods:
        of_day[period.day].append(
            (timedelta(minutes=period.start_minute), timedelta(minutes=period.end_minute))
        )
    found: list[Timespan] = []
    # Where clocks are put back over midnight, one day's period reaches into the next and begins before it.
    earliest = day_of(within.start, tz).toordinal() - 1
    latest = day_of(within.end, tz).toordinal() + 1
    for ordinal in range(earliest, latest + 1):
        day = date.fromordinal(ordinal)
        midnight = datetime.combine(day, time.min)
        for opens, closes in of_day[day.weekday()]:
            start, end = first_at(midnight + opens, tz), last_before(midnight + closes, tz)
            if start < end:
                found.append(Timespan(start, end))
    return intersect(merge(found), [within])
