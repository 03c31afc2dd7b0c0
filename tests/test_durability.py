"""What the service has acknowledged is there after it was killed."""

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.processes import RunningService

ROUNDS = 3
WRITERS = 4


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    settings = {"WIDGETSVC_ELEMENTS_DIR": str(tmp_path / "no-bundle"), "WIDGETSVC_RATE_LIMIT": "off"}
    with RunningService(tmp_path / "data", environment=settings) as running:
        yield running


class Writers:
    """Threads that write events, each under an id of its own, until the service is gone."""

    def __init__(self, service: RunningService, headers: dict[str, str], path: str, prefix: str) -> None:
        self.acknowledged: set[str] = set()
        self.first = threading.Event()
        self._client = httpx.Client(base_url=service.url, headers=headers, trust_env=False)
        self._path = path
        self._threads = [
            threading.Thread(target=self._write, args=(f"{prefix}-{number}",)) for number in range(WRITERS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _write(self, prefix: str) -> None:
        event = {"summary": "x" * 500, "start": "2031-06-25T09:00:00Z", "end": "2031-06-25T10:00:00Z"}
        for number in range(1_000_000):
            event_id = f"{prefix}-{number}"
            try:
                response = self._client.post(self._path, json=event | {"event_id": event_id})
            except httpx.TransportError:
                return
            if response.status_code != 202:
                return
            self.acknowledged.add(event_id)
            self.first.set()


def stored(service: RunningService, headers: dict[str, str]) -> set[str]:
    found: set[str] = set()
    url: str | None = f"{service.url}/v1/events?tzid=Etc/UTC&only_managed=true"
    while url is not None:
        document = httpx.get(url, headers=headers, trust_env=False).raise_for_status().json()
        found |= {event["event_id"] for event in document["events"]}
        url = document["pages"].get("next_page")
    return found


def test_every_event_that_was_acknowledged_outlives_a_kill(service: RunningService) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)
    fields = service.run("app", "create", "Durability") | {"application_calendar_id": "store-42"}
    created = httpx.post(f"{service.url}/v1/application_calendars", json=fields, trust_env=False).json()
    headers = {"Authorization": f"Bearer {created['access_token']}"}
    calendars = httpx.get(f"{service.url}/v1/calendars", headers=headers, trust_env=False).json()
    path = f"/v1/calendars/{calendars['calendars'][0]['calendar_id']}/events"
    acknowledged: set[str] = set()

    for number in range(ROUNDS):
        with Writers(service, headers, path, f"round-{number}") as writers:
            assert writers.first.wait(10)
            time.sleep(chance.uniform(0, 0.5))
            os.killpg(service.pid, signal.SIGKILL)
        service.kill()
        acknowledged |= writers.acknowledged
        service.start()

        found = stored(service, headers)
        assert acknowledged - found == set(), f"seed {seed}"
        # Each writer has one request under way when the service dies, and nothing tells what became of it.
        assert len(found - acknowledged) <= WRITERS * (number + 1)
        with closing(sqlite3.connect(service.data_dir / "widgetsvc.sqlite3")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
