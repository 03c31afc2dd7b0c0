"""When several meetings can follow one another: sequenced availability, as values in and values out.

Items with ordinals come in their order, those with equal ordinals in either; an item without one may come
anywhere. From the end of an item to the start of its neighbour passes at least the larger of the one's
`gap_after.minimum` and the other's `gap_before.minimum`, and at most the smaller of the maxima that are
given. Only neighbours bound each other, and nothing bounds the time before the first item and after the last.
Each item is one of the meetings that its own query allows, so its query's buffers keep their distance from
the members' events.

Of all sequences that start at one time, one is given: the one that ends soonest; of several, the one whose
starts come first, compared one after another; of these, the one whose items come first in the request.

The best completions are found from the last item to the first: for every set of items that may be left, every
item that may be its first and every time at which that can start. What is better is one integer, with the
end, the starts and the items as its digits, so that choosing is `min`, and setting an item in front is
adding its digits. With n items of k meetings each this costs n² 2ⁿ k steps at most: over five weeks of
quarter hours up to a second for six items in any order, and over twice as much for every further one, but
next to nothing for ten whose order is given. `effort` says beforehand what a search may come to.

All times are Unix seconds and all lengths seconds. Source: Cronofy API, Sequenced Availability.
"""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, combinations, islice
from operator import add

from widgetsvc.calendars.engine.availability import Opening, Query, meetings, most_meetings

_FOREVER = sys.maxsize
_PART = 7 * 86_400
_STEPS_OF_AN_OPENING = 12


@dataclass(frozen=True, slots=True)
class Gap:
    """The seconds that may pass between an item and its neighbour: any number, unless there is a maximum."""

    minimum: int = 0
    maximum: int | None = None

    def __post_init__(self) -> None:
        if self.minimum < 0:
            raise ValueError("a gap must not be negative")
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError("the maximum of a gap must not be below its minimum")


_ANY_GAP = Gap()


@dataclass(frozen=True, slots=True)
class Item:
    """One meeting of a sequence.

    `id` is the caller's and means nothing here. `query` says when the meeting can be, as for
    `overlapping_slots`, but its `max_results` does not count. `ordinal` is the place among the items that
    have one. The gaps hold towards whichever items become its neighbours.
    """

    id: str | int
    query: Query
    ordinal: int | None = None
    gap_before: Gap = _ANY_GAP
    gap_after: Gap = _ANY_GAP


def sequences(items: Sequence[Item], max_results: int = 512) -> list[list[tuple[Item, Opening]]]:
    """The best sequence of all items for every time at which one can start, ascending by that time.

    Each is in order of time. Raises ValueError if there are no items.
    """
    if not items:
        raise ValueError("a sequence needs at least one item")
    return list(islice(_sequences(items), max_results))


def effort(items: Sequence[Item]) -> int:
    """How much `sequences` may have to do, in steps of about a microsecond, whoever is free when."""
    plan = _Plan(items)
    of_item = [_STEPS_OF_AN_OPENING] * len(items)
    for size in range(1, len(items) + 1):
        for left in plan.sets(size):
            for n in plan.firsts(left):
                of_item[n] += max(1, len(plan.firsts(left ^ 1 << n)))
    return sum(steps * most_meetings(item.query) for steps, item in zip(of_item, items, strict=True))


def _sequences(items: Sequence[Item]) -> Iterator[list[tuple[Item, Opening]]]:
    openings = [{opening.start: opening for opening in meetings(item.query)} for item in items]
    if not all(openings):
        return
    plan = _Plan(items)
    times = [sorted(of_item) for of_item in openings]
    starts = sorted({start for n in plan.firsts(plan.everything) for start in times[n]})
    last_end = max(of_item[-1] + item.query.duration for item, of_item in zip(items, times, strict=True))
    # A sequence that ends inside a part of the time is judged by that part alone, for whatever ends sooner is
    # inside too. So one part serves many starts, unless items can only be far from each other.
    part = max(_PART, 2 * plan.shortest)
    settled = 0
    while settled < len(starts):
        since = starts[settled]
        horizon = min(since + part, last_end)
        rank = _Rank(len(items), since, horizon)
        best = _best(plan, times, rank)
        for start in islice(starts, settled, None):
            if start in best:
                yield [(items[n], openings[n][at]) for n, at in rank.sequence(best[start])]
            elif horizon < min(last_end, start + plan.longest):
                break
            settled += 1
        if settled < len(starts) and starts[settled] == since:
            part = last_end - since


class _Plan:
    """Which items may follow which, and after how long. A set of items is an int, with bit n for item n."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.durations = [item.query.duration for item in items]
        self.everything = (1 << len(items)) - 1
        self._earlier = [
            sum(1 << m for m, other in enumerate(items) if _precedes(other, item)) for item in items
        ]
        self.gaps = {
            (n, m): _gap(item, follower)
            for n, item in enumerate(items)
            for m, follower in enumerate(items)
            if n != m and not _precedes(follower, item)
        }
        length, between = sum(self.durations), len(items) - 1
        self.shortest = length + between * min((least for least, _ in self.gaps.values()), default=0)
        self.longest = length + between * max((most for _, most in self.gaps.values()), default=0)

    def sets(self, size: int) -> Iterator[int]:
        """The sets of so many items that can be left when all others have had their turn."""
        for chosen in combinations(range(len(self.durations)), size):
            left = sum(1 << n for n in chosen)
            if not any(earlier & left for n, earlier in enumerate(self._earlier) if not left >> n & 1):
                yield left

    def firsts(self, left: int) -> list[int]:
        """The items that may come first of those left."""
        return [n for n, earlier in enumerate(self._earlier) if left >> n & 1 and not earlier & left]


def _precedes(item: Item, other: Item) -> bool:
    return item.ordinal is not None and other.ordinal is not None and item.ordinal < other.ordinal


def _gap(item: Item, follower: Item) -> tuple[int, int]:
    """The least and the most seconds between neighbours; if these contradict, they cannot be neighbours."""
    after, before = item.gap_after, follower.gap_before
    maxima = [gap.maximum for gap in (after, before) if gap.maximum is not None]
    return max(after.minimum, before.minimum), min(maxima, default=_FOREVER)


class _Rank:
    """Sequences as integers of which the least is the best.

    The digits from the highest: the end of the last item, the starts of all, and which items they are. Times
    count from `since` and reach up to `horizon`. A completion has zeros for the items before it.
    """

    def __init__(self, items: int, since: int, horizon: int) -> None:
        self.items, self.since, self.horizon = items, since, horizon
        self._time = (horizon - since).bit_length()
        self._item = items.bit_length()
        self._starts = items * self._item
        self._end = self._starts + items * self._time
        self.never = 1 << (self._end + self._time)
        """More than any sequence; so is its sum with the digits of items."""

    def end(self, at: int) -> int:
        """The digit of a sequence that ends then."""
        return (at - self.since) << self._end

    def item(self, place: int, n: int, at: int) -> int:
        """The digits of item n if it is at this place of the sequence, from 0, and starts then."""
        after = self.items - 1 - place
        return ((at - self.since) << (self._starts + after * self._time)) + (n << (after * self._item))

    def sequence(self, rank: int) -> Iterator[tuple[int, int]]:
        """The items of a sequence and their starts."""
        for after in reversed(range(self.items)):
            at = (rank >> (self._starts + after * self._time)) & ((1 << self._time) - 1)
            yield (rank >> (after * self._item)) & ((1 << self._item) - 1), self.since + at


def _best(plan: _Plan, times: Sequence[list[int]], rank: _Rank) -> dict[int, int]:
    """The rank of the best sequence for every start of one, of all that lie within the times of `rank`."""
    starts = [
        of_item[bisect_left(of_item, rank.since) : bisect_right(of_item, rank.horizon - duration)]
        for of_item, duration in zip(times, plan.durations, strict=True)
    ]
    reaches = {
        (n, m): _Reach(starts[n], plan.durations[n], gap, starts[m]) for (n, m), gap in plan.gaps.items()
    }
    # By set of items left and the first of them: the ranks of the best completions from each of its starts.
    completions: dict[int, dict[int, _Minima]] = {}
    for size in range(1, rank.items + 1):
        place, shorter = rank.items - size, completions
        completions = {}
        own = [[rank.item(place, n, at) for at in of_item] for n, of_item in enumerate(starts)]
        for left in plan.sets(size):
            of_first = completions[left] = {}
            for n in plan.firsts(left):
                if size == 1:
                    rest = [rank.end(at + plan.durations[n]) for at in starts[n]]
                else:
                    rests = [reaches[n, m].minima(minima) for m, minima in shorter[left ^ 1 << n].items()]
                    rest = list(map(min, zip(*rests, strict=True)))
                ranks = list(map(add, own[n], rest))
                if min(ranks, default=rank.never) < rank.never:
                    of_first[n] = _Minima([*ranks, rank.never])
    best: dict[int, int] = {}
    for n, minima in completions[plan.everything].items():
        for start, found in zip(starts[n], minima.values, strict=False):
            if found < best.get(start, rank.never):
                best[start] = found
    return best


class _Minima:
    """The minima of stretches of `values`, the last of which is more than any other."""

    def __init__(self, values: list[int]) -> None:
        self.values = values
        self._of_powers = [values]

    @cached_property
    def onwards(self) -> list[int]:
        """The minimum from each place to the end."""
        return list(accumulate(reversed(self.values), min))[::-1]

    def of_powers(self, highest: int) -> list[list[int]]:
        """For every exponent up to the highest: the minimum of the 2 ** exponent values from each place."""
        while len(self._of_powers) <= highest:
            halves = self._of_powers[-1]
            self._of_powers.append(list(map(min, halves, halves[1 << (len(self._of_powers) - 1) :])))
        return self._of_powers


class _Reach:
    """For every start of an item, the stretch of its follower's starts that the gap between them allows."""

    def __init__(self, starts: list[int], duration: int, gap: tuple[int, int], follower: list[int]) -> None:
        least, most = gap
        none = len(follower)
        self._first = [bisect_left(follower, start + duration + least) for start in starts]
        self._halves: list[tuple[int, int, int]] | None = None
        if most < _FOREVER:
            beyond = [bisect_right(follower, start + duration + most) for start in starts]
            self._halves = [
                _halves(first, end) if first < end else (0, none, none)
                for first, end in zip(self._first, beyond, strict=True)
            ]
            self._highest = max((exponent for exponent, _, _ in self._halves), default=0)

    def minima(self, minima: _Minima) -> list[int]:
        """The least of the follower's values for every start; the last of them where none is allowed."""
        if self._halves is None:
            onwards = minima.onwards
            return [onwards[first] for first in self._first]
        of_powers = minima.of_powers(self._highest)
        return [min(of_powers[exponent][a], of_powers[exponent][b]) for exponent, a, b in self._halves]


def _halves(first: int, end: int) -> tuple[int, int, int]:
    """An exponent, and where two stretches of 2 ** exponent start that together make up this one."""
    exponent = (end - first).bit_length() - 1
    return exponent, first, end - (1 << exponent)
