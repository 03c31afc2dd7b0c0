"""Counts of what was done lately, in sliding windows, for limits on who may do how much.

A request asks memory only. Where processes share a Redis, what each has counted is added up there a few times
a second, so that a limit holds for all of them together, give or take what comes in between; while Redis does
not answer each process goes on with what it knows.

Source: Cloudflare, "How we built rate limiting capable of scaling to millions of domains" (sliding windows).
"""

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple, Protocol, Self

from redis import Redis
from redis.exceptions import RedisError

from widgetsvc.clock import Clock, system_clock

SYNC_SECONDS = 0.25
"""How often processes tell each other what they have counted."""

_TIMEOUT_SECONDS = 0.1
_ROUNDING = 1e-6
_MAX_COUNTED = 100_000
_BATCH = 1_000
_KEYS = "widgetsvc:limit:"

_log = logging.getLogger(__name__)


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
class _Window:
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
        self._windows: OrderedDict[Limited, _Window] = OrderedDict()

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

    def _window(self, limited: Limited, now: float) -> _Window:
        number = int(now // limited.allowance.seconds)
        window = self._windows.get(limited)
        if window is None:
            window = self._windows[limited] = _Window(number)
            if len(self._windows) > _MAX_COUNTED:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(limited)
            window.move_to(number)
        return window


def _excess(limited: Limited, window: _Window, now: float) -> Excess | None:
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


class SharedCounts(LocalCounts):
    """Counts that processes add up in Redis."""

    def __init__(self, redis: Redis, clock: Clock = system_clock) -> None:
        """`redis` is asked in the background only; its timeouts are its owner's choice."""
        super().__init__(clock)
        self._redis = redis
        self._fails = False

    @classmethod
    def at(cls, url: str, clock: Clock = system_clock) -> Self:
        """Add up in the Redis at a URL, which is connected to when there is something to tell."""
        redis = Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)
        return cls(redis, clock)

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """Add up in a thread of its own until the context is left."""
        ended = threading.Event()

        def sync_on() -> None:
            while not ended.wait(SYNC_SECONDS):
                self.sync()

        thread = threading.Thread(target=sync_on, name="limits", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.sync()

    def sync(self) -> None:
        """Tell what was counted here, and hear what it comes to everywhere."""
        with self._lock:
            changed = [
                (limited, window.number, window.unsent)
                for limited, window in self._windows.items()
                if window.unsent
            ]
        for start in range(0, len(changed), _BATCH):
            if not self._exchange(changed[start : start + _BATCH]):
                return

    def _exchange(self, changed: Sequence[tuple[Limited, int, int]]) -> bool:
        pipeline = self._redis.pipeline(transaction=False)
        for limited, number, unsent in changed:
            pipeline.incrby(_name(limited, number), unsent)
            pipeline.get(_name(limited, number - 1))
            pipeline.expire(_name(limited, number), 2 * limited.allowance.seconds)
        try:
            answers = pipeline.execute()
        except RedisError as error:
            # What it did take before it failed is counted twice then: too strict rather than unlimited.
            if not self._fails:
                _log.warning("limits hold in each process alone, Redis fails: %s", type(error).__name__)
            self._fails = True
            return False
        self._fails = False
        with self._lock:
            for index, (limited, number, sent) in enumerate(changed):
                window = self._windows.get(limited)
                if window is not None and window.number == number:
                    window.unsent -= sent
                    window.now = int(answers[3 * index]) + window.unsent
                    window.before = max(window.before, int(answers[3 * index + 1] or 0))
        return True


def _name(limited: Limited, number: int) -> str:
    allowance = limited.allowance
    return f"{_KEYS}{limited.scope}:{limited.who}:{allowance.amount}/{allowance.seconds}:{number}"
