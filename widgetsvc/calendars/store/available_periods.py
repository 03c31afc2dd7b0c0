"""The store of available periods: single stretches of time at which accounts are available."""

from collections.abc import Collection
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, or_, select

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.records import AvailablePeriod
from widgetsvc.calendars.store import owned
from widgetsvc.calendars.store.schema import available_periods as table
from widgetsvc.calendars.store.transactions import Joined

MAX_PERIODS = 10_000
"""Available periods that an account has at most."""

MAX_LENGTH = 366 * 86_400
"""Seconds that a period lasts at most.

One that touches a window begins no earlier than this before the window, which bounds the range of the index.
"""

_COLUMNS = (table.c.available_period_id, table.c.start_at, table.c.end_at, table.c.tzid)


class Cursor(NamedTuple):
    """Where a page begins: after this period in order of start and id."""

    start: int
    available_period_id: str


@dataclass(frozen=True, slots=True)
class Selection:
    """An account's periods that start before `before` and end at or after `since`, where these are given."""

    sub: str
    since: int | None = None
    before: int | None = None


class AvailablePeriodStore:
    """Available periods of all accounts, by sub and the application's own id."""

    def __init__(self, engine: Engine) -> None:
        self._reader: Engine | Joined = engine
        self._writer: Engine | Joined = engine.execution_options(writes=True)

    def within(self, connection: Connection) -> "AvailablePeriodStore":
        """The same store in the connection's transaction."""
        joined = copy(self)
        joined._reader = joined._writer = Joined(connection)
        return joined

    def upsert(self, sub: str, period: AvailablePeriod) -> bool:
        """Write a period over the one of its id. False if it would be more than `MAX_PERIODS`.

        Raises ValueError for one that is longer than `MAX_LENGTH`.
        """
        if period.end - period.start > MAX_LENGTH:
            raise ValueError(f"no available period lasts {period.end - period.start} s")
        key = {"sub": sub, "available_period_id": period.available_period_id}
        values = {"start_at": period.start, "end_at": period.end, "tzid": period.tzid}
        with self._writer.begin() as connection:
            return owned.put(connection, table, key, values, at_most=MAX_PERIODS)

    def delete(self, sub: str, available_period_id: str) -> None:
        """Remove a period; an unknown one is no error."""
        with self._writer.begin() as connection:
            connection.execute(
                delete(table).where(table.c.sub == sub, table.c.available_period_id == available_period_id)
            )

    def delete_all(self, sub: str) -> None:
        """Remove all of an account's periods."""
        with self._writer.begin() as connection:
            connection.execute(delete(table).where(table.c.sub == sub))

    def count(self, selection: Selection) -> int:
        """How many periods a selection has."""
        query = select(func.count()).select_from(table).where(_where(selection))
        with self._reader.connect() as connection:
            return connection.execute(query).scalar_one()

    def page(self, selection: Selection, after: Cursor | None, size: int) -> list[AvailablePeriod]:
        """Up to `size` periods in order of start and id, those after the cursor."""
        query = select(*_COLUMNS).where(_where(selection))
        if after is not None:
            query = query.where(
                or_(
                    table.c.start_at > after.start,
                    and_(
                        table.c.start_at == after.start,
                        table.c.available_period_id > after.available_period_id,
                    ),
                )
            )
        query = query.order_by(table.c.start_at, table.c.available_period_id).limit(size)
        with self._reader.connect() as connection:
            return [AvailablePeriod(*row) for row in connection.execute(query)]

    def touching(self, subs: Collection[str], between: Timespan) -> dict[str, list[Timespan]]:
        """The stretches of each account's periods that touch `between`, by start."""
        query = (
            select(table.c.sub, table.c.start_at, table.c.end_at)
            .where(
                table.c.sub.in_(sorted(subs)),
                table.c.start_at < between.end,
                table.c.start_at > between.start - MAX_LENGTH,
                table.c.end_at > between.start,
            )
            .order_by(table.c.start_at)
        )
        found: dict[str, list[Timespan]] = {sub: [] for sub in subs}
        with self._reader.connect() as connection:
            for sub, start, end in connection.execute(query):
                found[sub].append(Timespan(start, end))
        return found


def _where(selection: Selection) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [table.c.sub == selection.sub]
    if selection.before is not None:
        conditions.append(table.c.start_at < selection.before)
    if selection.since is not None:
        conditions.append(table.c.start_at >= selection.since - MAX_LENGTH)
        conditions.append(table.c.end_at >= selection.since)
    return and_(*conditions)
