"""The store of events: writes, imports, reads by window, and what takes up time."""

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Insert,
    Row,
    bindparam,
    exists,
    insert,
    not_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningUpdate

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.keys import random_hex
from widgetsvc.calendars.records import (
    Event,
    EventDraft,
    EventTime,
    ImportCount,
    ImportedEvent,
    Transparency,
)
from widgetsvc.calendars.store import selection as statements
from widgetsvc.calendars.store.schema import events, former_times
from widgetsvc.calendars.store.selection import (
    IN_CALENDAR,
    WHATEVER_IS_OPAQUE,
    BusyFilter,
    Cursor,
    Selection,
    length_class,
)
from widgetsvc.calendars.store.transactions import Joined
from widgetsvc.clock import Clock

_AnyRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Covered:
    """What an import tells all about: of events and series with these `ics_uids`, what touches `within`."""

    ics_uids: frozenset[str]
    within: Timespan


class ManagedTime(NamedTuple):
    """When a managed event takes place, and the values of its tags."""

    start: int
    end: int
    tags: frozenset[str]


Changes = Callable[[Connection, str, bool, int], None]
"""Told of a change to events, inside the transaction that makes it and after the write.

Its arguments are the connection, the `calendar_id`, whether managed events are among them, and a moment that
`updated_at` is not before.
"""


def _nobody(_connection: Connection, _calendar_id: str, _managed: bool, _at: int) -> None:
    pass


class EventStore:
    """Events of all calendars. `changes` is told of every write that changes something."""

    def __init__(self, engine: Engine, clock: Clock, changes: Changes = _nobody) -> None:
        self._reader: Engine | Joined = engine
        self._writer: Engine | Joined = engine.execution_options(writes=True)
        self._clock = clock
        self._changes = changes
        self._insert_unless_there = _INSERT_UNLESS_THERE[engine.dialect.name]

    def within(self, connection: Connection) -> "EventStore":
        """The same store in the connection's transaction: what it reads still holds when it writes."""
        joined = copy(self)
        joined._reader = joined._writer = Joined(connection)
        return joined

    def upsert(self, calendar_id: str, draft: EventDraft) -> None:
        """Write a managed event under (calendar_id, event_id); visible to reads when this returns."""
        with self._writer.begin() as connection:
            new = self._new(calendar_id, draft)
            if not connection.execute(self._insert_unless_there, new).rowcount:
                mine = {"calendar": calendar_id, "id": draft.event_id}
                stored = connection.execute(_STORED_BY_ID, mine).one()
                self._replace(connection, [(stored, _values(draft, stored.details))])
            self._changes(connection, calendar_id, True, new["updated_at"])

    def edit(self, calendar_id: str, event_uid: str, draft: EventDraft) -> bool:
        """Write an event, managed or external, by its uid; False where the calendar has none such.

        It keeps the `event_id` that it has.
        """
        with self._writer.begin() as connection:
            now = int(self._clock())
            mine = {"calendar": calendar_id, "uid": event_uid}
            stored = connection.execute(_STORED_BY_UID, mine).one_or_none()
            if stored is not None:
                self._replace(connection, [(stored, _values(draft, stored.details))])
                self._changes(connection, calendar_id, stored.event_id is not None, now)
        return stored is not None

    def _new(self, calendar_id: str, draft: EventDraft, ics_uid: str | None = None) -> dict[str, Any]:
        now = int(self._clock())
        prefix = "evt_external_" if draft.event_id is None else "evt_"
        return _values(draft) | {
            "calendar_id": calendar_id,
            "event_id": draft.event_id,
            "ics_uid": ics_uid,
            "event_uid": prefix + random_hex(),
            "created_at": now,
            "updated_at": now,
        }

    def _replace(self, connection: Connection, changes: Iterable[tuple[_AnyRow, dict[str, Any]]]) -> None:
        now = int(self._clock())
        moved, changed = [], []
        for stored, values in changes:
            of_the_event = {"uid": stored.event_uid}
            changed.append(values | of_the_event | {"updated_at": now})
            if (stored.start_at, stored.end_at) != (values["start_at"], values["end_at"]):
                moved.append(of_the_event)
        if moved:
            connection.execute(_REMEMBER_TIME, moved)
        if changed:
            connection.execute(_UPDATE, changed)

    def import_events(
        self, calendar_id: str, imported: Iterable[ImportedEvent], covered: Covered | None = None
    ) -> ImportCount:
        """Write external events, each in place of the one with its `ics_uid`: all of them or none.

        Of several with the same `ics_uid` the last one counts. What is stored just so is left alone, so that
        a repeated import modifies nothing. What is covered and not imported any more is marked as deleted:
        it was cancelled, or moved to where it is known by another `ics_uid`.
        """
        wanted = {event.ics_uid: event.draft for event in imported}
        with self._writer.begin() as connection:
            now = int(self._clock())
            stored = _by_ics_uid(connection, calendar_id, wanted)
            created = [
                self._new(calendar_id, draft, ics_uid)
                for ics_uid, draft in wanted.items()
                if ics_uid not in stored
            ]
            changes = [
                (row, values)
                for ics_uid, row in stored.items()
                if not _is_just(row, values := _values(wanted[ics_uid]))
            ]
            if created:
                connection.execute(_INSERT, created)
            self._replace(connection, changes)
            gone = [] if covered is None else _gone(connection, calendar_id, covered, wanted)
            if gone:
                connection.execute(_MARK_DELETED, [{"uid": uid, "now": now} for uid in gone])
            if created or changes or gone:
                self._changes(connection, calendar_id, False, now)
        return ImportCount(len(created), len(changes), len(stored) - len(changes), len(gone))

    def delete(self, calendar_id: str, *, event_id: str | None = None, event_uid: str | None = None) -> None:
        """Mark an event as deleted, by its uid where given; an unknown one is no error, as with Cronofy."""
        if event_uid is not None:
            self._delete(_DELETE_BY_UID, calendar_id, uid=event_uid)
        else:
            self._delete(_DELETE_BY_ID, calendar_id, id=event_id)

    def delete_managed(self, calendar_id: str) -> None:
        """Mark every managed event of a calendar as deleted."""
        self._delete(_DELETE_MANAGED, calendar_id)

    def _delete(self, statement: ReturningUpdate[Any], calendar_id: str, **named: str | None) -> None:
        with self._writer.begin() as connection:
            now = int(self._clock())
            deleted = (
                connection.execute(statement, {"calendar": calendar_id, "now": now, **named}).scalars().all()
            )
            if deleted:
                managed = any(event_id is not None for event_id in deleted)
                self._changes(connection, calendar_id, managed, now)

    def count(self, selection: Selection) -> int:
        """How many events a selection has."""
        with self._reader.connect() as connection:
            return connection.execute(*statements.count(selection)).scalar_one()

    def page(self, selection: Selection, after: Cursor | None, size: int) -> list[Event]:
        """Up to `size` events in order of start and uid, those after the cursor."""
        with self._reader.connect() as connection:
            return [_event(row) for row in connection.execute(*statements.page(selection, after, size))]

    def busy(
        self, calendar_ids: Collection[str], between: Timespan, which: BusyFilter = WHATEVER_IS_OPAQUE
    ) -> dict[str, list[tuple[int, int]]]:
        """The (start, end) of what takes up time in each calendar and touches `between`, in no order."""
        statement = statements.busy(which.only_managed, which.ignore_tentative, bool(which.excluded))
        bounds = {"first": between.start, "last": between.end, "excluded": sorted(which.excluded)}
        with self._reader.connect() as connection:
            return {
                calendar_id: _pairs(connection.execute(statement, bounds | {"calendar": calendar_id}))
                for calendar_id in calendar_ids
            }

    def managed_times(
        self, calendar_id: str, between: Timespan, excluded: Collection[str] = ()
    ) -> list[ManagedTime]:
        """The managed events of a calendar that touch `between`, whether they take up time or not.

        `excluded` are the ids or uids of events to leave out.
        """
        bounds = {"first": between.start, "last": between.end, "excluded": sorted(excluded)}
        with self._reader.connect() as connection:
            return [
                ManagedTime(start, end, frozenset(tag["value"] for tag in details.get("tags", ())))
                for start, end, details in connection.execute(
                    statements.managed_times(bool(excluded)), bounds | {"calendar": calendar_id}
                )
            ]


def _values(draft: EventDraft, stored: Mapping[str, object] | None = None) -> dict[str, Any]:
    """What a write sets, by column; `stored` are the details of the event that it replaces."""
    details = dict(draft.details)
    if stored is not None:
        for name in draft.kept:
            details.pop(name, None)
        details |= {name: stored[name] for name in draft.kept & stored.keys()}
    start_day, end_day = draft.time.days or (None, None)
    return {
        "summary": draft.summary,
        "description": draft.description,
        "start_at": draft.time.start,
        "end_at": draft.time.end,
        "length_class": length_class(draft.time.end - draft.time.start),
        "start_day": start_day,
        "end_day": end_day,
        "tzid": draft.tzid,
        "transparency": draft.transparency.value,
        "tentative": draft.tentative,
        "details": details,
        "deleted": False,
    }


def _is_just(stored: _AnyRow, values: Mapping[str, Any]) -> bool:
    return all(getattr(stored, name) == value for name, value in values.items())


# Statements that are made once: putting one together takes longer than SQLite takes to carry it out.
_STORED = select(events).where(IN_CALENDAR).with_for_update()
_STORED_BY_ID = _STORED.where(events.c.event_id == bindparam("id"))
_STORED_BY_UID = _STORED.where(events.c.event_uid == bindparam("uid"))
_STORED_BY_ICS_UID = _STORED.where(events.c.ics_uid.in_(bindparam("ics_uids", expanding=True)))
_INSERT = insert(events)
_KEY = (events.c.calendar_id, events.c.event_id)
# What most upserts come down to, and the one answer to two first writes of one event at the same time.
# Without the option, an INSERT's number of rows is -1 on PostgreSQL, which is true.
_INSERT_UNLESS_THERE: dict[str, Insert] = {
    name: dialect.insert(events)
    .on_conflict_do_nothing(index_elements=_KEY)
    .execution_options(preserve_rowcount=True)
    for name, dialect in {"sqlite": sqlite, "postgresql": postgresql}.items()
}
_UPDATE = update(events).where(events.c.event_uid == bindparam("uid"))
_MARK_DELETED = _UPDATE.values(deleted=True, updated_at=bindparam("now"))
_DELETE = (
    update(events)
    .where(IN_CALENDAR, events.c.deleted.is_(False))
    .values(deleted=True, updated_at=bindparam("now"))
    .returning(events.c.event_id)
)
_DELETE_BY_ID = _DELETE.where(events.c.event_id == bindparam("id"))
_DELETE_BY_UID = _DELETE.where(events.c.event_uid == bindparam("uid"))
_DELETE_MANAGED = _DELETE.where(events.c.event_id.is_not(None))

_same_time = exists().where(
    former_times.c.event_uid == events.c.event_uid,
    former_times.c.start_at == events.c.start_at,
    former_times.c.end_at == events.c.end_at,
)
# Once for each time, or an event that goes to and fro would be remembered without end.
_REMEMBER_TIME = insert(former_times).from_select(
    ["event_uid", "start_at", "end_at"],
    select(events.c.event_uid, events.c.start_at, events.c.end_at).where(
        events.c.event_uid == bindparam("uid"), not_(_same_time)
    ),
)

# Well below the number of parameters that any SQLite takes.
_IDS_PER_STATEMENT = 500


def _by_ics_uid(connection: Connection, calendar_id: str, wanted: Iterable[str]) -> dict[str, _AnyRow]:
    names = list(wanted)
    found: dict[str, _AnyRow] = {}
    for begin in range(0, len(names), _IDS_PER_STATEMENT):
        some = {"calendar": calendar_id, "ics_uids": names[begin : begin + _IDS_PER_STATEMENT]}
        found |= {row.ics_uid: row for row in connection.execute(_STORED_BY_ICS_UID, some)}
    return found


def _gone(connection: Connection, calendar_id: str, covered: Covered, wanted: Container[str]) -> list[str]:
    bounds = {"calendar": calendar_id, "first": covered.within.start, "last": covered.within.end}
    return [
        event_uid
        for event_uid, ics_uid in connection.execute(statements.IMPORTED, bounds)
        if ics_uid not in wanted and ics_uid.partition("#")[0] in covered.ics_uids
    ]


def _pairs(result: CursorResult[Any]) -> list[tuple[int, int]]:
    # The driver's own tuples: SQLAlchemy's rows take as long to make as all the rest, and longer to sort.
    return cast(list[tuple[int, int]], result.cursor.fetchall())


def _event(row: _AnyRow) -> Event:
    days = (row.start_day, row.end_day) if row.start_day else None
    return Event(
        calendar_id=row.calendar_id,
        event_uid=row.event_uid,
        draft=EventDraft(
            event_id=row.event_id,
            summary=row.summary,
            description=row.description,
            time=EventTime(row.start_at, row.end_at, days),
            tzid=row.tzid,
            transparency=Transparency(row.transparency),
            tentative=row.tentative,
            details=row.details,
        ),
        deleted=row.deleted,
        created=row.created_at,
        updated=row.updated_at,
    )
