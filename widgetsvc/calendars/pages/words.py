"""Times and lengths as people read them, in English."""

from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from widgetsvc.localtime import day_of

_UTC = {"Etc/UTC", "UTC", "Etc/UCT", "UCT", "Etc/Zulu", "Zulu", "Etc/GMT", "GMT"}


class Reader(NamedTuple):
    """Whom times are written for: the zone they live in, and whether their clock has twelve hours."""

    tzid: str
    twelve_hours: bool = False

    @property
    def tz(self) -> ZoneInfo:
        """The zone itself."""
        return ZoneInfo(self.tzid)

    def day(self, instant: int) -> date:
        """The day on which an instant falls."""
        return day_of(instant, self.tz)

    def clock(self, instant: int) -> str:
        """`14:30`, or `2:30 pm`."""
        local = datetime.fromtimestamp(instant, self.tz)
        if not self.twelve_hours:
            return f"{local:%H:%M}"
        return f"{local.hour % 12 or 12}:{local:%M} {'am' if local.hour < 12 else 'pm'}"

    def span(self, start: int, end: int) -> str:
        """`14:30 to 15:00`, with the second day's name where there is one."""
        over = "" if self.day(start) == self.day(end) else f" on {in_full(self.day(end))}"
        return f"{self.clock(start)} to {self.clock(end)}{over}"

    def zone(self, instant: int) -> str:
        """`London time (UTC+1)` as it is at an instant."""
        if self.tzid in _UTC:
            return "UTC"
        place = self.tzid.rpartition("/")[2].replace("_", " ")
        return f"{place} time (UTC{_offset(instant, self.tz)})"


def _offset(instant: int, tz: ZoneInfo) -> str:
    seconds = datetime.fromtimestamp(instant, tz).utcoffset()
    minutes = int(seconds.total_seconds()) // 60 if seconds else 0
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{hours}:{rest:02}" if rest else f"{sign}{hours}"


def in_full(day: date) -> str:
    """`Monday 23 November 2026`."""
    return f"{day:%A} {day.day} {day:%B} {day.year}"


def length(seconds: int) -> str:
    """`1 hour 30 minutes`."""
    hours, minutes = divmod(seconds // 60, 60)
    parts = [
        f"{number} {unit}" if number == 1 else f"{number} {unit}s"
        for number, unit in ((hours, "hour"), (minutes, "minute"))
        if number
    ]
    return " ".join(parts)
