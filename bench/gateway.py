"""What a token costs: served from the cache, beside the cheapest answers there are.

Prints one table, all of it measured in one run on this machine: requests per second and the time that half
and 99 of 100 took, for one worker of the service and the same load from wrk.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.load import Load, post
from tests.processes import ROOT, RunningService, free_port, wait_until_listening

PAGE = "https://jobs.example.com"
ANY_PAGE = "https://*.example.org"
UPSTREAM_MS = 50
KEYS, REQUESTS = 100, 10_000
ROUNDS = 3

BARE = "(a) a bare Flask view, the same server"
HOT = "(b) POST /embed/token, cached"
COLD = f"(c) POST /embed/token, not cached, upstream {UPSTREAM_MS} ms"
GUNICORN = "(d) the bare Flask view, gunicorn with threads"
TWO_WORKERS = "(b) with two workers"


@dataclass(frozen=True)
class Tenant:
    """A service with a tenant, and the form that its pages post."""

    service: RunningService
    form: str

    @property
    def url(self) -> str:
        return f"{self.service.url}/embed/token"


def main() -> None:
    with ExitStack() as stack:
        upstream = stack.enter_context(process("bench.upstream", UPSTREAM_MS))
        bare = stack.enter_context(process("bench.bare"))
        gunicorn = stack.enter_context(gunicorn_with_threads())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        one = stack.enter_context(tenant(folder / "one", upstream))
        loads = in_turn(
            {
                BARE: (f"http://127.0.0.1:{bare}/embed/token", one.form, PAGE),
                HOT: (one.url, one.form, PAGE),
                GUNICORN: (f"http://127.0.0.1:{gunicorn}/embed/token", one.form, PAGE),
                COLD: (one.url, one.form, ANY_PAGE),
            }
        )
        minted = mints_for_many_keys(one, upstream)
        two = stack.enter_context(tenant(folder / "two", upstream, workers=2))
        loads[TWO_WORKERS] = in_turn({TWO_WORKERS: (two.url, two.form, PAGE)})[TWO_WORKERS]
    print_table(loads)
    print(f"\n{REQUESTS:,} requests for {KEYS} keys, 16 at a time: {minted} mints")


def in_turn(targets: Mapping[str, tuple[str, str, str]]) -> dict[str, Load]:
    """The best round of each; they take turns, so that all see the same machine."""
    for target in targets.values():
        post(*target, seconds=1)
    rounds = [{name: post(*target) for name, target in targets.items()} for _ in range(ROUNDS)]
    return {name: max((each[name] for each in rounds), key=lambda load: load.per_second) for name in targets}


def print_table(loads: Mapping[str, Load]) -> None:
    baseline = loads[BARE].per_second
    print(f"{'':<56}{'per s':>9}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>7}{'failed':>8}")
    for name, load in loads.items():
        ratio = load.per_second / baseline
        print(
            f"{name:<56}{load.per_second:>9,.0f}{load.p50:>9.2f}{load.p99:>9.2f}{ratio:>7.2f}{load.failed:>8}"
        )
    hot = loads[HOT].per_second
    print(f"\n(b) is {hot / loads[GUNICORN].per_second:.1f} times (d)", end="; ")
    print(f"two workers serve {loads[TWO_WORKERS].per_second / hot:.2f} times as many as one")


def mints_for_many_keys(tenant: Tenant, upstream: int) -> int:
    """Ask for the tokens of many origins in a mixed order, and return how many were minted for it."""
    mints = f"http://127.0.0.1:{upstream}/mints"
    local = threading.local()

    def ask(number: int) -> None:
        if not hasattr(local, "http"):
            local.http = httpx.Client(trust_env=False)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = {"Origin": f"https://key-{number * 7 % KEYS}.example.org", **form}
        local.http.post(tenant.url, content=tenant.form, headers=headers).raise_for_status()

    before = httpx.get(mints).json()["mints"]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(ask, range(REQUESTS)))
    return int(httpx.get(mints).json()["mints"]) - before


@contextmanager
def process(module: str, *args: object) -> Iterator[int]:
    """Run a module with a free port as its first argument, and yield the port."""
    port = free_port()
    with ended([sys.executable, "-m", module, str(port), *map(str, args)], port):
        yield port


@contextmanager
def gunicorn_with_threads() -> Iterator[int]:
    port = free_port()
    gunicorn = [sys.executable, "-m", "gunicorn", "--workers=1", "--threads=16", "--log-level=error"]
    with ended([*gunicorn, f"--bind=127.0.0.1:{port}", "bench.bare:app"], port):
        yield port


@contextmanager
def ended(command: list[str], port: int) -> Iterator[None]:
    """Run a command that listens on a port, and end it."""
    with subprocess.Popen(command, cwd=ROOT) as running:
        try:
            wait_until_listening(running, port)
            yield
        finally:
            running.terminate()


@contextmanager
def tenant(folder: Path, upstream: int, *, workers: int = 1) -> Iterator[Tenant]:
    environment = {
        "WIDGETSVC_RATE_LIMIT": "off",
        "WIDGETSVC_LOG_FORMAT": "json",
        "WIDGETSVC_CRONOFY_CLIENT_ID": "bench",
        "WIDGETSVC_CRONOFY_CLIENT_SECRET": "a-secret-of-the-bench-that-is-long-enough",
        "WIDGETSVC_CRONOFY_API_URL": f"http://127.0.0.1:{upstream}",
        "WIDGETSVC_CRONOFY_RATE_LIMITS": "1000000/second",
    }
    with RunningService(folder, environment=environment, workers=workers) as service:
        created = service.run(
            "tenant", "create", "acme", "--name", "A", "--origin", PAGE, "--origin", ANY_PAGE
        )
        service.run("calendar", "add", "acme", "store-42")
        yield Tenant(service, f"key={created['publishable_key']}&element=slot-picker&calendar=store-42")


if __name__ == "__main__":
    main()
