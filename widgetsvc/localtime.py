"""The instants at which the clocks of a zone pass a wall time, also where they are put forward or back.

Instants are Unix seconds; wall times are naive datetimes in whole seconds. A wall time that clocks skip is
passed at the moment they are put forward. One that they show twice is first reached in the first pass and
over only in the second, so that every moment at which clocks show a time between two wall times lies between
the one's `first_at` and the other's `last_before`.
"""

from bisect import bisect_left
from datetime import date, datetime, time, timedelta
from typing import cast
from zoneinfo import ZoneInfo

_EPOCH = datetime.combine(date(1970, 1, 1), time.min)
_SECOND = timedelta(seconds=1)


def first_at(wall: datetime, tz: ZoneInfo) -> int:
    """The first instant at which clocks in `tz` show `wall` or later."""
    first, second = _offsets(wall, tz)
    return _instant(wall, first) if first >= second else _put_forward(wall, tz)


def last_before(wall: datetime, tz: ZoneInfo) -> int:
    """The instant until which clocks in `tz` show less than `wall`, the last time they do."""
    # The second before tells: clocks put back from 02:00 to 01:00 show no time before 01:00 again.
    shown = wall - _SECOND
    first, second = _offsets(shown, tz)
    return _instant(wall, second) if first >= second else _put_forward(shown, tz)


def first_of_day(day: date, tz: ZoneInfo) -> int:
    """The first instant of a day; of a day that the zone skips, that of the next."""
    return first_at(datetime.combine(day, time.min), tz)


def day_of(instant: int, tz: ZoneInfo) -> date:
    """The day that clocks in `tz` show at an instant."""
    return datetime.fromtimestamp(instant, tz).date()


def _offsets(wall: datetime, tz: ZoneInfo) -> tuple[timedelta, timedelta]:
    """A wall time's offsets by both readings: the second is less if it is shown twice, more if skipped."""
    # A ZoneInfo has no offset for None only.
    return cast("timedelta", tz.utcoffset(wall)), cast("timedelta", tz.utcoffset(wall.replace(fold=1)))


def _instant(wall: datetime, offset: timedelta) -> int:
    return (wall - offset - _EPOCH) // _SECOND


def _put_forward(skipped: datetime, tz: ZoneInfo) -> int:
    """The moment at which clocks are put forward over a wall time."""
    before, after = _offsets(skipped, tz)
    around = range(_instant(skipped, after), _instant(skipped, before))
    return around.start + bisect_left(
        around, after, key=lambda instant: cast("timedelta", datetime.fromtimestamp(instant, tz).utcoffset())
    )
