"""Counts of what was done lately, in sliding windows, for limits on who may do how much.

A request asks memory only; processes that share their counts do so in the background.

Source: Cloudflare, "How we built rate limiting capable of scaling to millions of domains" (sliding windows).
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple, Protocol

from widgetsvc.clock import Clock, system_clock

_MAX_COUNTED = 100_000
_ROUNDING = 1e-6


class Allowance(NamedTuple):
    """How many requests (`amount`) may come in a window of `seconds`."""

    amount: int
    seconds: int


class Limited(NamedTuple):
    """Somebody who is held to an allowance: `who` by the measure `scope`."""

    scope: str
    who: str
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Excess:
    """An allowance that is used up; `wait` is in whole seconds, at least 1."""

    scope: str
    allowance: Allowance
    wait: int


class Counts(Protocol):
    """Where it is counted who has used how much of an allowance."""

    def use(self, everybody: Sequence[Limited]) -> Excess | None:
        """Count one request for each; where one has no more left, count it for nobody and say who."""

    def excess(self, limited: Limited) -> Excess | None:
        """Say whether an allowance is used up, and count nothing."""

    def syncing(self) -> AbstractContextManager[None]:
        """Share the counts with other processes until the context is left."""


@dataclass(slots=True)
class Window:
    """What was counted in the present window (the `number`th since 1970) and in the one before it."""

    number: int
    now: int = 0
    before: int = 0
    unsent: int = 0

    def move_to(self, number: int) -> None:
        if number != self.number:
            self.before = self.now if number == self.number + 1 else 0
            self.number, self.now, self.unsent = number, 0, 0


class LocalCounts:
    """Counts of one process; safe to share between threads.

    Holds the 100,000 that came last, so that a flood of addresses costs a bounded amount of memory.
    """

    def __init__(self, clock: Clock = system_clock) -> None:
        """Windows begin at multiples of their length by `clock`, the same in every process."""
        self._clock = clock
        self._lock = Lock()
        self._windows: OrderedDict[Limited, Window] = OrderedDict()

    def use(self, everybody: Sequence[Limited]) -> Excess | None:
        """Count one request for each; where one has no more left, count it for nobody and say who."""
        now = self._clock()
        with self._lock:
            windows = [self._window(limited, now) for limited in everybody]
            for limited, window in zip(everybody, windows, strict=True):
                if excess := _excess(limited, window, now):
                    return excess
            for window in windows:
                window.now += 1
                window.unsent += 1
        return None

    def excess(self, limited: Limited) -> Excess | None:
        """Say whether an allowance is used up, and count nothing."""
        now = self._clock()
        with self._lock:
            return _excess(limited, self._window(limited, now), now)

    def syncing(self) -> AbstractContextManager[None]:
        """There is nobody to share with."""
        return nullcontext()

    def _window(self, limited: Limited, now: float) -> Window:
        number = int(now // limited.allowance.seconds)
        window = self._windows.get(limited)
        if window is None:
            window = self._windows[limited] = Window(number)
            if len(self._windows) > _MAX_COUNTED:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(limited)
            window.move_to(number)
        return window


def _excess(limited: Limited, window: Window, now: float) -> Excess | None:
    amount, seconds = limited.allowance
    passed = now % seconds
    # As if what came in the window before had come evenly.
    if window.before * (1 - passed / seconds) + window.now + 1 <= amount + _ROUNDING:
        return None
    room = amount - 1 - window.now
    if room >= 0:
        wait = seconds * (1 - room / window.before) - passed
    else:
        # In the next window, in which this one is the one before.
        wait = seconds - passed + seconds * (1 - (amount - 1) / window.now)
    return Excess(limited.scope, limited.allowance, max(1, math.ceil(wait)))
