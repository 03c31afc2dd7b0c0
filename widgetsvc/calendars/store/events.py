"""The store of events: writes, imports, reads by window, and what takes up time.

Whatever looks at a window asks for one class of lengths after the other (`LONGEST_IN_CLASS`), each of them a
short range of the index `ix_events_time`: the cost depends on what is in the window alone.
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    CursorResult,
    Date,
    Engine,
    Insert,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

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
from widgetsvc.calendars.store.schema import events, former_times
from widgetsvc.calendars.store.transactions import Joined
from widgetsvc.calendars.times import start_of_day
from widgetsvc.clock import Clock

_AnyRow = Row[*tuple[Any, ...]]

# No zone is further than this from UTC, so an all-day event's instants differ from another zone's idea of
# the same days by no more.
_WIDEST_OFFSET = 15 * 3_600

LONGEST_IN_CLASS = (6 * 3_600, 2 * 86_400, 32 * 86_400, 367 * 86_400)
"""Seconds that an event of each length class lasts at most.

An event of class n that touches a window begins no earlier than this before the window: few classes make for
few ranges of the index to read, and each of them is short.
"""


def length_class(seconds: int) -> int:
    """The class of an event that lasts so long. Raises ValueError beyond the longest."""
    for number, longest in enumerate(LONGEST_IN_CLASS):
        if seconds <= longest:
            return number
    raise ValueError(f"no event lasts {seconds} s")


@dataclass(frozen=True, slots=True)
class Window:
    """Days `first` (inclusive) to `last` (exclusive) as seen in a zone; either end may be open."""

    tz: ZoneInfo
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a calendar's events to read.

    `external_window` is the window of external events where it is another than that of managed ones.
    `include_moved` adds events that once were in the window.
    """

    calendar_id: str
    window: Window
    managed: bool = True
    external: bool = True
    external_window: Window | None = None
    include_deleted: bool = False
    include_moved: bool = False
    include_transparent: bool = True
    modified_since: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after this event in order of start and uid."""

    start: int
    event_uid: str


@dataclass(frozen=True, slots=True)
class BusyFilter:
    """Which opaque events do not make busy: all but the managed, the tentative, or some by id or uid."""

    only_managed: bool = False
    ignore_tentative: bool = False
    excluded: frozenset[str] = frozenset()


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
                connection.execute(_DELETE, [{"uid": uid, "now": now} for uid in gone])
            if created or changes or gone:
                self._changes(connection, calendar_id, False, now)
        return ImportCount(len(created), len(changes), len(stored) - len(changes), len(gone))

    def delete(self, calendar_id: str, *, event_id: str | None = None, event_uid: str | None = None) -> None:
        """Mark an event as deleted, by its uid where given; an unknown one is no error, as with Cronofy."""
        named = events.c.event_uid == event_uid if event_uid is not None else events.c.event_id == event_id
        self._delete(calendar_id, named)

    def delete_managed(self, calendar_id: str) -> None:
        """Mark every managed event of a calendar as deleted."""
        self._delete(calendar_id, events.c.event_id.is_not(None))

    def _delete(self, calendar_id: str, condition: ColumnElement[bool]) -> None:
        with self._writer.begin() as connection:
            now = int(self._clock())
            statement = (
                update(events)
                .where(events.c.calendar_id == calendar_id, condition, events.c.deleted.is_(False))
                .values(deleted=True, updated_at=now)
                .returning(events.c.event_id)
            )
            deleted = connection.execute(statement).scalars().all()
            if deleted:
                managed = any(event_id is not None for event_id in deleted)
                self._changes(connection, calendar_id, managed, now)

    def count(self, selection: Selection) -> int:
        """How many events a selection has."""
        parameters = _parameters(selection, _FIRST_PAGE)
        with self._reader.connect() as connection:
            return connection.execute(_count(_shape(selection)), parameters).scalar_one()

    def page(self, selection: Selection, after: Cursor | None, size: int) -> list[Event]:
        """Up to `size` events in order of start and uid, those after the cursor."""
        parameters = _parameters(selection, after or _FIRST_PAGE) | {"size": size}
        with self._reader.connect() as connection:
            return [_event(row) for row in connection.execute(_page(_shape(selection)), parameters)]

    def busy(
        self, calendar_ids: Collection[str], between: Timespan, which: BusyFilter = BusyFilter()
    ) -> dict[str, list[tuple[int, int]]]:
        """The (start, end) of what takes up time in each calendar and touches `between`, in no order."""
        statement = _busy(which.only_managed, which.ignore_tentative, bool(which.excluded))
        bounds = {"first": between.start, "last": between.end, "excluded": sorted(which.excluded)}
        with self._reader.connect() as connection:
            return {
                calendar_id: _pairs(connection.execute(statement, bounds | {"calendar": calendar_id}))
                for calendar_id in calendar_ids
            }

    def managed_times(self, calendar_id: str, between: Timespan) -> list[ManagedTime]:
        """The managed events of a calendar that touch `between`, whether they take up time or not."""
        bounds = {"calendar": calendar_id, "first": between.start, "last": between.end}
        with self._reader.connect() as connection:
            return [
                ManagedTime(start, end, frozenset(tag["value"] for tag in details.get("tags", ())))
                for start, end, details in connection.execute(_MANAGED_TIMES, bounds)
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


_IN_CALENDAR = events.c.calendar_id == bindparam("calendar")
_MANAGED = events.c.event_id.is_not(None)
_OPAQUE = events.c.transparency == Transparency.OPAQUE.value
_STANDING = events.c.deleted.is_(False)

# Statements that are made once: putting one together takes longer than SQLite takes to carry it out.
_STORED = select(events).where(_IN_CALENDAR).with_for_update()
_STORED_BY_ID = _STORED.where(events.c.event_id == bindparam("id"))
_STORED_BY_UID = _STORED.where(events.c.event_uid == bindparam("uid"))
_STORED_BY_ICS_UID = _STORED.where(events.c.ics_uid.in_(bindparam("ics_uids", expanding=True)))
_INSERT = insert(events)
_KEY = (events.c.calendar_id, events.c.event_id)
# What most upserts come down to, and the one answer to two first writes of one event at the same time.
_INSERT_UNLESS_THERE: dict[str, Insert] = {
    "sqlite": sqlite.insert(events).on_conflict_do_nothing(index_elements=_KEY),
    "postgresql": postgresql.insert(events).on_conflict_do_nothing(index_elements=_KEY),
}
_UPDATE = update(events).where(events.c.event_uid == bindparam("uid"))
_DELETE = _UPDATE.values(deleted=True, updated_at=bindparam("now"))

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


def _instant(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _gone(connection: Connection, calendar_id: str, covered: Covered, wanted: Container[str]) -> list[str]:
    bounds = {"calendar": calendar_id, "first": covered.within.start, "last": covered.within.end}
    return [
        event_uid
        for event_uid, ics_uid in connection.execute(_IMPORTED, bounds)
        if ics_uid not in wanted and ics_uid.partition("#")[0] in covered.ics_uids
    ]


def _touching(*columns: ColumnElement[Any], where: Iterable[ColumnElement[bool]]) -> CompoundSelect[Any]:
    """What touches the times between `:first` and `:last`."""
    first, last = _instant("first"), _instant("last")
    return union_all(
        *(
            select(*columns).where(
                _IN_CALENDAR,
                events.c.length_class == number,
                events.c.start_at > first - longest,
                events.c.start_at < last,
                events.c.end_at > first,
                _STANDING,
                *where,
            )
            for number, longest in enumerate(LONGEST_IN_CLASS)
        )
    )


_IMPORTED = _touching(events.c.event_uid, events.c.ics_uid, where=[events.c.ics_uid.is_not(None)])
_MANAGED_TIMES = _touching(events.c.start_at, events.c.end_at, events.c.details, where=[_MANAGED])


@cache
def _busy(only_managed: bool, ignore_tentative: bool, excluding: bool) -> CompoundSelect[Any]:
    where = [_OPAQUE]
    if only_managed:
        where.append(_MANAGED)
    if ignore_tentative:
        where.append(events.c.tentative.is_(False))
    if excluding:
        excluded: BindParameter[str] = bindparam("excluded", expanding=True)
        where += [
            events.c.event_uid.not_in(excluded),
            or_(events.c.event_id.is_(None), events.c.event_id.not_in(excluded)),
        ]
    return _touching(events.c.start_at, events.c.end_at, where=where)


def _pairs(result: CursorResult[Any]) -> list[tuple[int, int]]:
    # The driver's own tuples: SQLAlchemy's rows take as long to make as all the rest, and longer to sort.
    return cast(list[tuple[int, int]], result.cursor.fetchall())


class _Shape(NamedTuple):
    """What tells one statement of a selection from another; all else about it are parameters."""

    managed: bool
    external: bool
    windows_differ: bool
    deleted: bool
    moved: bool
    transparent: bool


def _shape(selection: Selection) -> _Shape:
    return _Shape(
        managed=selection.managed,
        external=selection.external,
        windows_differ=selection.external_window not in (None, selection.window),
        deleted=selection.include_deleted,
        moved=selection.include_moved,
        transparent=selection.include_transparent,
    )


# Ends of open windows: beyond all that can be stored.
_EVER, _FOREVER = -(2**40), 2**40
_FIRST_PAGE = Cursor(_EVER, "")


def _parameters(selection: Selection, after: Cursor) -> dict[str, Any]:
    external_window = selection.external_window or selection.window
    return {
        "calendar": selection.calendar_id,
        "since": _EVER if selection.modified_since is None else selection.modified_since,
        "after_start": after.start,
        "after_uid": after.event_uid,
        **_window_parameters("window", selection.window, after),
        **_window_parameters("external", external_window, after),
    }


def _window_parameters(name: str, window: Window, after: Cursor) -> dict[str, Any]:
    first = start_of_day(window.first, window.tz) if window.first else _EVER
    last = start_of_day(window.last, window.tz) if window.last else _FOREVER
    return {
        f"{name}_first": first,
        f"{name}_last": last,
        f"{name}_first_day": window.first or date.min,
        f"{name}_last_day": window.last or date.max,
        # One lower bound and not two, of which SQLite could choose the lower for its way through the index.
        **{
            f"{name}_from_{number}": max(first - _WIDEST_OFFSET - longest, after.start)
            for number, longest in enumerate(LONGEST_IN_CLASS)
        },
    }


@cache
def _page(shape: _Shape) -> CompoundSelect[Any]:
    found = union_all(*_selects(shape, *events.c))
    return found.order_by("start_at", "event_uid").limit(bindparam("size", type_=Integer))


@cache
def _count(shape: _Shape) -> Select[int]:
    found = union_all(*_selects(shape, literal(1).label("one"))).subquery()
    return select(func.count()).select_from(found)


def _selects(shape: _Shape, *columns: ColumnElement[Any]) -> Iterator[Select[Any]]:
    """What is to be united, no event twice; each class comes in order from the index and is merely merged."""
    for name, wanted in _parts(shape):
        in_window = _in_window(name)
        for number in range(len(LONGEST_IN_CLASS)):
            yield select(*columns).where(
                *wanted,
                events.c.length_class == number,
                events.c.start_at >= _instant(f"{name}_from_{number}"),
                in_window,
            )
        if shape.moved:
            once = exists().where(
                former_times.c.event_uid == events.c.event_uid,
                former_times.c.start_at < _instant(f"{name}_last"),
                former_times.c.end_at >= _instant(f"{name}_first"),
            )
            further = events.c.start_at >= _instant("after_start")
            yield select(*columns).where(*wanted, further, not_(in_window), once)


def _parts(shape: _Shape) -> Iterator[tuple[str, list[ColumnElement[bool]]]]:
    """The name of a window, and what holds of the events in it beside their time."""
    wanted = [
        _IN_CALENDAR,
        events.c.updated_at >= _instant("since"),
        or_(events.c.start_at > _instant("after_start"), events.c.event_uid > bindparam("after_uid")),
    ]
    if not shape.deleted:
        wanted.append(_STANDING)
    if not shape.transparent:
        wanted.append(_OPAQUE)
    if shape.managed and shape.external and not shape.windows_differ:
        yield "window", wanted
        return
    if shape.managed:
        yield "window", [*wanted, _MANAGED]
    if shape.external:
        yield "external", [*wanted, not_(_MANAGED)]


def _in_window(name: str) -> ColumnElement[bool]:
    """Whether an event starts before the window's end and ends on or after its start.

    All-day events are days, not instants: they are compared as days, whatever zone the reader is in. The
    condition before that is a wider one, which the index can answer.
    """
    first, last = _instant(f"{name}_first"), _instant(f"{name}_last")
    return and_(
        events.c.start_at < last + _WIDEST_OFFSET,
        events.c.end_at >= first - _WIDEST_OFFSET,
        case(
            (events.c.start_day.is_(None), and_(events.c.start_at < last, events.c.end_at >= first)),
            else_=and_(
                events.c.start_day < bindparam(f"{name}_last_day", type_=Date),
                events.c.end_day > bindparam(f"{name}_first_day", type_=Date),
            ),
        ),
    )


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
