"""Days and weeks in which someone already has as many events as allowed.

A meeting that touches a full day or week is not available: take the full periods from a member's windows, by
`subtract`, before asking for availability.

Source: Cronofy API, Availability (`availability_constraints`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.localtime import day_of, first_of_day


class Period(Enum):
    """What a limit counts by."""

    DAY = "day"
    """From midnight to midnight."""
    WEEK = "week"
    """Seven days from Monday."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` events in a day or week of the zone; with 0, every one is full."""

    count: int
    period: Period
    tz: ZoneInfo

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("a limit must not be negative")


def counted(limit: Limit, within: Timespan) -> Timespan:
    """The whole days or weeks that `within` touches, whose events say which of them are full."""
    edges = _edges(limit, within)
    return Timespan(edges[0], edges[-1])


def full_periods(events: Sequence[tuple[int, int]], limit: Limit, within: Timespan) -> list[Timespan]:
    """The whole days or weeks that touch `within` and are touched by as many of `events` as allowed, or more.

    `events` holds the (start, end) of each event that counts, in Unix seconds and any order; all that touch
    `counted(limit, within)` are needed. One over midnight counts on both sides; one without length counts
    where it starts. The result is sorted and disjoint; its spans may touch.
    """
    edges = _edges(limit, within)
    # How many more, or fewer, events each period has than the one before it.
    changes = [0] * (len(edges) + 1)
    for start, end in events:
        first = max(bisect_right(edges, start) - 1, 0)
        beyond = bisect_left(edges, max(end, start + 1))
        if first < beyond:
            changes[first] += 1
            changes[beyond] -= 1
    touching = accumulate(changes)
    return [
        Timespan(start, end)
        for (start, end), count in zip(pairwise(edges), touching, strict=False)
        if count >= limit.count
    ]


def _edges(limit: Limit, within: Timespan) -> list[int]:
    """The starts of the periods that touch `within`, and the end of the last."""
    step = 1 if limit.period is Period.DAY else 7
    day = day_of(within.start, limit.tz) + timedelta(days=1)
    day -= timedelta(days=day.weekday() % step)
    while (first := first_of_day(day, limit.tz)) > within.start:
        day -= timedelta(days=step)
    edges = [first]
    while edges[-1] < within.end:
        day += timedelta(days=step)
        edge = first_of_day(day, limit.tz)
        if edge > edges[-1]:
            edges.append(edge)
    return edges
