"""What writing an event costs beside the transaction that makes it durable."""

import itertools
import json
import sqlite3

from bench.backends import BEGIN, HOUR, Bench, draft, new_bench
from bench.tables import in_turn, print_table
from widgetsvc.calendars.records import EventDraft
from widgetsvc.calendars.times import format_time

ROUNDS = 500
BATCH = 50


def main() -> None:
    with new_bench() as bench:
        print_table("event upserts, one transaction each", measure(bench), per_second=True)


def measure(bench: Bench) -> dict[str, float]:
    _sub, calendar_id, headers = bench.calendar("store-42")
    path = f"/v1/calendars/{calendar_id}/events"
    numbers = itertools.count()

    def new(kind: str) -> EventDraft:
        start = BEGIN + next(numbers) * HOUR
        return draft(f"{kind}-{start}", start, start + HOUR)

    def body(kind: str) -> dict[str, object]:
        event = new(kind)
        times = {"start": format_time(event.time.start), "end": format_time(event.time.end)}
        texts = {"event_id": event.event_id, "summary": event.summary, "description": event.description}
        return {**texts, **times, **event.details}

    def post() -> None:
        response = bench.http.post(path, headers=headers, json=body("http"))
        assert response.status_code == 202, response.text

    def batch() -> None:
        entries = [{"method": "POST", "relative_url": path, "data": body("batch")} for _ in range(BATCH)]
        response = bench.http.post("/v1/batch", headers=headers, json={"batch": entries})
        assert {entry["status"] for entry in response.json["batch"]} == {202}

    events = bench.backend.events
    with bench.bare() as connection:
        medians = in_turn(
            ROUNDS,
            {
                "INSERT, bare sqlite3": lambda: insert(connection, calendar_id, new("bare")),
                "EventStore.upsert, a new event": lambda: events.upsert(calendar_id, new("new")),
                "EventStore.upsert, the same event moved": lambda: events.upsert(
                    calendar_id, draft("moved", BEGIN, BEGIN + HOUR + next(numbers))
                ),
                "POST /v1/calendars/{calendar_id}/events": post,
            },
        )
        batches = in_turn(ROUNDS // BATCH, {"batch": batch})
    return medians | {f"POST /v1/batch, {BATCH} events": batches["batch"] / BATCH}


def insert(connection: sqlite3.Connection, calendar_id: str, event: EventDraft) -> None:
    values = (
        f"evt_bare_{event.event_id}",
        calendar_id,
        event.event_id,
        event.summary,
        event.description,
        event.time.start,
        event.time.end,
        json.dumps(event.details),
    )
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(INSERT, values)
    connection.execute("COMMIT")


INSERT = (
    "INSERT INTO events (event_uid, calendar_id, event_id, summary, description, start_at, end_at, details, "
    "length_class, transparency, tentative, deleted, created_at, updated_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 'opaque', 0, 0, 0, 0)"
)


if __name__ == "__main__":
    main()
