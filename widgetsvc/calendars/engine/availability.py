"""When enough members of every group are free at once: Cronofy's availability, as values in and values out.

A candidate meeting [s, e) suits a member when (s - before, e + after) touches none of the member's events and
[s, e) lies in the member's windows. An event [x, y) is in the way if s - before < y and e + after > x, which
is to say, if the candidate meets [x - after, y + before). So a member's *free spans* are its windows (the
merged query windows, cut to the member's own) minus its events widened like that, and a candidate suits the
member exactly if it lies inside one free span. Windows are not narrowed, so buffers may reach out of them.

All times are Unix seconds and all lengths seconds. Every format is one sweep over the sorted ends of all free
spans and costs O((events + windows) log n + results).

Source: Cronofy API, Availability (`POST /v1/availability`).
"""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from widgetsvc.calendars.engine.timespan import Timespan, intersect, merge

_HOUR = 3600
_FOREVER = sys.maxsize

_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Buffer:
    """Seconds that must be free of events before and after a meeting, neither negative."""

    before: int = 0
    after: int = 0

    def __post_init__(self) -> None:
        if min(self.before, self.after) < 0:
            raise ValueError("a buffer must not be negative")


@dataclass(frozen=True, slots=True)
class Member:
    """Someone who may take part.

    `busy` holds the (start, end) of each event that blocks, in any order; they may overlap, and rows of a
    table serve as well as timespans. `windows` are the only times at which the member can be available, in
    any order; None means any time, empty means never. `buffer` replaces the query's.
    """

    sub: str
    busy: Sequence[tuple[int, int]]
    windows: Sequence[Timespan] | None = None
    buffer: Buffer | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Members of whom at least `required`, 1 or more, must be available."""

    members: Sequence[Member]
    required: int

    def __post_init__(self) -> None:
        if self.required < 1:
            raise ValueError("a group must require at least one member")


_NO_BUFFER = Buffer()


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: a time of `duration` seconds for which every one of `groups` has enough members.

    Either `windows` say where to look, in any order; what overlaps or touches counts as one window. Or
    `starts` are the exact times at which a meeting may start, and only the members' own windows bound it.
    `start_interval` is the spacing of starts, counted on the UTC clock: every start is a multiple of it.
    """

    groups: Sequence[Group]
    duration: int
    windows: Sequence[Timespan] = ()
    starts: Sequence[int] = ()
    start_interval: int | None = None
    buffer: Buffer = _NO_BUFFER
    max_results: int = 512

    def __post_init__(self) -> None:
        if self.duration < 1:
            raise ValueError("a meeting must last at least a second")
        if self.start_interval is not None and self.start_interval < 1:
            raise ValueError("starts must be at least a second apart")
        if self.windows and self.starts:
            raise ValueError("a query has windows or starts, not both")


@dataclass(frozen=True, slots=True)
class Opening:
    """A time that suits, and everyone available throughout: `subs` in the order of the request, each once."""

    start: int
    end: int
    subs: tuple[str, ...]


def periods(query: Query) -> list[Opening]:
    """The maximal stretches of at least the duration during which one set of members satisfies all groups.

    Stretches overlap where members come and go; one inside another is left out if the other names all its
    people. With an interval, each starts at its first multiple of it, else wherever its members are free.
    Where the query lists starts, the stretches are just those meetings: longer ones would offer other starts.
    Sorted by start, then end.
    """
    found = meetings(query) if query.starts else _stretches(query)
    return list(islice(found, query.max_results))


def slots(query: Query) -> list[Opening]:
    """Meetings of exactly the duration that do not overlap, chosen greedily, earliest first."""
    return list(islice(_meetings(query, hop=query.duration), query.max_results))


def overlapping_slots(query: Query) -> list[Opening]:
    """Every possible meeting of exactly the duration, by start."""
    return list(islice(meetings(query), query.max_results))


def meetings(query: Query) -> Iterator[Opening]:
    """What `overlapping_slots` gives, as it is found and without regard to the maximum."""
    return _meetings(query, hop=1)


def most_meetings(query: Query) -> int:
    """How many starts `meetings` looks at, at most: whoever is free when, it finds no more."""
    if query.starts:
        return len(query.starts)
    step = query.start_interval or _grid_of(query.duration)
    return sum((window.end - window.start) // step + 1 for window in merge(query.windows))


class _Roster:
    """The members of all groups in request order; a set of them is an int, with bit n for member n."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.members = [member for group in groups for member in group.members]
        self.least = sum(group.required for group in groups)
        self._quotas: list[tuple[int, int]] = []
        first = 0
        for group in groups:
            self._quotas.append((((1 << len(group.members)) - 1) << first, group.required))
            first += len(group.members)
        self._people: dict[str, int] = {}
        for n, member in enumerate(self.members):
            self._people[member.sub] = self._people.get(member.sub, 0) | 1 << n

    def suffices(self, present: int) -> bool:
        """Whether every group has as many members as it requires."""
        return all((present & group).bit_count() >= required for group, required in self._quotas)

    def subs(self, present: int) -> tuple[str, ...]:
        """The people in a set of members, each once."""
        return tuple([sub for sub, members in self._people.items() if present & members])

    def same(self, present: int, fewer: int) -> bool:
        """Whether `fewer`, a part of `present`, names the same people and satisfies the groups too."""
        lost = any(present & members and not fewer & members for members in self._people.values())
        return not lost and self.suffices(fewer)


def _meetings(query: Query, hop: int) -> Iterator[Opening]:
    """Meetings at candidate starts; the next starts no earlier than `hop` seconds after the last."""
    roster = _Roster(query.groups)
    next_start = _candidates(query)
    earliest = -_FOREVER
    for since, until, present in _quorums(query, roster, _free_spans(query, roster)):
        start = next_start(max(since, earliest))
        if start >= until:
            continue
        subs = roster.subs(present)
        while start < until:
            yield Opening(start, start + query.duration, subs)
            earliest = start + hop
            start = next_start(earliest)


def _candidates(query: Query) -> Callable[[int], int]:
    """Returns a function that finds the first candidate start at or after a time."""
    if query.starts:
        ordered = [*sorted(query.starts), _FOREVER]
        return lambda at: ordered[bisect_left(ordered, at)]
    step = query.start_interval or _grid_of(query.duration)
    return lambda at: at + -at % step


def _grid_of(duration: int) -> int:
    """The spacing of meetings when none is asked for: their length if it divides an hour, else 30 minutes.

    Hence 15, 20, 30 and 60 minutes give themselves, but 45, 90 and 120 minutes give 30.
    """
    return duration if _HOUR % duration == 0 else _HOUR // 2


def _stretches(query: Query) -> Iterator[Opening]:
    roster = _Roster(query.groups)
    free = _free_spans(query, roster)
    for since, _, present in _quorums(query, roster, free):
        current = {
            1 << n: spans[bisect_right(spans, (since, _FOREVER)) - 1]
            for n, spans in enumerate(free)
            if present >> n & 1
        }
        yield from _stretches_from(since, current, roster)


def _stretches_from(since: int, current: dict[int, _Span], roster: _Roster) -> Iterator[Opening]:
    """The maximal stretches that start at `since`, by end; `current` is each present member's free span.

    Each end gets the largest possible set: whoever is free until then. Such a stretch is maximal unless its
    people satisfy the groups without those who got free just now, when an earlier stretch contains it, or
    without those who leave at its end, when a longer one does. (A sub may be in several groups, with other
    windows in each, so a set can lose a member and yet no person.)
    """
    opened = sum(bit for bit, (start, _) in current.items() if start == since)
    present = sum(current)
    leaving: dict[int, int] = {}
    for bit, (_, end) in current.items():
        leaving[end] = leaving.get(end, 0) | bit
    for end in sorted(leaving):
        if not present & opened or not roster.suffices(present):
            return
        staying = present & ~leaving[end]
        if not roster.same(present, present & ~opened) and not roster.same(present, staying):
            yield Opening(since, end, roster.subs(present))
        present = staying


def _quorums(query: Query, roster: _Roster, free: Sequence[list[_Span]]) -> Iterator[tuple[int, int, int]]:
    """Each (since, until, present): meetings with since <= start < until suit exactly `present`, who suffice.

    A member's edges are the first start in each free span, and the first start that is too late for it.
    """
    edges: list[tuple[int, int]] = []
    late = 1 - query.duration
    for n, spans in enumerate(free):
        bit = 1 << n
        edges += [(start, bit) for start, _ in spans]
        edges += [(end + late, bit) for _, end in spans]
    edges.sort(key=itemgetter(0))
    since = present = 0
    least = roster.least
    for time, bit in edges:
        # Counting all groups together is the quick test that turns nearly every edge away.
        if time != since and present.bit_count() >= least and roster.suffices(present):
            yield since, time, present
        since = time
        present ^= bit


def _free_spans(query: Query, roster: _Roster) -> list[list[_Span]]:
    """The free spans of every member, in the order of the roster."""
    bounds = merge(query.windows)
    if query.starts:
        bounds = [Timespan(min(query.starts), max(query.starts) + query.duration)]
    return [_free(member, bounds, query) for member in roster.members]


def _free(member: Member, bounds: Sequence[Timespan], query: Query) -> list[_Span]:
    """The member's free spans that hold a meeting, each from its first multiple of the query's interval."""
    windows = bounds if member.windows is None else intersect(bounds, merge(member.windows))
    if not windows:
        return []
    buffer = query.buffer if member.buffer is None else member.buffer
    step = 1 if query.starts else query.start_interval or 1
    duration = query.duration
    before, after = buffer.before, buffer.after
    blocked = [(start - after, end + before) for start, end in member.busy]
    reopenings = [*(window.start for window in windows[1:]), _FOREVER]
    blocked += [(window.end, opens) for window, opens in zip(windows, reopenings, strict=True)]
    blocked.sort()
    free: list[_Span] = []
    at = windows[0].start
    at += -at % step
    for start, end in blocked:
        if start - at >= duration:
            free.append((at, start))
        if end > at:
            at = end + -end % step
    return free
