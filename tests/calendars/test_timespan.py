from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgetsvc.calendars.engine.timespan import Timespan, intersect, merge, subtract

Pairs = list[tuple[int, int]]


def spans(pairs: Pairs) -> list[Timespan]:
    return [Timespan(start, end) for start, end in pairs]


@pytest.mark.parametrize("end", [10, 9, -10])
def test_a_timespan_must_end_after_it_starts(end: int) -> None:
    with pytest.raises(ValueError, match="must end after it starts"):
        Timespan(10, end)


def test_timespans_sort_by_start_and_then_by_end() -> None:
    assert sorted(spans([(5, 9), (1, 8), (5, 6)])) == spans([(1, 8), (5, 6), (5, 9)])


@pytest.mark.parametrize(
    ("given_pairs", "merged"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(1, 3)], [(1, 3)], id="one"),
        pytest.param([(5, 7), (1, 3)], [(1, 3), (5, 7)], id="unsorted"),
        pytest.param([(1, 4), (3, 7)], [(1, 7)], id="overlapping"),
        pytest.param([(1, 3), (3, 7)], [(1, 7)], id="touching"),
        pytest.param([(1, 9), (3, 7)], [(1, 9)], id="one inside another"),
        pytest.param([(1, 3), (1, 5), (1, 3)], [(1, 5)], id="same start"),
        pytest.param([(1, 2), (2, 3), (5, 6), (3, 4)], [(1, 4), (5, 6)], id="a chain and a loner"),
    ],
)
def test_merge_joins_what_overlaps_or_touches(given_pairs: Pairs, merged: Pairs) -> None:
    assert merge(spans(given_pairs)) == spans(merged)


@pytest.mark.parametrize(
    ("a", "b", "common"),
    [
        pytest.param([], [(1, 2)], [], id="nothing on one side"),
        pytest.param([(1, 3)], [(3, 5)], [], id="touching only"),
        pytest.param([(1, 4)], [(3, 5)], [(3, 4)], id="overlapping"),
        pytest.param([(1, 9)], [(2, 3), (4, 5)], [(2, 3), (4, 5)], id="two inside one"),
        pytest.param([(1, 5), (6, 9)], [(4, 7)], [(4, 5), (6, 7)], id="one across a gap"),
        pytest.param([(1, 3), (5, 7)], [(1, 3), (5, 7)], [(1, 3), (5, 7)], id="the same"),
    ],
)
def test_intersect_keeps_what_both_cover(a: Pairs, b: Pairs, common: Pairs) -> None:
    assert intersect(spans(a), spans(b)) == spans(common)
    assert intersect(spans(b), spans(a)) == spans(common)


@pytest.mark.parametrize(
    ("a", "b", "left"),
    [
        pytest.param([], [(1, 2)], [], id="nothing to take from"),
        pytest.param([(1, 3)], [], [(1, 3)], id="nothing to take"),
        pytest.param([(1, 3)], [(3, 5)], [(1, 3)], id="touching only"),
        pytest.param([(1, 9)], [(2, 3), (4, 5)], [(1, 2), (3, 4), (5, 9)], id="two inside one"),
        pytest.param([(1, 5), (6, 9)], [(4, 7)], [(1, 4), (7, 9)], id="one across a gap"),
        pytest.param([(1, 3), (5, 7)], [(1, 7)], [], id="everything"),
        pytest.param([(1, 9)], [(2, 3), (3, 4)], [(1, 2), (4, 9)], id="two that touch"),
    ],
)
def test_subtract_keeps_what_only_the_first_covers(a: Pairs, b: Pairs, left: Pairs) -> None:
    assert subtract(spans(a), spans(b)) == spans(left)


def points(covered: Iterable[Timespan]) -> set[int]:
    return {point for span in covered for point in range(span.start, span.end)}


any_spans = st.lists(
    st.builds(lambda start, length: Timespan(start, start + length), st.integers(0, 40), st.integers(1, 9)),
    max_size=8,
)


@given(any_spans, any_spans)
def test_the_algebra_agrees_with_sets_of_points(some: list[Timespan], others: list[Timespan]) -> None:
    a, b = merge(some), merge(others)

    assert points(a) == points(some)
    assert points(intersect(a, b)) == points(a) & points(b)
    assert points(subtract(a, b)) == points(a) - points(b)


@given(any_spans, any_spans)
def test_results_are_sorted_and_gaps_lie_between_them(some: list[Timespan], others: list[Timespan]) -> None:
    a, b = merge(some), merge(others)

    for result in (a, intersect(a, b), subtract(a, b)):
        assert merge(result) == result
