"""How much may be asked of Cronofy: no more than its rate limits, and nothing while a Retry-After lasts.

Source: Cronofy API, Rate Limiting: 50 requests a second and 500 a minute for each application, 429 beyond.
"""

import math
import time
from collections.abc import Iterable
from threading import Lock

from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.cronofy.faults import BudgetSpent

MAX_WAIT = 60
"""Seconds; no caller is told to stay away for longer."""

REDIS_SECONDS = 0.1
"""How long Redis may take for one answer."""

REDIS_REST_SECONDS = 5.0
"""How long Redis is left alone after it has failed."""

_NAMESPACE = "cronofy"


class Budget:
    """One application's budget: shared by all processes in Redis, and in each of them where that is down.

    Safe to share between threads.
    """

    def __init__(
        self,
        application: str,
        limits: Iterable[RateLimitItem],
        *,
        cache_url: str = "memory://",
        monotonic: Clock = monotonic_clock,
    ) -> None:
        """Count for `application`, a client id, at `cache_url`: `redis://…` or, in this process, `memory://`."""
        self._application = application
        self._limits = tuple(sorted(limits))
        self._monotonic = monotonic
        self._lock = Lock()
        self._held_until = -math.inf
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = None if cache_url.startswith("memory:") else _Shared(cache_url, application, monotonic)

    def spend(self) -> None:
        """Count a call about to go out. Raises BudgetSpent, with the seconds to wait, where it may not."""
        held = self._held_until - self._monotonic()
        if self._shared is not None:
            held = max(held, self._shared.held())
        if held > 0:
            wait = _whole(held)
            raise BudgetSpent(
                f"Cronofy's API asked to be left alone; that is over in {wait} s", retry_after=wait
            )
        for limit in self._limits:
            wait = self._wait(limit)
            if wait:
                raise BudgetSpent(
                    f"this application's budget of {limit} is spent; the next call may go out in {wait} s. "
                    "If this happens often, ask Cronofy for more and raise WIDGETSVC_CRONOFY_RATE_LIMITS",
                    retry_after=wait,
                )

    def hold(self, seconds: int) -> None:
        """Let nothing go out for so long, or for longer where that was asked for already."""
        with self._lock:
            self._held_until = max(self._held_until, self._monotonic() + seconds)
        if self._shared is not None:
            self._shared.hold(seconds)

    def close(self) -> None:
        """Close the connections to Redis that are open."""
        if self._shared is not None:
            self._shared.close()

    def _wait(self, limit: RateLimitItem) -> int:
        if self._shared is not None:
            wait = self._shared.wait(limit)
            if wait is not None:
                return wait
        return _hit(self._own, limit, self._application)


class _Shared:
    """The same in Redis. A failure is remembered for a while, so that it delays few of those who ask."""

    def __init__(self, url: str, application: str, monotonic: Clock) -> None:
        storage = RedisStorage(
            url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            # Its default tries again for seconds.
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type] # passed on to redis.from_url
        )
        redis: Redis = storage.storage
        self._redis = redis
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._application = application
        self._key = f"widgetsvc:{_NAMESPACE}:{application}:held"
        self._monotonic = monotonic
        self._rests_until = -math.inf

    def close(self) -> None:
        self._redis.connection_pool.disconnect()

    def wait(self, limit: RateLimitItem) -> int | None:
        """Count a call and return the seconds to wait, 0 where it may go; None where Redis does not say."""
        if self._rests:
            return None
        try:
            return _hit(self._limiter, limit, self._application)
        except RedisError:
            self._rest()
            return None

    def held(self) -> float:
        """Seconds for which nothing may go out; 0 where Redis does not say."""
        if self._rests:
            return 0.0
        try:
            return max(0.0, float(self._redis.pttl(self._key)) / 1000)
        except RedisError:
            self._rest()
            return 0.0

    def hold(self, seconds: int) -> None:
        """Tell the other processes, if Redis can be reached."""
        if self._rests:
            return
        try:
            # Two of these at once may shorten each other; the next 429 makes up for it.
            if self._redis.pttl(self._key) < seconds * 1000:
                self._redis.set(self._key, b"1", ex=seconds)
        except RedisError:
            self._rest()

    @property
    def _rests(self) -> bool:
        return self._monotonic() < self._rests_until

    def _rest(self) -> None:
        self._rests_until = self._monotonic() + REDIS_REST_SECONDS


def _hit(limiter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, application: str) -> int:
    if limiter.hit(limit, _NAMESPACE, application):
        return 0
    stats = limiter.get_window_stats(limit, _NAMESPACE, application)
    # The library keeps the wall clock's time.
    return _whole(stats.reset_time - time.time())


def _whole(seconds: float) -> int:
    return max(1, min(MAX_WAIT, math.ceil(seconds)))
