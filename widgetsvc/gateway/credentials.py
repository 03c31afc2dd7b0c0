"""The tokens of an application calendar: kept encrypted, and renewed by one at a time."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Self, TypeVar
from weakref import WeakValueDictionary

from cachetools import TTLCache
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from widgetsvc.clock import Clock
from widgetsvc.cronofy.faults import NotAsked
from widgetsvc.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable

RENEW_BEFORE = 300
"""Seconds before its end at which an access token is renewed, so that there is time to try again."""

MIN_REMAINING = 30
"""Seconds that an access token must have left to be given out all the same."""

REST_SECONDS = 60.0
"""How long a calendar's tokens are left alone after they could not be renewed."""

Key = tuple[int, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A calendar's tokens; `expires_at`, in Unix seconds, is the access token's end."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: int

    def seal(self, cipher: Fernet | MultiFernet) -> bytes:
        """Return them encrypted."""
        document = {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_at": self.expires_at,
        }
        return cipher.encrypt(json.dumps(document).encode())

    @classmethod
    def unseal(cls, sealed: bytes, cipher: Fernet | MultiFernet) -> Self | None:
        """Return what was sealed; None where its key is gone, as new tokens can be had at any time."""
        try:
            return cls(**json.loads(cipher.decrypt(sealed)))
        except InvalidToken:
            return None

    def lasts(self, now: float, seconds: int) -> bool:
        """Whether the access token is good for so long."""
        return self.expires_at - now > seconds


class Renewals:
    """Lets one renewal of a calendar's tokens run at a time, and none for 60 s after one that failed."""

    def __init__(self, monotonic: Clock) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._running: WeakValueDictionary[Key, Lock] = WeakValueDictionary()
        self._failed: TTLCache[Key, tuple[float, UpstreamError]] = TTLCache(
            maxsize=10_000, ttl=REST_SECONDS, timer=monotonic
        )

    def run(self, key: Key, renew: Callable[[], T]) -> T:
        """Renew, once whoever does so now is done. Raises what that raises, or did less than 60 s ago."""
        with self._lock:
            running = self._running.setdefault(key, Lock())
        with running:
            with self._lock:
                failure = self._failed.get(key)
            if failure is not None:
                raise self._again(*failure)
            try:
                return renew()
            except NotAsked:
                raise
            except UpstreamError as error:
                with self._lock:
                    self._failed[key] = (self._monotonic() + REST_SECONDS, error)
                raise

    def _again(self, until: float, error: UpstreamError) -> UpstreamError:
        left = max(1, round(until - self._monotonic()))
        detail = f"{error}; that is tried again in {left} s"
        if isinstance(error, UpstreamRejected):
            return UpstreamRejected(detail, status=error.status)
        return UpstreamUnavailable(detail, retry_after=left)
