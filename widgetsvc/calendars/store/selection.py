"""Which events to read, and the statements that find them.

Whatever looks at a window asks for one class of lengths after the other (`LONGEST_IN_CLASS`), each of them a
short range of the index `ix_events_time`: the cost depends on what is in the window alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Date,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)

from widgetsvc.calendars.records import Transparency
from widgetsvc.calendars.store.schema import events, former_times
from widgetsvc.localtime import first_of_day

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


Parameters = dict[str, Any]
"""The values of a statement's parameters, by name."""


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


WHATEVER_IS_OPAQUE = BusyFilter()


IN_CALENDAR = events.c.calendar_id == bindparam("calendar")
_MANAGED = events.c.event_id.is_not(None)
_OPAQUE = events.c.transparency == Transparency.OPAQUE.value
_STANDING = events.c.deleted.is_(False)


def _instant(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _touching(*columns: ColumnElement[Any], where: Iterable[ColumnElement[bool]]) -> CompoundSelect[Any]:
    """What touches the times between `:first` and `:last`."""
    first, last = _instant("first"), _instant("last")
    return union_all(
        *(
            select(*columns).where(
                IN_CALENDAR,
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


IMPORTED = _touching(events.c.event_uid, events.c.ics_uid, where=[events.c.ics_uid.is_not(None)])
"""What finds imported events that touch `:first` to `:last` in `:calendar`: the event_uid and ics_uid."""


def _not_excluded() -> list[ColumnElement[bool]]:
    excluded: BindParameter[str] = bindparam("excluded", expanding=True)
    return [
        events.c.event_uid.not_in(excluded),
        or_(events.c.event_id.is_(None), events.c.event_id.not_in(excluded)),
    ]


@cache
def managed_times(excluding: bool) -> CompoundSelect[Any]:
    """What finds managed events that touch `:first` to `:last` in `:calendar`: start, end and details.

    With `excluding`, those whose id or uid is among `:excluded` are left out.
    """
    where = [_MANAGED, *(_not_excluded() if excluding else ())]
    return _touching(events.c.start_at, events.c.end_at, events.c.details, where=where)


@cache
def busy(only_managed: bool, ignore_tentative: bool, excluding: bool) -> CompoundSelect[Any]:
    """What finds the start and end of opaque events that touch `:first` to `:last` in `:calendar`.

    With `excluding`, those whose id or uid is among `:excluded` are left out.
    """
    where = [_OPAQUE]
    if only_managed:
        where.append(_MANAGED)
    if ignore_tentative:
        where.append(events.c.tentative.is_(False))
    if excluding:
        where += _not_excluded()
    return _touching(events.c.start_at, events.c.end_at, where=where)


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


def _parameters(selection: Selection, after: Cursor) -> Parameters:
    external_window = selection.external_window or selection.window
    return {
        "calendar": selection.calendar_id,
        "since": _EVER if selection.modified_since is None else selection.modified_since,
        "after_start": after.start,
        "after_uid": after.event_uid,
        **_window_parameters("window", selection.window, after),
        **_window_parameters("external", external_window, after),
    }


def _window_parameters(name: str, window: Window, after: Cursor) -> Parameters:
    first = first_of_day(window.first, window.tz) if window.first else _EVER
    last = first_of_day(window.last, window.tz) if window.last else _FOREVER
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


def page(selection: Selection, after: Cursor | None, size: int) -> tuple[CompoundSelect[Any], Parameters]:
    """What reads up to `size` events in order of start and uid, those after the cursor."""
    return _page(_shape(selection)), _parameters(selection, after or _FIRST_PAGE) | {"size": size}


@cache
def _page(shape: _Shape) -> CompoundSelect[Any]:
    found = union_all(*_selects(shape, *events.c))
    return found.order_by("start_at", "event_uid").limit(bindparam("size", type_=Integer))


def count(selection: Selection) -> tuple[Select[int], Parameters]:
    """What counts a selection."""
    return _count(_shape(selection)), _parameters(selection, _FIRST_PAGE)


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
        IN_CALENDAR,
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
