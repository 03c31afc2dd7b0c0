"""How many requests an application may make.

Source: Cronofy API, Rate Limiting: 50 a second and 500 a minute for each application, whoever calls on its
behalf. The headers are those of draft-ietf-httpapi-ratelimit-headers-03. Counted in each process.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the limit that is nearest to its end; `reset` is in seconds from now."""

    limit: int
    remaining: int
    reset: int
    exceeded: bool = False


class RateLimits:
    """Limits on the requests of each application; without any, nothing is counted."""

    def __init__(self, items: Iterable[RateLimitItem] = ()) -> None:
        self._items = tuple(sorted(items))
        self._exempt: set[int] = set()
        # The exact moving window would keep a record of every request.
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage()) if self._items else None

    def exempt(self, application_id: int) -> None:
        """Count nothing for an application: the service's own, which asks for all of its tenants."""
        self._exempt.add(application_id)

    def count(self, application_id: int) -> Allowance | None:
        """Count a request and say what is left; None where nothing limits the application."""
        if self._limiter is None or application_id in self._exempt:
            return None
        for item in self._items:
            if not self._limiter.hit(item, str(application_id)):
                return self._left(self._limiter, item, application_id, exceeded=True)
        left = [self._left(self._limiter, item, application_id) for item in self._items]
        return min(left, key=lambda allowance: (allowance.remaining, -allowance.reset))

    def _left(
        self,
        limiter: SlidingWindowCounterRateLimiter,
        item: RateLimitItem,
        application_id: int,
        *,
        exceeded: bool = False,
    ) -> Allowance:
        stats = limiter.get_window_stats(item, str(application_id))
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        return Allowance(item.amount, 0 if exceeded else stats.remaining, reset, exceeded)
