"""News of changes: whatever is changed in one process is heard by the others in milliseconds.

A message can get lost. Whoever may have missed one reads on in the database, as everybody does now and then.
"""

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from time import monotonic

from redis.client import PubSub
from redis.exceptions import RedisError, TimeoutError  # noqa: A004 # Redis' own

from widgetsvc.gateway.audit import Action, Change
from widgetsvc.shared.connection import Connection, SharedCacheDown, State
from widgetsvc.shared.seal import BrokenSeal, Seal

CHANNEL = "widgetsvc:changes"

_RECONNECT_SECONDS = 1.0
_LISTEN_SECONDS = 0.25
"""How long the end is not noticed."""

_PING_SECONDS = 1.0
_PONG_SECONDS = 3.0
"""How long the server may be silent; a connection that is cut somewhere on its way looks like a quiet one."""

_log = logging.getLogger(__name__)

Hear = Callable[[Sequence[Change]], None]


class ChangeFeed:
    """Tells other processes of changes, and hears of theirs."""

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self._connection = connection
        self._seal = seal
        self._name = secrets.token_hex(8)

    def publish(self, changes: Sequence[Change]) -> None:
        """Tell the others. Where Redis fails nobody is told."""
        document = {"by": self._name, "changes": [asdict(change) for change in changes]}
        message = self._seal.close(json.dumps(document).encode(), CHANNEL)
        with suppress(SharedCacheDown), self._connection.asked() as redis:
            redis.publish(CHANNEL, message)

    @contextmanager
    def following(self, hear: Hear, catch_up: Callable[[], None]) -> Iterator[None]:
        """Call `hear` with the changes of others, in a thread of its own, until the context is left.

        `catch_up` is called whenever some may have been missed: after each connection is made.
        """
        ended = threading.Event()

        def follow() -> None:
            while not ended.is_set():
                try:
                    with closing(self._connection.subscriber()) as channel:
                        self._listen(channel, ended, hear, catch_up)
                except RedisError as error:
                    _log.info("not hearing of changes at once: %s", type(error).__name__)
                    self._check()
                    ended.wait(_RECONNECT_SECONDS)

        thread = threading.Thread(target=follow, name="change feed", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _listen(
        self, channel: PubSub, ended: threading.Event, hear: Hear, catch_up: Callable[[], None]
    ) -> None:
        channel.subscribe(CHANNEL)
        asked_at = answered_at = monotonic()
        while not ended.is_set():
            message = channel.get_message(timeout=_LISTEN_SECONDS)
            now = monotonic()
            if message is not None:
                answered_at = now
                if message["type"] == "subscribe":
                    catch_up()
                elif message["type"] == "message" and (changes := self._opened(message["data"])):
                    hear(changes)
            if now - answered_at > _PONG_SECONDS:
                raise TimeoutError("no sign of life")
            if now - asked_at > _PING_SECONDS:
                asked_at = now
                channel.ping()
                self._check()

    def _check(self) -> None:
        """Find out whether Redis is back, though no request may ask it."""
        if self._connection.state is State.DOWN:
            with suppress(SharedCacheDown), self._connection.asked() as redis:
                redis.ping()

    def _opened(self, sealed: bytes) -> list[Change]:
        try:
            document = json.loads(self._seal.open(sealed, CHANNEL))
        except BrokenSeal as error:
            _log.warning("ignored a message: %s", error)
            return []
        if document["by"] == self._name:
            return []
        return [Change(**{**change, "action": Action(change["action"])}) for change in document["changes"]]
