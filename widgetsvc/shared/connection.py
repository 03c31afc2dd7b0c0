"""The connection to Redis, which may be slow, full or gone at any moment without anybody waiting for it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from threading import Lock

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from widgetsvc.clock import Clock, monotonic_clock

TIMEOUT_SECONDS = 0.1
"""How long a connection, and each answer, may take."""

LEFT_ALONE_SECONDS = 1.0
"""How long Redis is not asked after it has failed; then one caller tries."""

_MAX_CONNECTIONS = 100
_CHECK_SECONDS = 15
"""A connection that has been idle for longer is asked for a sign of life before it is used."""

_log = logging.getLogger(__name__)


class SharedCacheDown(Exception):
    """Redis does not do now what was asked; go on without."""


class State(StrEnum):
    """How Redis did, the last time."""

    OK = "ok"
    DOWN = "down"


class Connection:
    """Redis, as long as it answers; safe to share between threads.

    After a failure it is left alone for a moment, so that a Redis that hangs costs one caller a second the
    timeout, and not each of them.
    """

    def __init__(self, url: str, *, clock: Clock = monotonic_clock) -> None:
        """Connect when the first command is given; `url` is redis:// or rediss://."""
        self._client: Redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            health_check_interval=_CHECK_SECONDS,
            max_connections=_MAX_CONNECTIONS,
            retry=Retry(NoBackoff(), 0),
            # Both ask more of each new connection than there is time for.
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._clock = clock
        self._lock = Lock()
        self._ask_again_at = 0.0
        self._fault: str | None = None

    @property
    def state(self) -> State:
        """Whether the last command was answered."""
        return State.OK if self._fault is None else State.DOWN

    @contextmanager
    def asked(self) -> Iterator[Redis]:
        """Give commands to Redis. Raises SharedCacheDown where it fails, or has failed just now."""
        self._check_turn()
        try:
            yield self._client
        except ResponseError as error:
            # It answers: out of memory, for instance, it still reads. Nobody has to wait for the next one.
            self._failed(error, leave_alone=0)
            if isinstance(error, ReadOnlyError):
                # The name may lead to the new primary by now.
                self._client.connection_pool.disconnect()
            raise SharedCacheDown from error
        except RedisError as error:
            self._failed(error, leave_alone=LEFT_ALONE_SECONDS)
            raise SharedCacheDown from error
        self._answered()

    def subscriber(self) -> PubSub:
        """A connection to listen on; close it. It raises Redis' own errors, and changes nothing here."""
        subscriber: PubSub = self._client.pubsub()  # type: ignore[no-untyped-call]
        return subscriber

    def close(self) -> None:
        """Close what is open; whoever asks again connects anew."""
        self._client.connection_pool.disconnect()

    def _check_turn(self) -> None:
        if self._fault is None:
            return
        with self._lock:
            now = self._clock()
            if now < self._ask_again_at:
                raise SharedCacheDown
            self._ask_again_at = now + LEFT_ALONE_SECONDS

    def _failed(self, error: RedisError, *, leave_alone: float) -> None:
        fault = type(error).__name__
        with self._lock:
            self._ask_again_at = self._clock() + leave_alone
            is_news, self._fault = fault != self._fault, fault
        if is_news:
            _log.warning("Redis fails, going on without it: %s: %s", fault, error)

    def _answered(self) -> None:
        if self._fault is None:
            return
        with self._lock:
            self._fault = None
            self._ask_again_at = 0.0
        _log.warning("Redis answers again")
