"""The occurrences of a recurring event, within bounds.

The library that works them out walks through every step of a rule from its first occurrence on, and to the
year 9999 if the rule is never met: `FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30` keeps it busy for half a minute, and
`FREQ=SECONDLY` for hours. So rules are judged before they are followed.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from math import prod
from typing import Any

import recurring_ical_events
from icalendar import Calendar, Event
from icalendar.prop import vDDDTypes, vRecur

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.ics.moments import moment

MOST_A_DAY = 96
"""Occurrences that a rule may have on a day: one every quarter of an hour."""

_MOST_STEPS = 500_000
_OCCURRENCES_AT_A_TIME = 10_000

_STEP = {
    "SECONDLY": 1,
    "MINUTELY": 60,
    "HOURLY": 3_600,
    "DAILY": 86_400,
    "WEEKLY": 7 * 86_400,
    "MONTHLY": 28 * 86_400,
    "YEARLY": 365 * 86_400,
}
_TIMES_OF_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND")
_UNCONDITIONAL = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"}


class UnusableRule(ValueError):
    """A rule that this service does not follow; `str(error)` says why."""


def occurrences(components: Sequence[Event], within: Timespan) -> Iterator[Event]:
    """The occurrences of one series that touch a time, in no order and some of them twice.

    `components` are all events of one UID: the one that recurs and its overrides. Raises UnusableRule, and
    ValueError, TypeError or OverflowError for what the library cannot make sense of.
    """
    densest = 1.0
    for component in components:
        for rule in _rules(component):
            if "UNTIL" in rule:
                rule.pop("COUNT", None)  # RFC 5545 section 3.3.10 has one or the other; some write both
            densest = max(densest, _judge(rule, component, within.end))
    series = Calendar()
    for component in components:
        series.add_component(component)
    query = recurring_ical_events.of(series)
    step = max(1, int(_OCCURRENCES_AT_A_TIME / densest)) * 86_400
    for begin in range(within.start, within.end, step):
        yield from query.between(_utc(begin), _utc(min(begin + step, within.end)))


def _utc(instant: int) -> datetime:
    return datetime.fromtimestamp(instant, UTC)


def _rules(component: Event) -> list[vRecur]:
    given: Any = component.get("RRULE", [])
    return given if isinstance(given, list) else [given]


def _judge(rule: vRecur, component: Event, end: int) -> float:
    """How many occurrences a day has at most. Raises UnusableRule."""
    frequency = str(rule.get("FREQ", [""])[0])
    interval = int(rule.get("INTERVAL", [1])[0])
    if frequency not in _STEP or interval < 1:
        raise UnusableRule("a rule needs a FREQ, and an INTERVAL of at least 1")
    step = _STEP[frequency] * interval
    several = prod(len(rule.get(part, [0])) for part in _TIMES_OF_DAY if _is_multiplied(part, frequency))
    a_day = several * max(1, 86_400 / step)
    if a_day > MOST_A_DAY:
        raise UnusableRule(f"it recurs more than {MOST_A_DAY} times a day")
    start = moment(component, "DTSTART")
    first = datetime(start.year, start.month, start.day, tzinfo=UTC)
    if (end - first.timestamp()) / min(step, 86_400 * interval) > _MOST_STEPS:
        raise UnusableRule("it recurs too often since it began")
    if not _ever_happens(rule, start):
        raise UnusableRule("its rule is met on no day")
    return a_day


def _is_multiplied(part: str, frequency: str) -> bool:
    """Whether a part of a rule makes for several occurrences in each step, rather than leaving steps out."""
    finer = {"HOURLY": 1, "MINUTELY": 2, "SECONDLY": 3}.get(frequency, 0)
    return part in _TIMES_OF_DAY[finer:]


def _ever_happens(rule: vRecur, start: date) -> bool:
    """Whether the rule is met in the last years of the calendar, where looking for it ends soon."""
    weekdays = rule.get("BYDAY", [])
    by_weekday = str(rule["FREQ"][0]) == "WEEKLY" and all(str(day).isalpha() for day in weekdays)
    if rule.keys() <= _UNCONDITIONAL | ({"BYDAY"} if by_weekday else set()):
        return True
    if _STEP[str(rule["FREQ"][0])] < 86_400:
        moved = start.replace(year=9_990, day=min(start.day, 28))
    else:
        # The calendar repeats itself every 400 years, weekdays and all.
        moved = start.replace(year=start.year + 400 * ((9_899 - start.year) // 400))
    endless = {name: value for name, value in rule.items() if name not in {"COUNT", "UNTIL"}}
    event = Event()
    # Times of day have no bearing on whether there is a day, and zones can overflow at the end of time.
    event["DTSTART"] = vDDDTypes(moved.replace(tzinfo=None) if isinstance(moved, datetime) else moved)
    event["RRULE"] = vRecur(endless)
    event["UID"] = "probe"
    calendar = Calendar()
    calendar.add_component(event)
    later = datetime(moved.year, moved.month, moved.day) + timedelta(days=1)  # noqa: DTZ001 - as the event's
    return any(islice(recurring_ical_events.of(calendar).after(later), 1))
