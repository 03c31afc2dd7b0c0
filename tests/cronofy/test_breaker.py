"""The circuit breaker: when it opens, who may probe, and what closes it."""

import pytest

from tests.clocks import FakeClock
from widgetsvc.cronofy.breaker import BreakerState, CircuitBreaker
from widgetsvc.cronofy.faults import CircuitOpen


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_000.0)


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker(clock)


def call(breaker: CircuitBreaker, outcomes: str) -> None:
    """Let calls out that end one after the other: `+` well, `-` badly."""
    for outcome in outcomes:
        breaker.record(breaker.admit(), success=outcome == "+")


def retry_after(breaker: CircuitBreaker) -> int:
    with pytest.raises(CircuitOpen) as caught:
        breaker.admit()
    return caught.value.retry_after


@pytest.mark.parametrize("outcomes", ["-----", "+-----", "++++-----", "-+-+-+-+-+", "++++++-----"])
def test_five_failures_in_a_row_or_half_of_ten_calls_open_it(breaker: CircuitBreaker, outcomes: str) -> None:
    call(breaker, outcomes[:-1])
    assert breaker.state is BreakerState.CLOSED

    call(breaker, outcomes[-1] if outcomes[-1] == "-" else "-")

    assert breaker.state is BreakerState.OPEN


@pytest.mark.parametrize("outcomes", ["----", "----+----", "-+-+-+-+", "+++-" * 10])
def test_fewer_leave_it_closed(breaker: CircuitBreaker, outcomes: str) -> None:
    call(breaker, outcomes)

    assert breaker.state is BreakerState.CLOSED


def test_what_lies_ten_seconds_back_is_held_against_nobody(breaker: CircuitBreaker, clock: FakeClock) -> None:
    call(breaker, "--+--+--+")
    clock.advance(10)
    call(breaker, "-+-+-+-+")

    assert breaker.state is BreakerState.CLOSED


def test_while_it_is_open_callers_are_told_when_the_next_probe_is_due(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    call(breaker, "-----")
    told = [retry_after(breaker)]
    for seconds in (4.5, 10.0):
        clock.advance(seconds)
        told.append(retry_after(breaker))

    assert told == [15, 11, 1]


def test_one_call_may_probe_and_its_success_closes(breaker: CircuitBreaker, clock: FakeClock) -> None:
    call(breaker, "-----")
    clock.advance(15)
    assert breaker.state is BreakerState.HALF_OPEN
    probe = breaker.admit()
    assert retry_after(breaker) == 1

    breaker.record(probe, success=True)

    assert breaker.state is BreakerState.CLOSED
    call(breaker, "----")
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_fails_opens_it_again(breaker: CircuitBreaker, clock: FakeClock) -> None:
    call(breaker, "-----")
    clock.advance(15)
    call(breaker, "-")

    assert (breaker.state, retry_after(breaker)) == (BreakerState.OPEN, 15)


def test_a_probe_that_told_nothing_makes_room_for_another(breaker: CircuitBreaker, clock: FakeClock) -> None:
    call(breaker, "-----")
    clock.advance(15)
    breaker.withdraw(breaker.admit())

    call(breaker, "+")

    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize("success", [True, False])
def test_calls_that_began_before_it_opened_decide_nothing(
    breaker: CircuitBreaker, clock: FakeClock, success: bool
) -> None:
    late = [breaker.admit() for _ in range(3)]
    call(breaker, "-----")
    breaker.record(late[0], success=success)
    assert retry_after(breaker) == 15
    clock.advance(15)
    probe = breaker.admit()
    breaker.record(late[1], success=success)
    breaker.withdraw(late[2])

    assert breaker.state is BreakerState.HALF_OPEN
    assert retry_after(breaker) == 1
    breaker.record(probe, success=True)
    assert breaker.state is BreakerState.CLOSED
