"""Element tokens, kept in process and minted once however many pages ask at the same moment.

A token is shared by everybody who asks for the same thing on the same origin, so a key holds all that the
token is bound to. Times are monotonic seconds: a host's clock that is set must not revive a token.
"""

import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Lock

from cachetools import TLRUCache

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.errors import UpstreamRejected, UpstreamUnavailable
from widgetsvc.permissions import Permission

MIN_REMAINING = 60
"""Seconds that a token must have left to be served from the cache, so that a page can start with it."""

RENEW_FROM = 0.8
"""The part of its life after which a token is due for renewal."""

RENEW_JITTER = 0.1
"""How far, as a part of it, that moment moves either way: tokens minted together are renewed apart."""

Mint = Callable[[], ElementToken]


@dataclass(frozen=True, slots=True)
class TokenKey:
    """All that an element token is bound to; equal whatever order and repetition it was asked for in."""

    tenant_id: str
    subs: tuple[str, ...]
    permissions: tuple[Permission, ...]
    origin: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "subs", tuple(sorted(set(self.subs))))
        object.__setattr__(self, "permissions", tuple(sorted(set(self.permissions))))


@dataclass(frozen=True, slots=True)
class CachedToken:
    """A token as it is handed to a page."""

    token: ElementToken
    expires_in: int
    """Whole seconds left now; `token.expires_in` is what was left when it was minted."""
    hit: bool
    """Whether it was at hand: nothing was minted or waited for."""


@dataclass(frozen=True, slots=True)
class TokenCacheStats:
    """Counts since the cache was made."""

    hits: int
    """Calls answered at once."""
    misses: int
    """Calls that minted, or waited for a mint, whatever came of it."""
    mints: int
    """Times that a token was asked for upstream, failures included."""


@dataclass(frozen=True, slots=True)
class _Entry:
    token: ElementToken
    expires_at: float
    renew_at: float

    @property
    def usable_until(self) -> float:
        return self.expires_at - MIN_REMAINING

    def cached_token(self, now: float, *, hit: bool) -> CachedToken:
        return CachedToken(self.token, max(0, int(self.expires_at - now)), hit)


@dataclass(frozen=True, slots=True, eq=False)
class _Flight:
    """A mint under way. It may change the cache only while it is the one on record for its key."""

    started_at: float
    renews: _Entry | None
    outcome: Future[_Entry] = field(default_factory=Future)


class TokenCache:
    """Element tokens by key; safe to share between threads.

    Callers of one key cause one mint between them, and callers of different keys never wait for each other.
    """

    def __init__(
        self,
        *,
        maxsize: int = 10_000,
        clock: Clock = monotonic_clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Hold up to `maxsize` tokens; the least recently used goes first.

        `clock` never moves backwards; `jitter` gives a number from 0 to 1 for each token.
        """
        self._clock = clock
        self._jitter = jitter
        self._lock = Lock()
        # Its timer, entered, holds the time still, so that an entry found cannot expire before it is read.
        self._entries: TLRUCache[TokenKey, _Entry, float] = TLRUCache(
            maxsize, ttu=lambda _key, entry, _now: entry.usable_until, timer=clock
        )
        self._flights: dict[TokenKey, _Flight] = {}
        self._hits = self._misses = self._mints = 0

    def get(self, key: TokenKey, mint: Mint) -> CachedToken:
        """Return the token of this key, minted now if there is none or it is due for renewal.

        `mint` asks upstream, and its errors are raised to all who wait for it; none is remembered. When a
        renewal raises UpstreamUnavailable, the old token is served on, and not renewed before the error's
        `retry_after` is over.
        """
        with self._lock, self._entries.timer as now:
            entry = self._entries.get(key)
            flight = self._flights.get(key)
            if entry is not None and (flight is not None or now < entry.renew_at):
                self._hits += 1
                return entry.cached_token(now, hit=True)
            self._misses += 1
            if leads := flight is None:
                self._mints += 1
                flight = self._flights[key] = _Flight(now, entry)
        entry = self._lead(key, flight, mint) if leads else _follow(flight)
        return entry.cached_token(self._clock(), hit=False)

    def invalidate(self, predicate: Callable[[TokenKey], bool]) -> None:
        """Forget the tokens whose key satisfies `predicate`, those being minted at this moment included.

        For revoked calendars and removed origins. Who already waits for such a mint still gets its token.
        """
        with self._lock, self._entries.timer:
            for key in [key for key in self._entries if predicate(key)]:
                del self._entries[key]
            for key in [key for key in self._flights if predicate(key)]:
                del self._flights[key]

    def stats(self) -> TokenCacheStats:
        """Return the counts so far."""
        with self._lock:
            return TokenCacheStats(self._hits, self._misses, self._mints)

    def __len__(self) -> int:
        """Count the tokens that could be served now."""
        with self._lock:
            return len(self._entries)

    def _lead(self, key: TokenKey, flight: _Flight, mint: Mint) -> _Entry:
        try:
            entry = self._mint(key, flight, mint)
        except BaseException as error:  # whatever ends it, the others must not wait forever
            self._give_up(key, flight, drop=isinstance(error, UpstreamRejected))
            flight.outcome.set_exception(error)
            raise
        flight.outcome.set_result(entry)
        return entry

    def _mint(self, key: TokenKey, flight: _Flight, mint: Mint) -> _Entry:
        try:
            token = mint()
        except UpstreamUnavailable as error:
            if (old := self._put_off(key, flight, error.retry_after)) is None:
                raise
            return old
        # Counted from before the mint: when Cronofy began to count is not known more closely.
        spread = 1 + RENEW_JITTER * (2 * self._jitter() - 1)
        renew_at = flight.started_at + token.expires_in * RENEW_FROM * spread
        entry = _Entry(token, flight.started_at + token.expires_in, renew_at)
        self._land(key, flight, entry)
        return entry

    def _land(self, key: TokenKey, flight: _Flight, entry: _Entry) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
                # Does not keep, and drops the old one for, an entry that is past its use already.
                self._entries[key] = entry

    def _put_off(self, key: TokenKey, flight: _Flight, seconds: int) -> _Entry | None:
        old = flight.renews
        with self._lock, self._entries.timer as now:
            if old is None or now >= old.usable_until or self._flights.get(key) is not flight:
                return None
            del self._flights[key]
            self._entries[key] = entry = replace(old, renew_at=now + seconds)
            return entry

    def _give_up(self, key: TokenKey, flight: _Flight, *, drop: bool) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
                if drop:
                    self._entries.pop(key, None)


def _follow(flight: _Flight) -> _Entry:
    error = flight.outcome.exception()
    if error is not None:
        raise _again(error) from error
    return flight.outcome.result()


def _again(error: BaseException) -> BaseException:
    # One exception raised in many threads would gather all their tracebacks. Not copy.copy(): it calls
    # __init__ with the text alone, and the service's errors want more.
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    return twin
