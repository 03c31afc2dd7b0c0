"""Tokens that all processes share: each is minted once and found by the others.

A token lies in Redis, sealed, until it has a minute left. How long that is is asked of Redis, whose clock has
counted since: the hosts' clocks may differ. With the token lies the newest narrowing that its tokens had seen
when the mint began; once there is a newer one, the token is not found any more. A failure lies there for a
moment, so that the processes that wait for the mint do not find out one after the other.

Whatever Redis does not do, each process does for itself.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

from redis.exceptions import LockError
from redis.lock import Lock as RedisLock

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable
from widgetsvc.gateway.audit import Change
from widgetsvc.gateway.narrowing import Scope, narrowings
from widgetsvc.gateway.renewals import Job
from widgetsvc.gateway.token_cache import (
    MIN_REMAINING,
    REFUSABLE_FROM,
    DirectSource,
    Mint,
    Obtained,
    TokenKey,
)
from widgetsvc.shared.connection import Connection, SharedCacheDown
from widgetsvc.shared.seal import BrokenSeal, Seal

PREFIX = "widgetsvc:"
_VERSION = 1

_MAX_SECONDS = 86_400
"""How long a token is kept at most."""

_NARROWED_SECONDS = _MAX_SECONDS + 3_600
"""How long a narrowing is remembered: longer than any token from before it."""

_ERROR_SECONDS = 2
"""How long a failure lies there. It is for those who wait for its mint: who comes later may fare better."""

_LOCK_MARGIN = 5
"""Seconds that a lock outlasts the mint that it is held for."""

_POLL_SECONDS = 0.02
_PURGE_STEP = 1_000

_RAISE_NARROWED = """
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if known >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""

_log = logging.getLogger(__name__)


def issuer_name(secret: bytes, api_url: str, client_id: str, client_secret: str) -> str:
    """Stand for who mints: tokens of other credentials, or of another API, are others'.

    `secret` keeps the client secret from being guessed by the names in Redis.
    """
    parts = [_VERSION, api_url, client_id, client_secret]
    return hashlib.blake2b(json.dumps(parts).encode(), key=secret, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class _Names:
    token: str
    lock: str
    narrowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    """What lies in Redis for a key. `narrowed` is its tokens' newest narrowing, None where it is unknown."""

    narrowed: int | None
    token: Obtained | None = None
    error: UpstreamError | None = None

    def outcome(self) -> Obtained | None:
        """Return or raise what somebody else has got; None where nobody has asked."""
        if self.error is not None:
            raise self.error
        return self.token


class SharedTokens:
    """A TokenSource that looks into Redis before it mints, and mints in turn with the other processes."""

    def __init__(
        self,
        connection: Connection,
        seal: Seal,
        *,
        issuer: str,
        mint_seconds: float,
        run: Callable[[Job], bool],
        clock: Clock = monotonic_clock,
    ) -> None:
        """Share with all whose `issuer` is the same; `mint_seconds` is how long a mint takes at most.

        `run` has a job run in the background.
        """
        self._connection = connection
        self._seal = seal
        self._issuer = issuer
        self._mint_seconds = mint_seconds
        self._run = run
        self._clock = clock
        self._direct = DirectSource(clock)
        self._counting = Lock()
        self._waits = 0

    @property
    def waits(self) -> int:
        """How often another process has been waited for."""
        return self._waits

    def obtain(self, key: TokenKey, mint: Mint) -> Obtained:
        """Find the token, or wait while another process mints it, or mint it."""
        names = self._names(key)
        held = self._look(names)
        if found := held.outcome():
            return found
        with self._turn(names, wait=self._mint_seconds):
            # Whether it is our turn or we have waited in vain: what others have got meanwhile is good.
            held = self._look(names)
            return held.outcome() or self._mint(key, names, mint, held)

    def renew(self, key: TokenKey, mint: Mint, is_due: Callable[[Obtained], bool]) -> Obtained | None:
        """Find the token that another process has renewed, or renew it where none is about to."""
        names = self._names(key)

        held = self._look(names)
        if held.token is not None and not is_due(held.token):
            return held.token
        with self._turn(names, wait=0) as ours:
            if not ours:
                return None
            held = self._look(names)
            if held.token is not None and not is_due(held.token):
                return held.token
            return self._mint(key, names, mint, held)

    def refuse(self, key: TokenKey, token: str) -> None:
        """Have no process find this token, unless it is young; each may hold it still."""
        names = self._names(key)
        held = self._look(names).token
        if held is None or held.token != token or self._clock() < held.minted_at + REFUSABLE_FROM:
            return
        try:
            with self._connection.asked() as redis:
                # One that has taken its place in between goes with it, and is minted again.
                redis.unlink(names.token)
        except SharedCacheDown:
            _log.debug("%s stays in Redis", names.token)

    def narrow(self, changes: Sequence[Change]) -> None:
        """Have no process find the tokens that the changes take something away from.

        Every process that hears of a change does this; the first one also deletes the tenant's tokens.
        """
        for scope, entry_id in narrowings(changes):
            try:
                with self._connection.asked() as redis:
                    is_first = redis.eval(
                        _RAISE_NARROWED, 1, self._narrowed_name(scope), str(entry_id), str(_NARROWED_SECONDS)
                    )
            except SharedCacheDown:
                return
            if is_first and not scope.sub:
                tenant_id = scope.tenant_id
                self._run(lambda tenant_id=tenant_id: self._purge(tenant_id))  # type: ignore[misc]

    def _purge(self, tenant_id: str) -> None:
        try:
            with self._connection.asked() as redis:
                names = list(redis.scan_iter(match=f"{PREFIX}token:{tenant_id}:*", count=_PURGE_STEP))
                for start in range(0, len(names), _PURGE_STEP):
                    redis.unlink(*names[start : start + _PURGE_STEP])
        except SharedCacheDown:
            _log.info("tenant %s: tokens stay in Redis until they expire; none of them is used", tenant_id)

    def _names(self, key: TokenKey) -> _Names:
        name = f"{key.tenant_id}:{key.digest(self._issuer)}"
        return _Names(
            token=f"{PREFIX}token:{name}",
            lock=f"{PREFIX}lock:{name}",
            narrowed=tuple(map(self._narrowed_name, key.scopes)),
        )

    def _narrowed_name(self, scope: Scope) -> str:
        # Of a trail in another database, entries have other numbers.
        return f"{PREFIX}narrowed:{self._issuer}:{scope.tenant_id}:{scope.sub}"

    def _look(self, names: _Names) -> _Held:
        """Read what there is; nothing where Redis does not answer."""
        asked_at = self._clock()
        try:
            with self._connection.asked() as redis:
                # The life first: a token that is replaced in between must not get its successor's. Not in a
                # transaction, which a Redis that is out of memory refuses even to read in.
                pipeline = redis.pipeline(transaction=False)
                pipeline.pttl(names.token)
                pipeline.mget([names.token, *names.narrowed])
                milliseconds, (sealed, *narrowed) = pipeline.execute()
        except SharedCacheDown:
            return _Held(None)
        newest = max(_number(value) for value in narrowed)
        document = self._opened(names.token, sealed)
        # No end (-1) is not our doing; the key may have ended in between (-2).
        if document is None or document["narrowed"] != newest or milliseconds <= 0:
            return _Held(newest)
        if "error" in document:
            return _Held(newest, error=_error(*document["error"]))
        expires_at = asked_at + milliseconds / 1_000 + MIN_REMAINING
        return _Held(newest, Obtained(document["token"], document["life"], expires_at, found=True))

    def _opened(self, name: str, sealed: bytes | None) -> dict[str, Any] | None:
        if sealed is None:
            return None
        try:
            return cast("dict[str, Any]", json.loads(self._seal.open(sealed, name)))
        except BrokenSeal as error:
            _log.warning("ignored an entry of the shared cache: %s", error)
            return None

    def _mint(self, key: TokenKey, names: _Names, mint: Mint, held: _Held) -> Obtained:
        try:
            minted = self._direct.obtain(key, mint)
        except UpstreamUnavailable as error:
            if held.token is None:  # one that could not be renewed stays
                self._keep(names, held, _ERROR_SECONDS, error=["unavailable", str(error), error.retry_after])
            raise
        except UpstreamRejected as error:
            self._keep(names, held, _ERROR_SECONDS, error=["rejected", str(error), error.status])
            raise
        seconds = min(minted.expires_at - self._clock() - MIN_REMAINING, _MAX_SECONDS)
        # What ends here before the token does, is as old as if it had been minted for that long.
        life = min(minted.life, _MAX_SECONDS + MIN_REMAINING)
        self._keep(names, held, seconds, token=minted.token, life=life)
        return minted

    def _keep(self, names: _Names, held: _Held, seconds: float, **content: object) -> None:
        milliseconds = int(seconds * 1_000)
        if held.narrowed is None or milliseconds <= 0:
            return
        document = json.dumps({**content, "narrowed": held.narrowed})
        try:
            with self._connection.asked() as redis:
                redis.set(names.token, self._seal.close(document.encode(), names.token), px=milliseconds)
        except SharedCacheDown:
            _log.debug("%s stays in this process", names.token)

    @contextmanager
    def _turn(self, names: _Names, *, wait: float) -> Iterator[bool]:
        """Hold the key's lock, waiting up to `wait` seconds for it; False where another process holds it.

        Where Redis does not answer it is everybody's turn.
        """
        lock: RedisLock | None = None
        try:
            with self._connection.asked() as redis:
                lock = redis.lock(names.lock, timeout=self._mint_seconds + _LOCK_MARGIN, sleep=_POLL_SECONDS)
                ours = lock.acquire(blocking=False)
                if not ours and wait:
                    self._count_wait()
                    ours = lock.acquire(blocking_timeout=wait)
        except SharedCacheDown:
            ours, lock = True, None
        try:
            yield ours
        finally:
            if ours and lock is not None:
                self._release(lock)

    def _release(self, lock: RedisLock) -> None:
        try:
            with self._connection.asked():
                try:
                    lock.release()
                except LockError:
                    _log.warning("a mint took longer than its lock, another process may have minted as well")
        except SharedCacheDown:
            _log.debug("%s ends by itself", lock.name)

    def _count_wait(self) -> None:
        with self._counting:
            self._waits += 1


def _number(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() else 0


def _error(kind: str, detail: str, number: int) -> UpstreamError:
    if kind == "rejected":
        return UpstreamRejected(detail, status=number)
    return UpstreamUnavailable(detail, retry_after=number)
