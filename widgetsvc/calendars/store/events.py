"""The store of events: upsert, delete, reads by window, and the busy times of many calendars at once."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, insert, or_, select, update

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.keys import random_hex
from widgetsvc.calendars.records import Event, EventDraft, EventTime, Transparency
from widgetsvc.calendars.store.schema import events
from widgetsvc.calendars.times import start_of_day
from widgetsvc.clock import Clock

# No zone is further than this from UTC, so an all-day event's instants differ from another zone's idea of
# the same days by no more.
_WIDEST_OFFSET = 15 * 3_600

_KEPT_WHEN_OMITTED = ("url", "conferencing")
"""Members that an update leaves as they are when it does not name them; null removes them."""


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
    """Which of a calendar's events to read."""

    calendar_id: str
    window: Window
    include_deleted: bool = False
    include_transparent: bool = True
    modified_since: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after this event in order of start and uid."""

    start: int
    event_uid: str


@dataclass(frozen=True, slots=True)
class BusyTimes:
    """The (start, end) of one calendar's events that take up time, in no order."""

    firm: list[tuple[int, int]]
    tentative: list[tuple[int, int]]


Changes = Callable[[Connection, str, bool, int], None]
"""Told of a change to events, inside the transaction that makes it and after the write.

Its arguments are the connection, the `calendar_id`, whether the events are managed, and the moment that
`updated_at` says.
"""


def _nobody(_connection: Connection, _calendar_id: str, _managed: bool, _at: int) -> None:
    pass


class EventStore:
    """Events of all calendars. `changes` is told of every write that changes something."""

    def __init__(self, engine: Engine, clock: Clock, changes: Changes = _nobody) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._clock = clock
        self._changes = changes

    def upsert(self, calendar_id: str, draft: EventDraft) -> None:
        """Write an event under (calendar_id, event_id); visible to reads when this returns.

        Everything is replaced but what `details` leaves out: those members keep their value
        (Cronofy API, Create or update events: an omitted `url` is unchanged).
        """
        mine = (events.c.calendar_id == calendar_id) & (events.c.event_id == draft.event_id)
        with self._writer.begin() as connection:
            stored = connection.execute(
                select(events.c.event_uid, events.c.details).where(mine).with_for_update()
            ).one_or_none()
            values = self._values(draft, stored.details if stored else {})
            if stored is not None:
                connection.execute(update(events).where(mine).values(values))
            else:
                connection.execute(
                    insert(events).values(
                        **values,
                        calendar_id=calendar_id,
                        event_id=draft.event_id,
                        event_uid=f"evt_{random_hex()}",
                        created_at=values["updated_at"],
                    )
                )
            self._changes(connection, calendar_id, True, values["updated_at"])

    def _values(self, draft: EventDraft, kept: dict[str, object]) -> dict[str, Any]:
        details = {**{name: kept[name] for name in _KEPT_WHEN_OMITTED if name in kept}, **draft.details}
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
            "details": {name: value for name, value in details.items() if value is not None},
            "deleted": False,
            "updated_at": int(self._clock()),
        }

    def event_id(self, calendar_id: str, event_uid: str) -> str | None:
        """The application's own id of the event with this uid, if the calendar has it."""
        query = select(events.c.event_id).where(
            events.c.calendar_id == calendar_id, events.c.event_uid == event_uid
        )
        with self._reader.connect() as connection:
            return connection.execute(query).scalar_one_or_none()

    def delete(self, calendar_id: str, event_id: str) -> None:
        """Mark an event as deleted; an unknown one is no error, as with Cronofy."""
        now = int(self._clock())
        with self._writer.begin() as connection:
            deleted = connection.execute(
                update(events)
                .where(
                    events.c.calendar_id == calendar_id,
                    events.c.event_id == event_id,
                    events.c.deleted.is_(False),
                )
                .values(deleted=True, updated_at=now)
            )
            if deleted.rowcount:
                self._changes(connection, calendar_id, True, now)

    def count(self, selection: Selection) -> int:
        """How many events a selection has."""
        with self._reader.connect() as connection:
            query = select(func.count()).select_from(events).where(_where(selection))
            return connection.execute(query).scalar_one()

    def page(self, selection: Selection, after: Cursor | None, size: int) -> list[Event]:
        """Up to `size` events in order of start and uid, those after the cursor."""
        query = select(events).where(_where(selection))
        if after is not None:
            query = query.where(
                or_(
                    events.c.start_at > after.start,
                    and_(events.c.start_at == after.start, events.c.event_uid > after.event_uid),
                )
            )
        query = query.order_by(events.c.start_at, events.c.event_uid).limit(size)
        with self._reader.connect() as connection:
            return [_event(row) for row in connection.execute(query)]

    def busy(
        self,
        calendar_ids: Collection[str],
        between: Timespan,
        *,
        excluded: Iterable[str] = (),
    ) -> dict[str, BusyTimes]:
        """What takes up time in each calendar and touches `between`.

        `excluded` are event ids or uids that make nobody busy.
        """
        query = select(events.c.calendar_id, events.c.start_at, events.c.end_at, events.c.tentative).where(
            events.c.calendar_id.in_(sorted(calendar_ids)),
            events.c.start_at < between.end,
            events.c.end_at > between.start,
            events.c.deleted.is_(False),
            events.c.transparency == Transparency.OPAQUE.value,
        )
        left_out = sorted(set(excluded))
        if left_out:
            query = query.where(events.c.event_id.not_in(left_out), events.c.event_uid.not_in(left_out))
        found = {calendar_id: BusyTimes([], []) for calendar_id in calendar_ids}
        with self._reader.connect() as connection:
            for calendar_id, start, end, tentative in connection.execute(query):
                times = found[calendar_id]
                (times.tentative if tentative else times.firm).append((start, end))
        return found


def _where(selection: Selection) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [events.c.calendar_id == selection.calendar_id]
    window = selection.window
    if window.last is not None:
        conditions += _starts_before(window.last, window.tz)
    if window.first is not None:
        conditions += _ends_on_or_after(window.first, window.tz)
    if not selection.include_deleted:
        conditions.append(events.c.deleted.is_(False))
    if not selection.include_transparent:
        conditions.append(events.c.transparency == Transparency.OPAQUE.value)
    if selection.modified_since is not None:
        conditions.append(events.c.updated_at >= selection.modified_since)
    return and_(*conditions)


# All-day events are days, not instants: they are compared as days, whatever zone the reader is in. The first
# condition of each pair is the wider one that the index can answer.
def _starts_before(day: date, tz: ZoneInfo) -> Sequence[ColumnElement[bool]]:
    instant = start_of_day(day, tz)
    return (
        events.c.start_at < instant + _WIDEST_OFFSET,
        or_(
            and_(events.c.start_day.is_(None), events.c.start_at < instant),
            events.c.start_day < day,
        ),
    )


def _ends_on_or_after(day: date, tz: ZoneInfo) -> Sequence[ColumnElement[bool]]:
    instant = start_of_day(day, tz)
    return (
        events.c.end_at >= instant - _WIDEST_OFFSET,
        or_(
            and_(events.c.end_day.is_(None), events.c.end_at >= instant),
            events.c.end_day > day,
        ),
    )


def _event(row: Row[*tuple[Any, ...]]) -> Event:
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
