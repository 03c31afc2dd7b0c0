"""Tokens that are cached are served on while PostgreSQL is away."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.processes import RunningService
from tests.servers import PostgresServer

PAGE = "https://jobs.example.com"
SOON = 60.0


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_a_restart_of_postgresql_costs_no_cached_token(tmp_path: Path) -> None:
    with PostgresServer(durable=True) as postgres:
        postgres.create_database("test")
        url = postgres.patient_url("test")
        environment = {"WIDGETSVC_DATABASE_URL": url, "WIDGETSVC_RATE_LIMIT": "off"}
        with RunningService(tmp_path / "data", environment=environment, apart=True) as service:
            created = service.run("tenant", "create", "acme", "--name", "Acme", "--origin", PAGE)
            service.run("calendar", "add", "acme", "store-42")
            form = {"key": created["publishable_key"], "element": "agenda", "calendar": "store-42"}
            http = httpx.Client(base_url=service.url, headers={"Origin": PAGE}, trust_env=False, timeout=SOON)

            def ask() -> int:
                return http.post("/embed/token", data=form).status_code

            with http:
                assert ask() == 200
                postgres.stop(signal.SIGQUIT)  # "immediate"
                assert eventually(lambda: http.get("/readyz").status_code == 503)
                away = Counter(ask() for _ in range(300))
                postgres.start()
                back = Counter(ask() for _ in range(300))

                assert away == back == {200: 300}
                assert eventually(lambda: http.get("/readyz").status_code == 200)
                service.run("tenant", "suspend", "acme")
                assert eventually(lambda: ask() == 403)
