"""What an availability query costs: ten people with a thousand events each over 35 days.

Against merely loading and sorting the same rows, and against Radicale, a CalDAV server, answering ten
free-busy reports over the same events (RFC 4791, section 7.10).
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.backends import BEGIN, DAY, Bench, busy_weeks, new_bench
from bench.tables import Action, in_turn, print_table, timed
from tests.processes import free_port
from widgetsvc.calendars.engine import availability as engine
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.records import ImportedEvent
from widgetsvc.calendars.times import format_time

MEMBERS, EVENTS, DAYS = 10, 1_000, 35
WINDOW = Timespan(BEGIN, BEGIN + DAYS * DAY)
ROUNDS = 30
AT_LEAST = 5
REPORTS = 3  # each takes seconds


def main() -> None:
    calendars = [busy_weeks(EVENTS, DAYS, number) for number in range(MEMBERS)]
    with new_bench() as bench:
        medians = in_turn(ROUNDS, actions(bench, calendars))
    with radicale(calendars[:REPORTS]) as client:
        one = timed(lambda: reports(client)) / REPORTS
    medians[f"Radicale, ten free-busy reports ({REPORTS} measured)"] = MEMBERS * one
    print_table(f"availability, {MEMBERS} x {EVENTS:,} events in {DAYS} days", medians)


def actions(bench: Bench, calendars: Sequence[Sequence[ImportedEvent]]) -> dict[str, Action]:
    accounts = [bench.calendar(f"member-{number}") for number in range(MEMBERS)]
    for (_sub, calendar_id, _headers), events in zip(accounts, calendars, strict=True):
        bench.backend.events.import_events(calendar_id, events)
    subs = {calendar_id: sub for sub, calendar_id, _headers in accounts}

    def bare() -> None:
        with bench.bare() as connection:
            for calendar_id in subs:
                rows = connection.execute(LOAD, (calendar_id, WINDOW.end, WINDOW.start)).fetchall()
                assert len(rows) == EVENTS
                rows.sort()

    def inner(required: int) -> None:
        busy = bench.backend.events.busy(list(subs), WINDOW)
        members = [engine.Member(subs[calendar_id], times) for calendar_id, times in busy.items()]
        groups = [engine.Group(members, required)]
        engine.periods(engine.Query(groups=groups, duration=30 * 60, windows=[WINDOW]))

    def whole(required: object) -> None:
        body = query(list(subs.values()), required)
        response = bench.http.post("/v1/availability", headers=bench.api_key, json=body)
        assert response.status_code == 200, response.text

    return {
        "loading and sorting the rows, bare sqlite3": bare,
        "store and engine, all ten free": lambda: inner(MEMBERS),
        f"store and engine, {AT_LEAST} of ten free": lambda: inner(AT_LEAST),
        "POST /v1/availability, all ten free": lambda: whole("all"),
        f"POST /v1/availability, {AT_LEAST} of ten free": lambda: whole(AT_LEAST),
    }


LOAD = (
    "SELECT start_at, end_at FROM events WHERE calendar_id = ? AND start_at < ? AND end_at > ? "
    "AND deleted = 0 AND transparency = 'opaque'"
)


def query(subs: list[str], required: object) -> dict[str, Any]:
    return {
        "participants": [{"members": [{"sub": sub} for sub in subs], "required": required}],
        "required_duration": {"minutes": 30},
        "query_periods": [{"start": format_time(WINDOW.start), "end": format_time(WINDOW.end)}],
    }


@contextmanager
def radicale(calendars: Sequence[Sequence[ImportedEvent]]) -> Iterator[httpx.Client]:
    port = free_port()
    # In memory where there is such a place: one file for each event takes minutes on a slow disk.
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        options = {
            "server-hosts": f"127.0.0.1:{port}",
            "storage-filesystem-folder": folder,
            "auth-type": "none",
            "rights-type": "authenticated",
            "logging-level": "critical",
        }
        command = [
            sys.executable,
            "-m",
            "radicale",
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        server = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", auth=("bench", ""), timeout=120, trust_env=False
            ) as client:
                wait_for(client)
                for number, events in enumerate(calendars):
                    client.put(
                        f"/bench/{number}/",
                        content=vcalendar(events),
                        headers={"Content-Type": "text/calendar"},
                    ).raise_for_status()
                yield client
        finally:
            server.terminate()
            server.wait()


def wait_for(client: httpx.Client) -> None:
    for _ in range(200):
        try:
            client.get("/.web/")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Radicale does not answer")


def vcalendar(events: Sequence[ImportedEvent]) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//widgetsvc//bench//EN"]
    for event in events:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{event.ics_uid}",
            f"DTSTAMP:{stamp(BEGIN)}",
            f"DTSTART:{stamp(event.draft.time.start)}",
            f"DTEND:{stamp(event.draft.time.end)}",
            f"SUMMARY:{event.draft.summary}",
            "END:VEVENT",
        ]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def stamp(instant: int) -> str:
    return format_time(instant).replace("-", "").replace(":", "")


def reports(client: httpx.Client) -> None:
    body = (
        '<?xml version="1.0"?><C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav">'
        f'<C:time-range start="{stamp(WINDOW.start)}" end="{stamp(WINDOW.end)}"/></C:free-busy-query>'
    )
    for number in range(REPORTS):
        response = client.request("REPORT", f"/bench/{number}/", content=body, headers={"Depth": "1"})
        assert response.text.count("FREEBUSY;") > EVENTS // 4, response.text


if __name__ == "__main__":
    main()
