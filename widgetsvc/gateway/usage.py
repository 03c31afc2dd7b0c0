"""What each tenant uses: requests for tokens by day, element and outcome.

A request only adds to a count in process; the counts are written in the background.
"""

import operator
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Engine, Executable, select
from sqlalchemy.dialects import postgresql, sqlite

from widgetsvc.clock import Clock
from widgetsvc.gateway.schema import usage
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.write_behind import WriteBehind, lock_living
from widgetsvc.permissions import Element

_DAY = 86_400
_MAX_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class UsageCount:
    """How many requests of one element had one outcome on a day (UTC).

    `element` is None for bare permissions. `outcome` is `hit` for a token that was at hand, `miss` for one
    that was minted, or the code of the error.
    """

    day: date
    element: Element | None
    outcome: str
    count: int


class Usage:
    """The usage of each tenant; safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._clock = clock
        # The day is a number here, since every request for a token comes by.
        self._pending: WriteBehind[tuple[int, str, str], int] = WriteBehind(
            "usage", add=operator.add, write=self._write, max_keys=_MAX_KEYS
        )

    def count(self, tenant: Tenant, element: Element | None, outcome: str) -> None:
        """Count a request; `outcome` is one of UsageCount's."""
        day = int(self._clock()) // _DAY
        self._pending.note(tenant.tenant_id, (day, element or "", outcome), 1)

    def between(self, tenant: Tenant, first: date, last: date) -> list[UsageCount]:
        """Return the counts of these days, both included, in the order of day, element and outcome."""
        self.flush()
        columns = usage.c.day, usage.c.element, usage.c.outcome, usage.c.count
        query = (
            select(*columns)
            .where(usage.c.tenant_id == tenant.tenant_id, usage.c.day.between(first, last))
            .order_by(*columns[:3])
        )
        with self._reader.connect() as connection:
            return [
                UsageCount(day, Element(element) if element else None, outcome, count)
                for day, element, outcome, count in connection.execute(query)
            ]

    def flush(self) -> None:
        """Write what has been counted so far."""
        self._pending.flush()

    def flushing(self) -> AbstractContextManager[None]:
        """Write what is counted until the context is left."""
        return self._pending.flushing()

    def _write(self, batch: Mapping[int, Mapping[tuple[int, str, str], int]]) -> None:
        with self._writer.begin() as connection:
            # In one order, so that two processes never wait for each other's rows.
            living = sorted(lock_living(connection, batch))
            rows = [
                {
                    "tenant_id": tenant_id,
                    "day": datetime.fromtimestamp(day * _DAY, UTC).date(),
                    "element": element,
                    "outcome": outcome,
                    "count": count,
                }
                for tenant_id in living
                for (day, element, outcome), count in sorted(batch[tenant_id].items())
            ]
            if rows:
                connection.execute(_UPSERT[connection.dialect.name], rows)


def _upsert(insert: sqlite.Insert | postgresql.Insert) -> Executable:
    return insert.on_conflict_do_update(
        index_elements=list(usage.primary_key.columns),
        set_={"count": usage.c.count + insert.excluded.count},
    )


_UPSERT = {
    "sqlite": _upsert(sqlite.insert(usage)),
    "postgresql": _upsert(postgresql.insert(usage)),
}
