"""Half-open stretches of time, and the algebra of sorted, disjoint sequences of them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self


class _Ends(NamedTuple):
    start: int
    end: int


class Timespan(_Ends):
    """The time from `start` up to, not including, `end`; both in Unix seconds. Never empty.

    Immutable, ordered by start and then end. It is a tuple, so that rows of a table can stand in for it where
    making an object of each would cost more than the answer.
    """

    __slots__ = ()

    def __new__(cls, start: int, end: int) -> Self:
        """Refuses, with ValueError, an end that is not after the start."""
        if end <= start:
            raise ValueError(f"a timespan must end after it starts: {start}, {end}")
        return super().__new__(cls, start, end)


def merge(spans: Iterable[Timespan]) -> list[Timespan]:
    """The time covered by any of `spans`, which may come in any order, overlap and touch.

    The result is sorted, and a gap lies between any two of its spans.
    """
    merged: list[Timespan] = []
    for span in sorted(spans):
        if not merged or span.start > merged[-1].end:
            merged.append(span)
        elif span.end > merged[-1].end:
            merged[-1] = Timespan(merged[-1].start, span.end)
    return merged


def intersect(a: Sequence[Timespan], b: Sequence[Timespan]) -> list[Timespan]:
    """The time covered by both; `a` and `b` are each sorted and disjoint, and so is the result."""
    common: list[Timespan] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start = max(a[i].start, b[j].start)
        end = min(a[i].end, b[j].end)
        if start < end:
            common.append(Timespan(start, end))
        if a[i].end < b[j].end:
            i += 1
        else:
            j += 1
    return common


def subtract(a: Sequence[Timespan], b: Sequence[Timespan]) -> list[Timespan]:
    """The time covered by `a` and not by `b`; both are sorted and disjoint, and so is the result."""
    left: list[Timespan] = []
    j = 0
    for start, end in a:
        at = start
        while j < len(b) and b[j].end <= at:
            j += 1
        k = j
        while k < len(b) and b[k].start < end:
            if at < b[k].start:
                left.append(Timespan(at, b[k].start))
            at = b[k].end
            k += 1
        if at < end:
            left.append(Timespan(at, end))
    return left
