"""Element tokens, kept in process and minted once however many pages ask at the same moment.

A token is shared by everybody who asks for the same thing on the same origin, so a key holds all that the
token is bound to. Times are monotonic seconds: a host's clock that is set must not revive a token.

Where tokens come from is a `TokenSource`: Cronofy's API alone, or before it what other processes have minted.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import ceil
from sys import intern
from threading import Lock
from typing import Protocol, TypeVar

from cachetools import LRUCache, TLRUCache

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable
from widgetsvc.gateway.audit import Change
from widgetsvc.gateway.narrowing import Scope, narrowings
from widgetsvc.gateway.renewals import Job, Renewals
from widgetsvc.permissions import Permission

MIN_REMAINING = 60
"""Seconds that a token must have left to be served from a cache, so that a page can start with it."""

RENEW_FROM = 0.8
"""The part of its life after which a token is due for renewal."""

RENEW_JITTER = 0.1
"""How far, as a part of it, that moment moves either way: tokens minted together are renewed apart."""

REFUSABLE_FROM = 60
"""Seconds after its mint from which a page is believed that Cronofy refuses a token: else visitors could have
tokens minted as fast as they can ask."""

REJECTED_SECONDS = 3
"""How long a key that Cronofy has refused is not asked for again: its reason may be gone at any moment."""

LOOK_AGAIN_SECONDS = 2
"""When to look for what another process is renewing, or to try again what could not be begun."""

_MAX_BACKOFFS = 10_000
_MAX_NARROWINGS = 10_000

Mint = Callable[[], ElementToken]

E = TypeVar("E", bound=BaseException)


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

    @property
    def scopes(self) -> Iterator[Scope]:
        """Whatever can be taken away with effect on this token."""
        yield Scope(self.tenant_id)
        for sub in self.subs:
            yield Scope(self.tenant_id, sub)

    def digest(self, issuer: str) -> str:
        """Name the token among those of all issuers: SHA-256 of a form that no other key has.

        `issuer` stands for whoever mints it: the API and the application's credentials.
        """
        parts = [issuer, self.tenant_id, self.subs, self.permissions, self.origin]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def compact(self) -> "TokenKey":
        """The same key, its strings shared with other keys that are kept."""
        return TokenKey(
            intern(self.tenant_id),
            tuple(map(intern, self.subs)),
            _PERMISSIONS.setdefault(self.permissions, self.permissions),
            intern(self.origin),
        )


_PERMISSIONS: dict[tuple[Permission, ...], tuple[Permission, ...]] = {}


@dataclass(frozen=True, slots=True)
class CachedToken:
    """A token as it is handed to a page."""

    token: str = field(repr=False)
    permissions: tuple[Permission, ...]
    origin: str
    expires_in: int
    """Whole seconds left now."""
    hit: bool
    """Whether it was at hand: nothing was asked or waited for."""


@dataclass(frozen=True, slots=True)
class TokenCacheStats:
    """Counts since the cache was made."""

    hits: int
    """Calls answered at once, from this process."""
    shared_hits: int
    """Tokens that another process had minted."""
    misses: int
    """Calls that this process had no token for, whatever came of them."""
    mints: int
    """Times that a token was asked for upstream, renewals and failures included."""
    renewals: int
    """Renewals begun."""
    renewal_failures: int
    """Renewals that upstream did not grant."""
    backoffs: int
    """Calls refused without asking upstream, because it has failed just now."""
    lock_waits: int
    """Times that another process was waited for."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """A token from its source; `life` in seconds, `expires_at` by the source's monotonic clock."""

    token: str = field(repr=False)
    life: float
    expires_at: float
    found: bool = False
    """Whether another process had minted it."""

    @property
    def minted_at(self) -> float:
        """When its life began, by the source's monotonic clock."""
        return self.expires_at - self.life


class TokenSource(Protocol):
    """Where a cache gets what it does not have; getting it raises UpstreamError, and what `mint` raises."""

    @property
    def waits(self) -> int:
        """How often another process has been waited for."""

    def obtain(self, key: TokenKey, mint: Mint) -> Obtained:
        """Return a token that can be served."""

    def renew(self, key: TokenKey, mint: Mint, is_due: Callable[[Obtained], bool]) -> Obtained | None:
        """Return a token that is not due for renewal; None where another process is about to get one."""

    def refuse(self, key: TokenKey, token: str) -> None:
        """Obtain another one from now on, unless this one is young."""


class DirectSource:
    """Mints for this process alone."""

    waits = 0

    def __init__(self, clock: Clock = monotonic_clock) -> None:
        self._clock = clock

    def obtain(self, key: TokenKey, mint: Mint) -> Obtained:  # noqa: ARG002 # the protocol's
        """Mint. The life counts from before: when Cronofy began to count is not known more closely."""
        asked_at = self._clock()
        minted = mint()
        return Obtained(minted.token, minted.expires_in, asked_at + minted.expires_in)

    def renew(self, key: TokenKey, mint: Mint, is_due: Callable[[Obtained], bool]) -> Obtained:  # noqa: ARG002
        """Mint, whatever there is."""
        return self.obtain(key, mint)

    def refuse(self, key: TokenKey, token: str) -> None:
        """Nothing is kept here."""


@dataclass(slots=True, eq=False)
class _Entry:
    token: str
    minted_at: float
    expires_at: float
    renew_at: float
    generation: int

    def cached_token(self, key: TokenKey, now: float, *, hit: bool) -> CachedToken:
        left = max(0, int(self.expires_at - now))
        return CachedToken(self.token, key.permissions, key.origin, left, hit)


@dataclass(slots=True, eq=False)
class _Flight:
    """A token on its way. It may change the cache only while it is the one on record for its key."""

    generation: int
    begun: bool
    outcome: "Future[_Entry | None]" = field(default_factory=Future)
    """None where a renewal brought nothing."""


@dataclass(frozen=True, slots=True)
class _Backoff:
    error: UpstreamError
    until: float


class TokenCache:
    """Element tokens by key; safe to share between threads.

    Callers of one key cause one mint between them, and callers of different keys never wait for each other.
    Nobody waits for a renewal: the old token is served until the new one is there.
    """

    def __init__(
        self,
        source: TokenSource | None = None,
        *,
        maxsize: int = 100_000,
        clock: Clock = monotonic_clock,
        jitter: Callable[[], float] = random.random,
        run: Callable[[Job], bool] | None = None,
    ) -> None:
        """Hold up to `maxsize` tokens; the least recently used goes first.

        `clock` never moves backwards; `jitter` gives a number from 0 to 1 for each token; `run` has a job run
        in the background, and says False where it does not.
        """
        self._source: TokenSource = source or DirectSource(clock)
        self._clock = clock
        self._jitter = jitter
        self._run = run or Renewals().submit
        self._lock = Lock()
        # Its timer, entered, holds the time still, so that an entry found cannot expire before it is read.
        self._entries: TLRUCache[TokenKey, _Entry, float] = TLRUCache(
            maxsize, ttu=lambda _key, entry, _now: entry.expires_at - MIN_REMAINING, timer=clock
        )
        self._flights: dict[TokenKey, _Flight] = {}
        self._backoffs: LRUCache[TokenKey, _Backoff] = LRUCache(_MAX_BACKOFFS)
        # Each narrowing begins a generation; what is older than the last one of its scopes does not count.
        self._generation = self._oldest = 0
        self._narrowed: dict[Scope, tuple[int, int]] = {}
        self._hits = self._shared_hits = self._misses = self._mints = 0
        self._renewals = self._renewal_failures = self._backed_off = 0

    def get(self, key: TokenKey, mint: Mint) -> CachedToken:
        """Return the token of this key, from its source if there is none here.

        `mint` asks upstream. Its errors are raised to all who wait for it, and for a while to all who come
        after: as long as UpstreamUnavailable says, a few seconds where it is UpstreamRejected.
        """
        while True:
            with self._lock, self._entries.timer as now:
                hit = self._hit(key, now)
                if hit is not None:
                    break
                self._misses += 1
                self._check_backoff(key, now)
                flight = self._flights.get(key)
                leads = flight is None or not flight.begun or not self._counts(key, flight.generation)
                if flight is None or leads:
                    flight = self._flights[key] = _Flight(self._generation, begun=True)
            entry = self._lead(key, flight, mint) if leads else _follow(flight)
            if entry is not None:
                return entry.cached_token(key, self._clock(), hit=False)
        return self._hand_out(key, hit, mint)

    def at_hand(self, key: TokenKey, mint: Mint) -> CachedToken | None:
        """Return the token of this key if it is here; nothing is waited for. `mint` is for its renewal."""
        with self._lock, self._entries.timer as now:
            hit = self._hit(key, now)
        return None if hit is None else self._hand_out(key, hit, mint)

    def _hit(self, key: TokenKey, now: float) -> "tuple[CachedToken, _Flight | None] | None":
        """Find a token, with the renewal that it is time for."""
        entry = self._entry(key)
        if entry is None or not self._counts(key, entry.generation):
            return None
        self._hits += 1
        renewal = None
        if now >= entry.renew_at and key not in self._flights:
            renewal = self._flights[key] = _Flight(self._generation, begun=False)
        return entry.cached_token(key, now, hit=True), renewal

    def _hand_out(self, key: TokenKey, hit: "tuple[CachedToken, _Flight | None]", mint: Mint) -> CachedToken:
        token, renewal = hit
        if renewal is not None:
            self._renew_later(key, renewal, mint)
        return token

    def refuse(self, key: TokenKey, token: str) -> None:
        """Forget a token that Cronofy refuses before its time, as a page says, unless it is young."""
        with self._lock, self._entries.timer as now:
            entry = self._entry(key)
            if entry is not None and entry.token == token and now >= entry.minted_at + REFUSABLE_FROM:
                del self._entries[key]
        self._source.refuse(key, token)

    def narrow(self, changes: Sequence[Change]) -> None:
        """Forget the tokens that the changes take something away from, and those on their way.

        Hearing of a change twice does no harm. Who waits for such a token already still gets it.
        """
        with self._lock:
            for scope, entry_id in narrowings(changes):
                if entry_id <= self._narrowed.get(scope, (0, 0))[0]:
                    continue
                self._generation += 1
                if len(self._narrowed) >= _MAX_NARROWINGS:
                    # Too many to tell apart.
                    self._narrowed.clear()
                    self._oldest = self._generation
                self._narrowed[scope] = entry_id, self._generation

    def stats(self) -> TokenCacheStats:
        """Return the counts so far."""
        with self._lock:
            return TokenCacheStats(
                hits=self._hits,
                shared_hits=self._shared_hits,
                misses=self._misses,
                mints=self._mints,
                renewals=self._renewals,
                renewal_failures=self._renewal_failures,
                backoffs=self._backed_off,
                lock_waits=self._source.waits,
            )

    def __len__(self) -> int:
        """Count the tokens that are kept."""
        with self._lock:
            return len(self._entries)

    def _entry(self, key: TokenKey) -> _Entry | None:
        try:
            # Half the work of get(), which looks whether it is there first.
            return self._entries[key]
        except KeyError:
            return None

    def _counts(self, key: TokenKey, generation: int) -> bool:
        if generation == self._generation:
            return True
        if generation < self._oldest:
            return False
        return all(self._narrowed.get(scope, (0, 0))[1] <= generation for scope in key.scopes)

    def _check_backoff(self, key: TokenKey, now: float) -> None:
        backoff = self._backoffs.get(key)
        if backoff is not None and now < backoff.until:
            self._backed_off += 1
            raise _again(backoff.error, max(1, ceil(backoff.until - now)))

    def _lead(self, key: TokenKey, flight: _Flight, mint: Mint) -> _Entry:
        try:
            obtained = self._source.obtain(key, self._counted(mint))
        except BaseException as error:  # whatever ends it, the others must not wait forever
            self._fail(key, flight, error)
            raise
        return self._land(key, flight, obtained)

    def _renew_later(self, key: TokenKey, flight: _Flight, mint: Mint) -> None:
        if not self._run(lambda: self._renew(key, flight, mint)):
            self._put_off(key, flight, LOOK_AGAIN_SECONDS)

    def _renew(self, key: TokenKey, flight: _Flight, mint: Mint) -> None:
        with self._lock:
            if self._flights.get(key) is not flight:
                return
            flight.begun = True
            self._renewals += 1
        try:
            obtained = self._source.renew(key, self._counted(mint), self._is_due)
        except UpstreamUnavailable as error:
            self._count_failure()
            self._put_off(key, flight, error.retry_after)
        except UpstreamRejected as error:
            self._count_failure()
            self._fail(key, flight, error)
        except BaseException:
            self._put_off(key, flight, LOOK_AGAIN_SECONDS)
            raise
        else:
            if obtained is None:
                self._put_off(key, flight, LOOK_AGAIN_SECONDS)
            else:
                self._land(key, flight, obtained)

    def _counted(self, mint: Mint) -> Mint:
        def counted() -> ElementToken:
            with self._lock:
                self._mints += 1
            return mint()

        return counted

    def _count_failure(self) -> None:
        with self._lock:
            self._renewal_failures += 1

    def _due_at(self, obtained: Obtained) -> float:
        spread = 1 + RENEW_JITTER * (2 * self._jitter() - 1)
        return obtained.expires_at - obtained.life * (1 - RENEW_FROM * spread)

    def _is_due(self, obtained: Obtained) -> bool:
        return self._clock() >= self._due_at(obtained)

    def _land(self, key: TokenKey, flight: _Flight, obtained: Obtained) -> _Entry:
        due_at = self._due_at(obtained)
        entry = _Entry(obtained.token, obtained.minted_at, obtained.expires_at, due_at, flight.generation)
        with self._lock:
            self._shared_hits += obtained.found
            if self._take_off(key, flight) and self._counts(key, flight.generation):
                # Does not keep, and drops the old one for, an entry that is past its use already.
                self._entries[key.compact()] = entry
        flight.outcome.set_result(entry)
        return entry

    def _put_off(self, key: TokenKey, flight: _Flight, seconds: float) -> None:
        """End a renewal that brought nothing: what there is is served on, while it lasts."""
        with self._lock, self._entries.timer as now:
            if self._take_off(key, flight) and (old := self._entries.get(key)) is not None:
                old.renew_at = now + seconds
        flight.outcome.set_result(None)

    def _fail(self, key: TokenKey, flight: _Flight, error: BaseException) -> None:
        with self._lock, self._entries.timer as now:
            if self._take_off(key, flight) and isinstance(error, UpstreamError):
                seconds = error.retry_after if isinstance(error, UpstreamUnavailable) else REJECTED_SECONDS
                self._backoffs[key.compact()] = _Backoff(_again(error), now + seconds)
                self._entries.pop(key, None)
        flight.outcome.set_exception(error)

    def _take_off(self, key: TokenKey, flight: _Flight) -> bool:
        """Take a flight off the record; False where another one is on it."""
        if self._flights.get(key) is not flight:
            return False
        del self._flights[key]
        return True


def _follow(flight: _Flight) -> _Entry | None:
    error = flight.outcome.exception()
    if error is not None:
        raise _again(error) from error
    return flight.outcome.result()


def _again(error: E, retry_after: int | None = None) -> E:
    # One exception raised in many threads would gather all their tracebacks, and one that is kept the
    # frames below them. Not copy.copy(): it calls __init__ with the text alone, and the service's errors
    # want more.
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    if retry_after is not None and isinstance(twin, UpstreamUnavailable):
        twin.retry_after = retry_after
    return twin
