"""Counts in sliding windows."""

import pytest

from tests.clocks import FakeClock
from widgetsvc.limits import Allowance, Counts, Excess, Limited, LocalCounts

TEN = Allowance(10, 60)
SOMEBODY = Limited("token by address", "192.0.2.1", TEN)


def use(counts: Counts, times: int = 1, limited: Limited = SOMEBODY) -> list[Excess | None]:
    return [counts.use([limited]) for _ in range(times)]


def test_an_allowance_is_used_up(clock: FakeClock) -> None:
    counts = LocalCounts(clock)

    assert use(counts, 10) == [None] * 10
    (excess,) = use(counts)
    assert excess is not None
    assert (excess.scope, excess.allowance) == ("token by address", TEN)


def test_what_came_in_the_window_before_counts_for_less_and_less(clock: FakeClock) -> None:
    counts = LocalCounts(clock)
    use(counts, 10)

    clock.advance(60)
    assert use(counts)[0] is not None
    clock.advance(30)
    assert [excess is None for excess in use(counts, 6)] == [True] * 5 + [False]


@pytest.mark.parametrize("passed", [0, 1, 17, 59, 60, 75, 119])
def test_the_time_to_wait_is_enough(clock: FakeClock, passed: int) -> None:
    counts = LocalCounts(clock)
    use(counts, 10)
    clock.advance(passed)
    use(counts, 10)

    excess = counts.excess(SOMEBODY)
    if excess is not None:
        clock.advance(excess.wait)
    assert use(counts) == [None]


def test_long_after_nothing_counts(clock: FakeClock) -> None:
    counts = LocalCounts(clock)
    use(counts, 10)
    clock.advance(120)

    assert use(counts, 10) == [None] * 10


def test_whoever_is_refused_uses_nothing_up(clock: FakeClock) -> None:
    counts = LocalCounts(clock)
    one, other = Limited("a", "x", Allowance(1, 60)), Limited("b", "x", TEN)
    counts.use([one, other])
    for _ in range(20):
        assert counts.use([other, one]) is not None

    assert use(counts, 9, other) == [None] * 9


def test_asking_uses_nothing_up(clock: FakeClock) -> None:
    counts = LocalCounts(clock)

    assert [counts.excess(SOMEBODY) for _ in range(20)] == [None] * 20


def test_a_flood_of_addresses_takes_a_bounded_amount_of_memory(clock: FakeClock) -> None:
    counts = LocalCounts(clock)
    for number in range(100_500):
        counts.use([Limited("a", str(number), TEN)])

    assert len(counts._windows) == 100_000
