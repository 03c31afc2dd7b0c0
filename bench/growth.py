"""Whether what lies outside a window costs anything: the same window in an ever larger store."""

import sqlite3
from collections.abc import Iterator

from bench.backends import BEGIN, DAY, HOUR, Bench, busy_weeks, new_bench
from bench.tables import Action, in_turn, print_table
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.store.selection import LONGEST_IN_CLASS, length_class

SIZES = (1_000, 10_000, 100_000, 1_000_000)
IN_WINDOW, DAYS = 200, 7
WINDOW = Timespan(BEGIN, BEGIN + DAYS * DAY)
ROUNDS = 50
OTHERS = 9
LENGTHS = (HOUR, HOUR, HOUR, HOUR, HOUR, HOUR, HOUR, HOUR, DAY, 7 * DAY)


def main() -> None:
    tables: dict[str, dict[str, float]] = {}
    with new_bench() as bench:
        calendars = [bench.calendar(f"store-{number}") for number in range(1 + OTHERS)]
        _sub, calendar_id, headers = calendars[0]
        bench.backend.events.import_events(calendar_id, busy_weeks(IN_WINDOW, DAYS, 0))
        stored = IN_WINDOW
        for size in SIZES:
            with bench.bare() as connection:
                fill(connection, [calendar_id for _sub, calendar_id, _headers in calendars], stored, size)
            stored = size
            for name, median in in_turn(ROUNDS, actions(bench, calendar_id, headers)).items():
                tables.setdefault(name, {})[f"{size:>9,} events in the store"] = median
    for name, medians in tables.items():
        print_table(name, medians)


def actions(bench: Bench, calendar_id: str, headers: dict[str, str]) -> dict[str, Action]:
    query = {"tzid": "Etc/UTC", "from": "2031-01-01", "to": "2031-01-08", "include_managed": "true"}

    def read() -> None:
        document = bench.http.get("/v1/events", headers=headers, query_string=query).json
        assert len(document["events"]) >= IN_WINDOW

    return {
        f"busy times of a week with {IN_WINDOW} events": lambda: bench.backend.events.busy(
            [calendar_id], WINDOW
        ),
        f"GET /v1/events of a week with {IN_WINDOW} events": read,
    }


def fill(connection: sqlite3.Connection, calendar_ids: list[str], stored: int, wanted: int) -> None:
    """Events of every length in all calendars, before and after the window in equal parts."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(INSERT, rows(calendar_ids, stored, wanted))
    connection.execute("COMMIT")


def rows(calendar_ids: list[str], stored: int, wanted: int) -> Iterator[tuple[object, ...]]:
    gap = LONGEST_IN_CLASS[0] + DAY
    for n in range(stored, wanted):
        length = LENGTHS[n % len(LENGTHS)]
        away = gap + (n // 2) % 100_000 * 1_800
        start = WINDOW.end + away if n % 2 else WINDOW.start - away - length
        calendar_id = calendar_ids[n // len(LENGTHS) % len(calendar_ids)]
        yield (f"evt_{n:024x}", calendar_id, f"bulk-{n}", start, start + length, length_class(length))


INSERT = (
    "INSERT INTO events (event_uid, calendar_id, event_id, start_at, end_at, length_class, summary, "
    "description, transparency, tentative, details, deleted, created_at, updated_at) "
    "VALUES (?, ?, ?, ?, ?, ?, 'Board meeting', '', 'opaque', 0, '{}', 0, 0, 0)"
)


if __name__ == "__main__":
    main()
