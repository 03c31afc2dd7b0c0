"""Real-time scheduling links, and the one change that each of them waits for: a time is picked."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, insert, select, update

from widgetsvc.calendars.keys import DerivedTokens, Purpose, random_hex, sha256
from widgetsvc.calendars.records import SchedulingLink, SchedulingStatus, Telling
from widgetsvc.calendars.store.schema import scheduling_links as table
from widgetsvc.clock import Clock

_LOST = "lost"
"""Stands for a token whose secret is lost: only who has the link's address still knows it."""

_TOLD_AT = {
    Telling.NO_TIMES_DISPLAYED: table.c.no_times_displayed_at,
    Telling.NO_TIMES_SUITABLE: table.c.no_times_suitable_at,
}


class SchedulingLinkStore:
    """The links of all applications. `secret_keys` are kept outside the database."""

    def __init__(self, engine: Engine, secret_keys: Sequence[bytes], clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._tokens = DerivedTokens(secret_keys, Purpose.SCHEDULING_LINKS)
        self._clock = clock

    def create(self, application_id: int, request: dict[str, Any]) -> SchedulingLink:
        """Open a link for a request, given as JSON."""
        nonce, token = self._tokens.issue()
        values = {
            "real_time_scheduling_id": f"sch_{random_hex()}",
            "application_id": application_id,
            "nonce": nonce,
            "token_hash": sha256(token),
            "status": SchedulingStatus.OPEN.value,
            "request": request,
            "created_at": int(self._clock()),
        }
        with self._writer.begin() as connection:
            row = connection.execute(insert(table).values(values).returning(*table.c)).one()
        return self._link(row)

    def by_id(self, application_id: int, real_time_scheduling_id: str) -> SchedulingLink | None:
        """The application's link of this id."""
        mine = (table.c.real_time_scheduling_id == real_time_scheduling_id) & (
            table.c.application_id == application_id
        )
        with self._reader.connect() as connection:
            return self._first(connection, mine)

    def by_token(self, token: str) -> SchedulingLink | None:
        """The link whose URL ends in this token, whosever it is."""
        with self._reader.connect() as connection:
            return self._first(connection, table.c.token_hash == sha256(token))

    def disable(self, link: SchedulingLink, display_message: str) -> SchedulingLink:
        """Close a link with words for its visitors, and return it as it is then: a completed one stays so."""
        mine = table.c.real_time_scheduling_id == link.real_time_scheduling_id
        with self._writer.begin() as connection:
            connection.execute(
                update(table)
                .where(mine, table.c.status != SchedulingStatus.COMPLETED.value)
                .values(status=SchedulingStatus.DISABLED.value, display_message=display_message)
            )
            return self._link(connection.execute(select(table).where(mine)).one())

    @contextmanager
    def changing(self, link: SchedulingLink) -> Iterator[tuple[Connection, SchedulingLink]]:
        """A transaction, and the link as it stands in it; nobody else changes it meanwhile."""
        mine = table.c.real_time_scheduling_id == link.real_time_scheduling_id
        with self._writer.begin() as connection:
            row = connection.execute(select(table).where(mine).with_for_update()).one()
            yield connection, self._link(row)

    def complete(self, connection: Connection, link: SchedulingLink, slot: tuple[int, int]) -> SchedulingLink:
        """Note the time that was picked, as part of the transaction that writes the event."""
        start, end = slot
        return self._changed(
            connection,
            link,
            status=SchedulingStatus.COMPLETED.value,
            slot_start_at=start,
            slot_end_at=end,
            completed_at=int(self._clock()),
        )

    def note_told(self, connection: Connection, link: SchedulingLink, telling: Telling) -> None:
        """Note that the application is told, as part of the transaction that owes it the request."""
        self._changed(connection, link, **{_TOLD_AT[telling].name: int(self._clock())})

    def _changed(self, connection: Connection, link: SchedulingLink, **values: object) -> SchedulingLink:
        row = connection.execute(
            update(table)
            .where(table.c.real_time_scheduling_id == link.real_time_scheduling_id)
            .values(values)
            .returning(*table.c)
        ).one()
        return self._link(row)

    def _first(self, connection: Connection, where: ColumnElement[bool]) -> SchedulingLink | None:
        row = connection.execute(select(table).where(where)).one_or_none()
        return self._link(row) if row else None

    def _link(self, row: Row[*tuple[Any, ...]]) -> SchedulingLink:
        return SchedulingLink(
            real_time_scheduling_id=row.real_time_scheduling_id,
            application_id=row.application_id,
            token=self._tokens.find(row.nonce, row.token_hash) or _LOST,
            status=SchedulingStatus(row.status),
            request=row.request,
            display_message=row.display_message,
            slot=(row.slot_start_at, row.slot_end_at) if row.slot_start_at is not None else None,
            completed_at=row.completed_at,
            told=frozenset(telling for telling in Telling if row._mapping[_TOLD_AT[telling]] is not None),
        )
