"""Token caches as in several processes, over one Redis."""

from collections.abc import Callable, Iterator
from threading import Event, Lock
from time import monotonic, sleep

import pytest

from tests.clocks import FakeClock
from tests.servers import RedisServer
from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.gateway.token_cache import TokenCache
from widgetsvc.shared.cache import SharedCache
from widgetsvc.shared.connection import Connection

KEY_BYTES = bytes(range(32))
ISSUER = "issuer"
LIFE = 1_000
PATIENCE = 60  # seconds after which a test that hangs fails
ORIGIN = "https://jobs.example.com"


class Mints:
    """Mints `token-1`, `token-2`, … for all processes; each mint waits while `go_on` is not set."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: BaseException | None = None
        self.begun = Event()
        self.go_on = Event()
        self.go_on.set()
        self._lock = Lock()

    def __call__(self) -> ElementToken:
        with self._lock:
            self.asked += 1
            number = self.asked
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return ElementToken(token=f"token-{number}", permissions=frozenset(), origin=ORIGIN, expires_in=LIFE)


_opened: list[Connection] = []


def connect(url: str, clock: Clock = monotonic_clock) -> Connection:
    """A connection that is closed when the test ends."""
    connection = Connection(url, clock=clock)
    _opened.append(connection)
    return connection


class Process:
    """What a process has of its own; its background runs when it is told to."""

    def __init__(self, url: str, *, issuer: str = ISSUER, key: bytes = KEY_BYTES, mint_seconds: float = 5):
        self.clock = FakeClock(5_000.0)
        self.jobs: list[Callable[[], None]] = []
        self.shared = SharedCache(url, key=key, issuer=issuer, mint_seconds=mint_seconds)
        self.tokens = self.shared.tokens(self.submit, self.clock)
        _opened.append(self.shared.connection)
        self.cache = TokenCache(self.tokens, clock=self.clock, jitter=lambda: 0.5, run=self.submit)

    def submit(self, job: Callable[[], None]) -> bool:
        self.jobs.append(job)
        return True

    def run_jobs(self) -> None:
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


def eventually(condition: Callable[[], object]) -> None:
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline
        sleep(0.005)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Connections end with their test: what one leaves open would be held against another."""
    yield
    while _opened:
        _opened.pop().close()


@pytest.fixture
def mints() -> Mints:
    return Mints()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed and frozen."""
    with RedisServer() as server:
        yield server
