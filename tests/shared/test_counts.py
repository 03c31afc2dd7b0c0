"""Limits of several processes that share a Redis, and of one that has lost it."""

from collections.abc import Callable

import pytest

from tests.clocks import FakeClock
from tests.servers import RedisServer
from tests.shared.conftest import connect
from widgetsvc.limits import Allowance, Counts, Limited
from widgetsvc.shared.counts import SharedCounts

SOMEBODY = Limited("token by address", "192.0.2.1", Allowance(10, 60))

Process = Callable[[str], SharedCounts]


@pytest.fixture
def process(clock: FakeClock, uptime: FakeClock) -> Process:
    """Counts as another process has them."""
    return lambda url: SharedCounts(connect(url, uptime), clock)


@pytest.fixture
def uptime() -> FakeClock:
    return FakeClock(1_000.0)


def allowed(counts: Counts, times: int) -> int:
    return sum(counts.use([SOMEBODY]) is None for _ in range(times))


def test_what_processes_count_adds_up(process: Process, redis_url: str, clock: FakeClock) -> None:
    one, other = process(redis_url), process(redis_url)
    allowed(one, 6)
    one.sync()
    allowed(other, 3)
    other.sync()

    assert allowed(other, 2) == 1


def test_what_others_counted_in_the_window_before_counts_too(
    process: Process, redis_url: str, clock: FakeClock
) -> None:
    one, other = process(redis_url), process(redis_url)
    allowed(one, 10)
    one.sync()
    clock.advance(60)
    assert allowed(other, 1) == 1
    other.sync()

    assert allowed(other, 1) == 0


def test_processes_share_while_they_run(process: Process, redis_url: str) -> None:
    one, other = process(redis_url), process(redis_url)
    with one.syncing():
        allowed(one, 10)
    allowed(other, 1)
    other.sync()

    assert allowed(other, 1) == 0


def test_counts_do_not_stay_in_redis(process: Process, redis_server: RedisServer, redis_url: str) -> None:
    counts = process(redis_url)
    allowed(counts, 1)
    counts.sync()

    with redis_server.connect() as client:
        (key,) = client.keys("widgetsvc:limit:*")
        assert 60 < client.ttl(key) <= 120


def test_without_redis_each_goes_on_alone_and_adds_up_later(process: Process, uptime: FakeClock) -> None:
    with RedisServer() as server:
        one, other = process(server.url), process(server.url)
        server.kill()
        allowed(one, 5)
        one.sync()
        assert allowed(one, 6) == 5

        server.start()
        uptime.advance(60)
        one.sync()
        allowed(other, 1)
        other.sync()
        assert allowed(other, 1) == 0


def test_a_redis_that_hangs_keeps_no_request_waiting(process: Process) -> None:
    with RedisServer() as server:
        counts = process(server.url)
        allowed(counts, 1)
        server.freeze()
        counts.sync()

        assert allowed(counts, 20) == 9
        server.thaw()
