"""What a frame shows before its Element is there, and to visitors without scripts: the first free times.

Only of tenants with public access, who give them to anybody with the key, and only their start and end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from flask import request

from widgetsvc.gateway.first_slots import MAX_SLOTS, FirstSlots, Search
from widgetsvc.gateway.queries import utc
from widgetsvc.gateway.widget_models import AfterPick, Redirect
from widgetsvc.localtime import day_of, first_of_day
from widgetsvc.web.tongue import Tongue, offset

_DAYS = 3
_TIMES_OF_A_DAY = 8

_MAX_CARRIED = 512
"""Characters of a parameter that goes on in every link; only `options`, the Element's own, are longer."""

_YEARS = range(1970, 9_999)


@dataclass(frozen=True, slots=True)
class Time:
    """A time in a list; `start` and `end` are written as in `datetime`."""

    start: str
    end: str
    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a list; `more` is the address of all its times where some are left out."""

    text: str
    times: Sequence[Time]
    more: str | None


@dataclass(frozen=True, slots=True)
class Times:
    """A list of times; `none` says that there are none, `later` is where the list goes on."""

    zone: str
    days: Sequence[Day]
    none: str | None
    later: str | None
    earliest: str | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A time that a visitor has chosen; `is_free` is None where that could not be found out."""

    start: str
    day: str
    span: str
    zone: str
    is_free: bool | None
    back: str
    again: str
    go_on: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What one frame offers, to a visitor of some zone and language."""

    slots: FirstSlots
    search: Search
    tz: ZoneInfo
    tongue: Tongue
    after_pick: AfterPick

    def times(self, day: date | None) -> Times | None:
        """The first days that have free times, or the first from `day` on with all of its times.

        None where they could not be found out.
        """
        since = first_of_day(day, self.tz) if day else 0
        found = self.slots.starts(self.search, since)
        if found is None:
            return None
        by_day: dict[date, list[int]] = {}
        for start in found:
            by_day.setdefault(day_of(start, self.tz), []).append(start)
        dates = list(by_day)
        if len(found) == MAX_SLOTS and len(dates) > 1:
            # Of the last day some may have been cut off.
            dates.pop()
        shown = dates[:1] if day else dates[:_DAYS]
        most = MAX_SLOTS if day else _TIMES_OF_A_DAY
        left = len(by_day) > len(shown)
        listed = [start for each in shown for start in by_day[each][:most]]
        return Times(
            zone=self._zone(listed),
            days=[self._day(each, by_day[each], most) for each in shown],
            none=None if listed else self._none(day),
            later=_address(day=str(shown[-1] + timedelta(days=1))) if left else None,
            earliest=_address() if day else None,
        )

    def chosen(self, start: int) -> Chosen:
        """One time, asked about anew."""
        end = start + self.search.duration
        is_free = self.slots.is_free(self.search, start)
        leaves = isinstance(self.after_pick, Redirect) and is_free
        return Chosen(
            start=utc(start),
            day=self.tongue.day(day_of(start, self.tz)),
            span=self.tongue.span(start, end, self.tz),
            zone=self._zone([start]),
            is_free=is_free,
            back=_address(),
            again=_address(slot=utc(start)),
            go_on=self._target(start) if leaves else None,
        )

    @property
    def leaves_the_frame(self) -> bool:
        """Whether times lead to somebody else's page."""
        return isinstance(self.after_pick, Redirect)

    def _day(self, day: date, starts: Sequence[int], most: int) -> Day:
        listed = starts[:most]
        # Clocks that are put back show some times twice.
        offsets = [offset(start, self.tz) for start in listed]
        notes = [f" ({each})" if len(set(offsets)) > 1 else "" for each in offsets]
        times = [
            Time(
                utc(start),
                utc(start + self.search.duration),
                f"{self.tongue.clock(start, self.tz)}{note}",
                self._target(start),
            )
            for start, note in zip(listed, notes, strict=True)
        ]
        return Day(self.tongue.day(day), times, _address(day=str(day)) if len(starts) > most else None)

    def _target(self, start: int) -> str:
        if not isinstance(self.after_pick, Redirect):
            return _address(slot=utc(start))
        end = start + self.search.duration
        return redirect_target(self.after_pick.url, utc(start), utc(end))

    def _zone(self, starts: Sequence[int]) -> str:
        offsets = {offset(start, self.tz) for start in starts}
        name = self.tongue.zone(self.tz)
        return f"{name} ({offsets.pop()})" if len(offsets) == 1 and name != "UTC" else name

    def _none(self, day: date | None) -> str:
        words, ahead = self.tongue.words, self.search.query.days_ahead
        if day:
            return words.none_later
        if ahead == 0:
            return words.none_today
        until = self.tongue.day(self.slots.last_day(self.search))
        return words.none_in_days.format(days=ahead, until=until)


def read_slot(text: str) -> int | None:
    """Read a start such as `2026-11-23T09:00:00Z` as Unix seconds; None for what is none."""
    try:
        start = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    instant = int(start.timestamp())
    return instant if start.year in _YEARS and utc(instant) == text else None


def read_day(text: str) -> date | None:
    """Read a day such as `2026-11-23`; None for what is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in _YEARS and str(day) == text else None


def redirect_target(url: str, start: str, end: str) -> str:
    """Add a slot to an address as the loader does: parameters of these names are replaced."""
    parts = urlsplit(url)
    ours = {"slot_start": start, "slot_end": end}
    theirs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in ours]
    return urlunsplit(parts._replace(query=urlencode([*theirs, *ours.items()])))


def _address(**changes: str) -> str:
    """This frame's address with other parameters, relative to itself."""
    kept = [
        (name, value)
        for name, value in request.args.items(multi=True)
        if name not in {"slot", "day"} and len(value) <= _MAX_CARRIED
    ]
    return f"?{urlencode([*kept, *changes.items()], safe=':')}"
