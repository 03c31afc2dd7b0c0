"""The trail of changes: what was done to tenants, by whom, and how every process hears of it.

Whoever changes something of a tenant does so in a transaction of the trail and records the change in it, so
that there is no change without its entry. Listeners hear of the changes once they are committed; processes
that share the database read on from the last entry that they know.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, func, insert, select, text

from widgetsvc.clock import Clock
from widgetsvc.gateway.schema import audit_trail

OPERATOR = "operator"
"""Who acts on the command line."""

_LOCK = 7_203_486_130
"""Any number; on PostgreSQL every transaction of the trail holds the advisory lock of this name."""


class Action(StrEnum):
    """What can be done to a tenant."""

    TENANT_CREATED = "tenant.created"
    TENANT_UPDATED = "tenant.updated"
    TENANT_SUSPENDED = "tenant.suspended"
    TENANT_RESUMED = "tenant.resumed"
    TENANT_DELETED = "tenant.deleted"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    SIGNING_KEY_ADDED = "signing_key.added"
    SIGNING_KEY_ROTATED = "signing_key.rotated"
    SIGNING_KEY_REVOKED = "signing_key.revoked"
    CALENDAR_ADDED = "calendar.added"
    CALENDAR_REVOKED = "calendar.revoked"
    WIDGET_CREATED = "widget.created"
    WIDGET_UPDATED = "widget.updated"
    WIDGET_DELETED = "widget.deleted"


class Named(Protocol):
    """A tenant, as far as the trail has to know one."""

    @property
    def tenant_id(self) -> int: ...

    @property
    def slug(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the trail; `at` is in Unix seconds. `details` never holds a secret.

    `action` is an `Action`, or the text of one that only a newer version knows.
    """

    entry_id: int
    at: int
    tenant_id: int
    tenant: str
    by: str
    action: str
    subject: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Listener = Callable[[Sequence[Change]], None]


class Transaction:
    """One transaction of the trail: make the changes on `connection`, and record each."""

    def __init__(self, connection: Connection, by: str, at: int) -> None:
        self.connection = connection
        self.at = at
        self.changes: list[Change] = []
        self._by = by

    def record(self, tenant: Named, action: Action, subject: str | None = None, **details: Any) -> None:
        """Add an entry to the trail."""
        values: dict[str, Any] = {
            "at": self.at,
            "tenant_id": tenant.tenant_id,
            "tenant": tenant.slug,
            "by": self._by,
            "action": action,
            "subject": subject,
            "details": details,
        }
        entry_id = self.connection.execute(
            insert(audit_trail).values(values).returning(audit_trail.c.entry_id)
        ).scalar_one()
        self.changes.append(Change(entry_id, **values))


class AuditTrail:
    """The trail in the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._clock = clock
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener` with what this process has changed, after each commit."""
        self._listeners.append(listener)

    @contextmanager
    def transaction(self, by: str) -> Iterator[Transaction]:
        """Begin a transaction for changes made by `by`; nothing is recorded where it fails.

        These transactions come one after the other, on every database: what one of them reads of a tenant
        stays as it is until it ends.
        """
        with self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                # SQLite's writers queue anyway. Besides, entries have to become visible in the order of their
                # ids, or a reader skips one for ever; and a lock taken later could be one of a deadlock.
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            transaction = Transaction(connection, by, int(self._clock()))
            yield transaction
        if transaction.changes:
            for listener in self._listeners:
                listener(transaction.changes)

    def newest(self) -> int:
        """Return the id of the last entry, 0 where there is none."""
        with self._reader.connect() as connection:
            return connection.execute(select(func.max(audit_trail.c.entry_id))).scalar_one() or 0

    def since(self, entry_id: int, limit: int) -> list[Change]:
        """Return the entries after this one, the oldest first."""
        query = select(audit_trail).where(audit_trail.c.entry_id > entry_id)
        return self._read(query.order_by(audit_trail.c.entry_id).limit(limit))

    def of(self, tenant: Named | str | None, limit: int, before: int | None = None) -> list[Change]:
        """Return a tenant's (or all) entries, the newest first, from the one before the entry `before`.

        A slug stands for every tenant that has ever had it, deleted ones included.
        """
        query = select(audit_trail).order_by(audit_trail.c.entry_id.desc()).limit(limit)
        if isinstance(tenant, str):
            query = query.where(audit_trail.c.tenant == tenant)
        elif tenant is not None:
            query = query.where(audit_trail.c.tenant_id == tenant.tenant_id)
        if before is not None:
            query = query.where(audit_trail.c.entry_id < before)
        return self._read(query)

    def _read(self, query: Any) -> list[Change]:
        with self._reader.connect() as connection:
            return [Change(**row) for row in connection.execute(query).mappings()]
