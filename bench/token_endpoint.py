"""What a token costs once it is minted, as a ratio to the cheapest request there is.

Starts a service of its own and asks it over one connection, in turn, so that both see the same machine.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.processes import RunningService

ROUNDS = 1_000
PAGE = "https://jobs.example.com"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"WIDGETSVC_RATE_LIMIT": "off"}
        with RunningService(Path(folder) / "data", environment=quiet) as service:
            print_table(measure(service))


def measure(service: RunningService) -> dict[str, list[float]]:
    created = service.run("tenant", "create", "acme", "--name", "Acme", "--origin", PAGE)
    service.run("calendar", "add", "acme", "store-42")
    form = {"key": created["publishable_key"], "element": "slot-picker", "calendar": "store-42"}
    times: dict[str, list[float]] = {"GET /healthz": [], "POST /embed/token, cached": [], "GET /embed.js": []}
    with httpx.Client(base_url=service.url, headers={"Origin": PAGE}, trust_env=False) as client:
        client.post("/embed/token", data=form).raise_for_status()
        for _ in range(ROUNDS):
            times["GET /healthz"].append(timed(lambda: client.get("/healthz")))
            times["POST /embed/token, cached"].append(timed(lambda: client.post("/embed/token", data=form)))
            times["GET /embed.js"].append(timed(lambda: client.get("/embed.js")))
    return times


def timed(request: Callable[[], httpx.Response]) -> float:
    start = time.perf_counter()
    request().raise_for_status()
    return (time.perf_counter() - start) * 1_000


def print_table(times: dict[str, list[float]]) -> None:
    baseline = statistics.median(times["GET /healthz"])
    print(f"{'':<28}{'median ms':>10}{'p99 ms':>10}{'ratio':>8}")
    for name, samples in times.items():
        median = statistics.median(samples)
        p99 = statistics.quantiles(samples, n=100)[98]
        print(f"{name:<28}{median:>10.2f}{p99:>10.2f}{median / baseline:>8.1f}")


if __name__ == "__main__":
    main()
