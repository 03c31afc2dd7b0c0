"""The store of events, where no endpoint shows what it does."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from tests.calendars.conftest import Calendar
from tests.calendars.imports import imported
from tests.clocks import FakeClock
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.records import ImportCount, ImportedEvent
from widgetsvc.calendars.store.events import Covered
from widgetsvc.calendars.store.schema import former_times
from widgetsvc.calendars.store.selection import LONGEST_IN_CLASS, WHATEVER_IS_OPAQUE, BusyFilter, length_class
from widgetsvc.calendars.times import parse_time

pytestmark = pytest.mark.on_every_database

HOUR = 3_600
DAY = Timespan(parse_time("2026-11-24T00:00:00Z"), parse_time("2026-11-25T00:00:00Z"))
TEN, ELEVEN = "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z"


def lasting(name: str, start: int, end: int) -> ImportedEvent:
    event = imported(name, TEN, ELEVEN)
    return replace(event, draft=replace(event.draft, time=replace(event.draft.time, start=start, end=end)))


def busy(
    backend: Backend, calendar: Calendar, which: BusyFilter = WHATEVER_IS_OPAQUE
) -> list[tuple[int, int]]:
    return sorted(backend.events.busy([calendar.calendar_id], DAY, which)[calendar.calendar_id])


def test_an_import_tells_what_it_created_updated_and_left(
    calendar: Calendar, backend: Backend, clock: FakeClock
) -> None:
    def run(*events: ImportedEvent) -> ImportCount:
        clock.advance(60)
        return backend.events.import_events(calendar.calendar_id, events)

    assert run(imported("a", TEN, ELEVEN), imported("b", TEN, ELEVEN)) == ImportCount(2, 0, 0)
    changed = imported("b", TEN, ELEVEN, color="#ff0000")
    assert run(imported("a", TEN, ELEVEN), changed, imported("c", TEN, ELEVEN)) == ImportCount(1, 1, 1)

    events = calendar.get("/v1/events", tzid="Etc/UTC").json["events"]
    assert {e["summary"]: (e["created"][11:16], e["updated"][11:16], e.get("color")) for e in events} == {
        "a": ("12:01", "12:01", None),
        "b": ("12:01", "12:02", "#ff0000"),
        "c": ("12:02", "12:02", None),
    }


def test_an_import_of_the_same_uid_twice_takes_the_last(calendar: Calendar, backend: Backend) -> None:
    first, last = imported("a", TEN, ELEVEN), imported("a", TEN, ELEVEN, color="#ff0000")

    assert backend.events.import_events(calendar.calendar_id, [first, last]) == ImportCount(1, 0, 0)
    assert calendar.get("/v1/events", tzid="Etc/UTC").json["events"][0]["color"] == "#ff0000"


def test_an_import_deletes_what_it_covers_and_has_no_more(calendar: Calendar, backend: Backend) -> None:
    def run(*names: str, covered: str) -> ImportCount:
        events = [imported(name, TEN, ELEVEN) for name in names]
        return backend.events.import_events(
            calendar.calendar_id, events, Covered(frozenset(covered.split()), DAY)
        )

    calendar.write("managed", TEN, ELEVEN)
    assert run("a", "a#1", "a#2", "ab", "b#1", covered="a ab b") == ImportCount(5, 0, 0, 0)
    later = lasting("a#3", DAY.end, DAY.end + HOUR)
    backend.events.import_events(calendar.calendar_id, [later])

    assert run("a#2", covered="a c") == ImportCount(0, 0, 1, 2)
    assert run("a#2", covered="a c") == ImportCount(0, 0, 1, 0)

    left = [
        e["summary"]
        for e in calendar.get("/v1/events", tzid="Etc/UTC", include_managed="true").json["events"]
    ]
    assert sorted(left) == ["a#2", "a#3", "ab", "b#1", "managed"]


def test_an_import_brings_back_what_was_deleted(calendar: Calendar, backend: Backend) -> None:
    backend.events.import_events(calendar.calendar_id, [imported("a", TEN, ELEVEN)])
    (event,) = calendar.get("/v1/events", tzid="Etc/UTC").json["events"]
    backend.events.delete(calendar.calendar_id, event_uid=event["event_uid"])

    assert backend.events.import_events(calendar.calendar_id, [imported("a", TEN, ELEVEN)]) == ImportCount(
        0, 1, 0
    )
    assert len(calendar.get("/v1/events", tzid="Etc/UTC").json["events"]) == 1


def test_an_import_is_all_or_nothing(calendar: Calendar, backend: Backend) -> None:
    too_long = lasting("b", 0, LONGEST_IN_CLASS[-1] + 1)

    with pytest.raises(ValueError, match="no event lasts"):
        backend.events.import_events(calendar.calendar_id, [imported("a", TEN, ELEVEN), too_long])

    assert calendar.get("/v1/events", tzid="Etc/UTC").json["events"] == []


def test_an_import_needs_few_statements_however_many_events_it_has(
    calendar: Calendar, backend: Backend, engine: Engine
) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    events = [imported(f"e{n}", TEN, ELEVEN) for n in range(2_000)]
    backend.events.import_events(calendar.calendar_id, events)
    backend.events.import_events(
        calendar.calendar_id, [lasting(e.ics_uid, DAY.start, DAY.end) for e in events]
    )

    assert len(statements) < 20


def test_the_time_that_an_event_left_is_kept_once(
    calendar: Calendar, backend: Backend, engine: Engine
) -> None:
    for hour in (1, 2, 1, 2, 1):
        event = lasting("a", DAY.start, DAY.start + hour * HOUR)
        backend.events.import_events(calendar.calendar_id, [event])

    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(former_times)).scalar_one() == 2


@pytest.mark.parametrize("number", range(len(LONGEST_IN_CLASS)))
def test_events_of_every_length_make_busy_while_they_last(
    calendar: Calendar, backend: Backend, number: int
) -> None:
    longest = LONGEST_IN_CLASS[number]
    assert length_class(longest) == number
    events = [
        lasting("ends inside", DAY.start + 1 - longest, DAY.start + 1),
        lasting("ends before", DAY.start - longest, DAY.start),
        lasting("begins inside", DAY.end - 1, DAY.end - 1 + longest),
        lasting("begins after", DAY.end, DAY.end + longest),
    ]
    backend.events.import_events(calendar.calendar_id, events)

    assert busy(backend, calendar) == [
        (DAY.start + 1 - longest, DAY.start + 1),
        (DAY.end - 1, DAY.end - 1 + longest),
    ]


def test_what_makes_busy_can_be_narrowed(calendar: Calendar, backend: Backend) -> None:
    hours = {
        name: (DAY.start + n * HOUR, DAY.start + (n + 1) * HOUR)
        for n, name in enumerate(["external", "managed", "tentative"])
    }
    backend.events.import_events(calendar.calendar_id, [lasting("external", *hours["external"])])
    calendar.write("managed", "2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z")
    calendar.write(
        "tentative", "2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z", extended_transparency="tentative"
    )
    calendar.write("free", "2026-11-24T03:00:00Z", "2026-11-24T04:00:00Z", transparency="transparent")
    calendar.write("deleted", "2026-11-24T04:00:00Z", "2026-11-24T05:00:00Z")
    backend.events.delete(calendar.calendar_id, event_id="deleted")
    (external,) = calendar.get("/v1/events", tzid="Etc/UTC").json["events"]

    def names(which: BusyFilter = WHATEVER_IS_OPAQUE) -> list[str]:
        times = busy(backend, calendar, which)
        return [name for name, time in hours.items() if time in times]

    assert names() == ["external", "managed", "tentative"]
    assert names(BusyFilter(only_managed=True)) == ["managed", "tentative"]
    assert names(BusyFilter(ignore_tentative=True)) == ["external", "managed"]
    assert names(BusyFilter(only_managed=True, ignore_tentative=True)) == ["managed"]
    assert names(BusyFilter(excluded=frozenset({"managed"}))) == ["external", "tentative"]
    assert names(BusyFilter(excluded=frozenset({external["event_uid"], "none"}))) == ["managed", "tentative"]


def test_managed_times_carry_their_tags(calendar: Calendar, backend: Backend) -> None:
    calendar.write("tagged", TEN, ELEVEN, tags=["Interview", "Lunch"], transparency="transparent")
    calendar.write("plain", TEN, ELEVEN)
    calendar.write("elsewhen", "2026-12-24T10:00:00Z", "2026-12-24T11:00:00Z")
    calendar.write("deleted", TEN, ELEVEN)
    backend.events.delete(calendar.calendar_id, event_id="deleted")
    backend.events.import_events(calendar.calendar_id, [imported("external", TEN, ELEVEN)])

    times = backend.events.managed_times(calendar.calendar_id, DAY)

    at = (parse_time(TEN), parse_time(ELEVEN))
    assert sorted(times, key=lambda time: len(time.tags)) == [
        (*at, frozenset()),
        (*at, frozenset({"Interview", "Lunch"})),
    ]
    assert backend.events.managed_times(calendar.calendar_id, DAY, {"tagged"}) == [(*at, frozenset())]


@pytest.mark.sqlite_only
def test_busy_times_come_from_the_index_alone(calendar: Calendar, backend: Backend, engine: Engine) -> None:
    plan: list[str] = []

    def explain(_connection: object, cursor: Any, statement: str, parameters: object, *_rest: object) -> None:
        if "FROM events" in statement:
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan.extend(step for *_numbers, step in rows if " events " in step)

    event.listen(engine, "before_cursor_execute", explain)
    backend.events.busy([calendar.calendar_id], DAY, BusyFilter(ignore_tentative=True))

    ranges = "(calendar_id=? AND length_class=? AND start_at>? AND start_at<?)"
    search = f"SEARCH events USING COVERING INDEX ix_events_time {ranges}"
    assert plan == [search] * len(LONGEST_IN_CLASS)
