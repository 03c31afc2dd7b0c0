"""What processes have acknowledged is there, whoever was killed meanwhile, and no time is given twice."""

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.conftest import DATABASES
from tests.processes import RunningService
from tests.servers import PostgresServer

ROUNDS = 3
WRITERS = 4
VISITORS = 8
NO_HANG = 60.0
"""Seconds, on a throttled machine."""
DAY = "2031-06-25T{}:00Z"
SLOTS = ("10:00", "10:30", "11:00", "11:30")


def settings(folder: Path, **more: str) -> dict[str, str]:
    without_bundle = {"WIDGETSVC_ELEMENTS_DIR": str(folder / "no-bundle")}
    return {
        **without_bundle,
        "WIDGETSVC_RATE_LIMIT": "off",
        "WIDGETSVC_API_RATE_LIMITS": "10000/second",
        **more,
    }


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        server.create_database("test")
        yield server


@pytest.fixture(params=DATABASES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningService]:
    """Two processes over a database of each kind."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        environment = settings(tmp_path, WIDGETSVC_DATABASE_URL=server.patient_url("test"))
    else:
        environment = settings(tmp_path)
    with RunningService(tmp_path / "data", environment=environment, workers=2, apart=True) as running:
        yield running


class Writers:
    """Threads that write events, each under an id of its own, until the service is gone."""

    def __init__(self, service: RunningService, headers: dict[str, str], path: str, prefix: str) -> None:
        self.acknowledged: set[str] = set()
        self.first = threading.Event()
        self._client = httpx.Client(base_url=service.url, headers=headers, trust_env=False, timeout=NO_HANG)
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
        document = httpx.get(url, headers=headers, trust_env=False, timeout=NO_HANG).raise_for_status().json()
        found |= {event["event_id"] for event in document["events"]}
        url = document["pages"].get("next_page")
    return found


class Application:
    """An application with one calendar, as its server uses the service."""

    def __init__(self, service: RunningService) -> None:
        self.credentials = service.run("app", "create", "Durability")
        fields = self.credentials | {"application_calendar_id": "store-42"}
        created = post(service, "/v1/application_calendars", fields).json()
        self.sub = created["sub"]
        self.headers = {"Authorization": f"Bearer {created['access_token']}"}
        listed = httpx.get(
            f"{service.url}/v1/calendars", headers=self.headers, trust_env=False, timeout=NO_HANG
        ).json()
        self.calendar_id = listed["calendars"][0]["calendar_id"]
        self.path = f"/v1/calendars/{self.calendar_id}/events"

    def link(self, service: RunningService, event_id: str) -> str:
        """The page of a scheduling link for one half hour of SLOTS."""
        body = {
            "oauth": {"redirect_uri": "https://jobs.example.com/back"},
            "event": {"event_id": event_id, "summary": "Interview"},
            "availability": {
                "participants": [{"members": [{"sub": self.sub}], "required": "all"}],
                "required_duration": {"minutes": 30},
                "query_periods": [{"start": DAY.format("10:00"), "end": DAY.format("12:00")}],
            },
            "target_calendars": [{"sub": self.sub, "calendar_id": self.calendar_id}],
        }
        api_key = {"Authorization": f"Bearer {self.credentials['client_secret']}"}
        answer = post(service, "/v1/real_time_scheduling", body, api_key)
        return str(answer.json()["real_time_scheduling"]["url"])


def post(
    service: RunningService, path: str, body: object, headers: dict[str, str] | None = None
) -> httpx.Response:
    answer = httpx.post(f"{service.url}{path}", json=body, headers=headers, trust_env=False, timeout=NO_HANG)
    return answer.raise_for_status()


def test_every_event_that_was_acknowledged_outlives_a_kill(service: RunningService) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)
    application = Application(service)
    acknowledged: set[str] = set()

    for number in range(ROUNDS):
        with Writers(service, application.headers, application.path, f"round-{number}") as writers:
            assert writers.first.wait(NO_HANG)
            time.sleep(chance.uniform(0, 0.5))
            os.killpg(service.pid, signal.SIGKILL)
        service.kill()
        acknowledged |= writers.acknowledged
        service.start()

        found = stored(service, application.headers)
        assert acknowledged - found == set(), f"seed {seed}"
        # Each writer has one request under way when the service dies, and nothing tells what became of it.
        assert len(found - acknowledged) <= WRITERS * (number + 1)
        if (file := service.data_dir / "widgetsvc.sqlite3").exists():
            with closing(sqlite3.connect(file)) as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_of_many_who_want_one_time_one_gets_it_whichever_process_they_ask(service: RunningService) -> None:
    application = Application(service)
    wanted = [(application.link(service, f"{slot}-{n}"), slot) for slot in SLOTS for n in range(VISITORS)]
    random.Random(1).shuffle(wanted)

    def visit(page_and_slot: tuple[str, str]) -> tuple[str, int]:
        page, slot = page_and_slot
        # On a busy machine a lock may not be had in time; then nothing is booked, and the visitor asks again.
        for _ in range(10):
            status = client.post(page, data={"start": DAY.format(slot)}).status_code
            if status != HTTPStatus.SERVICE_UNAVAILABLE:
                break
        return slot, status

    # Each request on a connection of its own: connections are what the kernel shares out among processes.
    unconnected = httpx.Limits(max_keepalive_connections=0)
    visitors = httpx.Client(
        headers={"Origin": service.url}, limits=unconnected, trust_env=False, timeout=NO_HANG
    )
    with visitors as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(visit, wanted))

    expected = {(slot, status): n for slot in SLOTS for status, n in ((303, 1), (409, VISITORS - 1))}
    assert Counter(answers) == expected
    # Each event's id begins with the time that its link's visitor asked for.
    assert sorted(name.partition("-")[0] for name in stored(service, application.headers)) == list(SLOTS)


def test_while_postgresql_is_away_writes_are_503_and_afterwards_all_is_well(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    environment = settings(tmp_path, WIDGETSVC_DATABASE_URL=postgres.patient_url("test"))
    with RunningService(tmp_path / "data", environment=environment, workers=2, apart=True) as service:
        application = Application(service)

        def write(number: int) -> tuple[str, int, str | None]:
            event_id = f"event-{number}"
            event = {
                "event_id": event_id,
                "summary": "x",
                "start": DAY.format("09:00"),
                "end": DAY.format("09:30"),
            }
            answer = client.post(application.path, json=event)
            return event_id, answer.status_code, answer.headers.get("Retry-After")

        writers = httpx.Client(
            base_url=service.url, headers=application.headers, trust_env=False, timeout=NO_HANG
        )
        with writers as client, ThreadPoolExecutor(8) as pool:
            before = list(pool.map(write, range(50)))
            under_way = [pool.submit(write, number) for number in range(100, 200)]
            postgres.stop(signal.SIGQUIT)  # "immediate"
            away = list(pool.map(write, range(200, 250)))
            postgres.start()
            meanwhile = [future.result() for future in under_way]
            after = list(pool.map(write, range(300, 350)))

        assert {status for _, status, _ in before} == {202}
        assert {(status, retry) for _, status, retry in away} == {(503, "5")}
        assert {status for _, status, _ in meanwhile} <= {202, 503}
        assert {status for _, status, _ in after} == {202}
        acknowledged = {event_id for event_id, status, _ in before + meanwhile + after if status == 202}
        found = stored(service, application.headers)
        refused = {event_id for event_id, status, _ in away if status == 503}
        assert acknowledged <= found
        assert not found & refused
