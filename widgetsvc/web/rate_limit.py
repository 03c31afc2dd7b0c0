"""Keeps one visitor from asking for tokens without end.

Counted by client address, in each process; behind proxies the address is only as true as
`WIDGETSVC_TRUSTED_PROXIES` says.
"""

import time

from flask import Flask, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from widgetsvc.errors import RateLimited

TOKENS_PER_MINUTE = 1_200


class RateLimit:
    """A limit on `/embed/token`."""

    def __init__(self, tokens_per_minute: int = TOKENS_PER_MINUTE) -> None:
        self._limit = RateLimitItemPerMinute(tokens_per_minute)
        # The exact moving window would keep a record of every address for ever.
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def install(self, app: Flask) -> None:
        """Check the limit before each request."""
        app.before_request(self._check)

    def _check(self) -> None:
        if request.method != "POST" or request.path != "/embed/token":
            return
        client = request.remote_addr or "unknown"
        if not self._limiter.hit(self._limit, client):
            reset = self._limiter.get_window_stats(self._limit, client).reset_time
            wait = max(1, round(reset - time.time()))
            raise RateLimited(
                f"Too many requests from this address; try again in {wait} s.", retry_after=wait
            )
