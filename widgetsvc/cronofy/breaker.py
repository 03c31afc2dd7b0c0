"""A circuit breaker: an API that fails again and again is left alone, and asked rarely whether it is back.

Source: M. Nygard, Release It!, "Circuit Breaker".
"""

import math
from collections import deque
from enum import StrEnum
from threading import Lock

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.cronofy.faults import CircuitOpen

FAILURES_IN_A_ROW = 5
WINDOW_SECONDS = 10.0
WINDOW_CALLS = 10
"""How many calls there have to be in the window before their failures are held against the others."""
FAILED_SHARE = 0.5
OPEN_SECONDS = 15.0


class BreakerState(StrEnum):
    """Whether calls go out."""

    CLOSED = "closed"
    """They do."""
    OPEN = "open"
    """None does."""
    HALF_OPEN = "half_open"
    """One may, as a probe; whether more may depends on how it ends."""


class CircuitBreaker:
    """Opens after 5 failures in a row, or when half of at least 10 calls within 10 s failed.

    15 s later a single call may probe: it closes the breaker, or opens it for another 15 s. Safe to share
    between threads.
    """

    def __init__(self, monotonic: Clock = monotonic_clock) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._recent: deque[tuple[float, bool]] = deque()
        self._in_a_row = 0
        self._opens_until: float | None = None
        self._probing = False
        self._period = 0

    @property
    def state(self) -> BreakerState:
        """Whether calls go out now."""
        with self._lock:
            if self._opens_until is None:
                return BreakerState.CLOSED
            is_over = self._monotonic() >= self._opens_until
            return BreakerState.HALF_OPEN if is_over else BreakerState.OPEN

    def admit(self) -> int:
        """Let a call go out and return its ticket, for `record` or `withdraw`.

        Raises CircuitOpen, with the seconds until the next probe.
        """
        with self._lock:
            if self._opens_until is not None:
                left = self._opens_until - self._monotonic()
                if left > 0 or self._probing:
                    raise _open_for(max(1, math.ceil(left)))
                self._probing = True
            return self._period

    def record(self, ticket: int, *, success: bool) -> None:
        """Say how an admitted call ended."""
        with self._lock:
            if ticket != self._period:
                return  # It began before the breaker last opened or closed, and tells of that time.
            if self._opens_until is not None:
                self._turn(None if success else self._monotonic() + OPEN_SECONDS)
            elif self._is_too_much(success=success):
                self._turn(self._monotonic() + OPEN_SECONDS)

    def withdraw(self, ticket: int) -> None:
        """Say that an admitted call has told nothing about the API, so that another one may probe."""
        with self._lock:
            if ticket == self._period:
                self._probing = False

    def _is_too_much(self, *, success: bool) -> bool:
        now = self._monotonic()
        self._recent.append((now, success))
        while self._recent[0][0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
        self._in_a_row = 0 if success else self._in_a_row + 1
        if self._in_a_row >= FAILURES_IN_A_ROW:
            return True
        failed = sum(not succeeded for _, succeeded in self._recent)
        return len(self._recent) >= WINDOW_CALLS and failed >= FAILED_SHARE * len(self._recent)

    def _turn(self, opens_until: float | None) -> None:
        self._opens_until = opens_until
        self._period += 1
        self._probing = False
        self._in_a_row = 0
        self._recent.clear()


def _open_for(seconds: int) -> CircuitOpen:
    detail = (
        f"Cronofy's API has failed again and again, so it is left alone for another {seconds} s; the errors "
        "before this one say why, and Cronofy's status page whether it is known there"
    )
    return CircuitOpen(detail, retry_after=seconds)
