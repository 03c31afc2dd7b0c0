"""Counts that requests leave in process, and that reach the database a few seconds later.

A request that is only to be counted must not wait for a transaction, nor fail because there is none.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from widgetsvc.gateway.schema import tenants

FLUSH_SECONDS = 5.0
"""How often what has been counted is written."""

_log = logging.getLogger(__name__)

Key = TypeVar("Key")
Value = TypeVar("Value")


class WriteBehind(Generic[Key, Value]):
    """Values that are added up by tenant and key until they are written; safe to share between threads."""

    def __init__(
        self,
        name: str,
        *,
        add: Callable[[Value, Value], Value],
        write: Callable[[Mapping[int, Mapping[Key, Value]]], None],
        max_keys: int,
    ) -> None:
        """Add up by `add(older, newer)`. `write` raises SQLAlchemyError where nothing was written.

        A tenant has at most `max_keys` between two writes; what comes for yet another key is lost.
        """
        self._name = name
        self._add = add
        self._write = write
        self._max_keys = max_keys
        self._lock = Lock()
        self._writing = Lock()
        self._pending: dict[int, dict[Key, Value]] = {}

    def note(self, tenant_id: int, key: Key, value: Value) -> None:
        """Add to what will be written."""
        with self._lock:
            self._add_up(tenant_id, key, value)

    def flush(self) -> None:
        """Write what has been noted before this call, and come back when it is written.

        What a database that does not answer could not take is kept for the next time.
        """
        with self._writing:
            with self._lock:
                batch, self._pending = self._pending, {}
            if not batch:
                return
            try:
                self._write(batch)
            except SQLAlchemyError as error:
                _log.warning("cannot write %s, kept for later: %s", self._name, type(error).__name__)
                self._put_back(batch)

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Write every few seconds in a thread of its own, and once more when the context is left."""
        ended = threading.Event()

        def flush_on() -> None:
            while not ended.wait(FLUSH_SECONDS):
                self.flush()

        thread = threading.Thread(target=flush_on, name=f"{self._name} writer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.flush()

    def _put_back(self, batch: dict[int, dict[Key, Value]]) -> None:
        with self._lock:
            newer, self._pending = self._pending, batch
            for tenant_id, values in newer.items():
                for key, value in values.items():
                    self._add_up(tenant_id, key, value)

    def _add_up(self, tenant_id: int, key: Key, value: Value) -> None:
        of_tenant = self._pending.setdefault(tenant_id, {})
        older = of_tenant.get(key)
        if older is not None:
            of_tenant[key] = self._add(older, value)
        elif len(of_tenant) < self._max_keys:
            of_tenant[key] = value


def lock_living(connection: Connection, tenant_ids: Collection[int]) -> set[int]:
    """Return those of the tenants that are there, and keep them there until the transaction ends."""
    query = select(tenants.c.tenant_id).where(tenants.c.tenant_id.in_(tenant_ids))
    locking = query.order_by(tenants.c.tenant_id).with_for_update(read=True, key_share=True)
    return set(connection.execute(locking).scalars())
