"""A backend in a folder of its own, applications that talk to it in process, and events in bulk."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine

from widgetsvc import database
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.records import EventDraft, EventTime, ImportedEvent, Transparency

MINUTE, HOUR, DAY = 60, 3_600, 86_400
BEGIN = 1_924_992_000  # 2031-01-01T00:00:00Z
SEED = 42


class Bench:
    """A fresh database, its backend, and the backend's application over Flask's test client."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bench.sqlite3"
        self.engine: Engine = database.connect(f"sqlite:///{self.path}")
        database.upgrade(self.engine)
        self.backend = Backend.over(self.engine, b"a secret of the benchmarks, 32 bytes", "http://127.0.0.1")
        self.http = create_backend_app(self.backend).test_client()
        self._credentials = self.backend.accounts.create_application("bench")
        self.api_key = {"Authorization": f"Bearer {self._credentials.client_secret}"}

    def calendar(self, name: str) -> tuple[str, str, dict[str, str]]:
        """The sub, the calendar's id and the headers of a new application calendar."""
        fields = {
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
            "application_calendar_id": name,
        }
        created = self.http.post("/v1/application_calendars", json=fields).json
        headers = {"Authorization": f"Bearer {created['access_token']}"}
        calendars = self.http.get("/v1/calendars", headers=headers).json["calendars"]
        return created["sub"], calendars[0]["calendar_id"], headers

    @contextmanager
    def bare(self) -> Iterator[sqlite3.Connection]:
        """The same file through sqlite3 alone, as durable as the service has it."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection


@contextmanager
def new_bench() -> Iterator[Bench]:
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        yield bench
        bench.engine.dispose()


def busy_weeks(count: int, days: int, number: int) -> list[ImportedEvent]:
    """Events of 15 to 90 minutes at random over some days from `BEGIN`, the same ones for every `number`."""
    chance = random.Random(SEED + number)
    events = []
    for n in range(count):
        start = BEGIN + chance.randrange(days * DAY // (5 * MINUTE)) * 5 * MINUTE
        end = start + chance.randrange(15, 95, 5) * MINUTE
        events.append(ImportedEvent(f"{number}-{n}", draft(None, start, end)))
    return events


def draft(event_id: str | None, start: int, end: int) -> EventDraft:
    details: dict[str, Any] = {"location": {"description": "Board room"}}
    return EventDraft(
        event_id=event_id,
        summary="Board meeting",
        description="Discuss plans for the next quarter.",
        time=EventTime(start, end),
        tzid=None,
        transparency=Transparency.OPAQUE,
        tentative=False,
        details=details,
    )
