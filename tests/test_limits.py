"""Counts in sliding windows, in one process and in several."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.clocks import FakeClock
from tests.conftest import NOON
from tests.processes import free_port
from widgetsvc.limits import Allowance, Counts, Excess, Limited, LocalCounts, SharedCounts

TEN = Allowance(10, 60)
SOMEBODY = Limited("token by address", "192.0.2.1", TEN)


def use(counts: Counts, times: int = 1, limited: Limited = SOMEBODY) -> list[Excess | None]:
    return [counts.use([limited]) for _ in range(times)]


def test_an_allowance_is_used_up(clock: FakeClock) -> None:
    counts = LocalCounts(clock)

    assert use(counts, 10) == [None] * 10
    (excess,) = use(counts)
    assert excess is not None
    assert (excess.scope, excess.allowance) == ("token by address", TEN)


def test_what_came_in_the_window_before_counts_for_less_and_less(clock: FakeClock) -> None:
    counts = LocalCounts(clock)
    use(counts, 10)

    clock.advance(60)
    assert use(counts)[0] is not None
    clock.advance(30)
    assert [excess is None for excess in use(counts, 6)] == [True] * 5 + [False]


@pytest.mark.parametrize("passed", [0, 1, 17, 59, 60, 75, 119])
def test_the_time_to_wait_is_enough(clock: FakeClock, passed: int) -> None:
    counts = LocalCounts(clock)
    use(counts, 10)
    clock.advance(passed)
    use(counts, 10)

    excess = counts.excess(SOMEBODY)
    if excess is not None:
        clock.advance(excess.wait)
    assert use(counts) == [None]


def test_long_after_nothing_counts(clock: FakeClock) -> None:
    counts = LocalCounts(clock)
    use(counts, 10)
    clock.advance(120)

    assert use(counts, 10) == [None] * 10


def test_whoever_is_refused_uses_nothing_up(clock: FakeClock) -> None:
    counts = LocalCounts(clock)
    one, other = Limited("a", "x", Allowance(1, 60)), Limited("b", "x", TEN)
    counts.use([one, other])
    for _ in range(20):
        assert counts.use([other, one]) is not None

    assert use(counts, 9, other) == [None] * 9


def test_asking_uses_nothing_up(clock: FakeClock) -> None:
    counts = LocalCounts(clock)

    assert [counts.excess(SOMEBODY) for _ in range(20)] == [None] * 20


def test_a_flood_of_addresses_takes_a_bounded_amount_of_memory(clock: FakeClock) -> None:
    counts = LocalCounts(clock)
    for number in range(100_500):
        counts.use([Limited("a", str(number), TEN)])

    assert len(counts._windows) == 100_000


@contextmanager
def redis_server(port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        client = Redis(port=port)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                client.ping()
                break
            except RedisError:
                time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def test_what_processes_count_adds_up(clock: FakeClock) -> None:
    port = free_port()
    with redis_server(port):
        url = f"redis://127.0.0.1:{port}/0"
        one, other = SharedCounts.at(url, clock), SharedCounts.at(url, clock)
        use(one, 6)
        one.sync()
        use(other, 3)
        other.sync()

        assert [excess is None for excess in use(other, 2)] == [True, False]
        clock.advance(60)
        use(other)
        other.sync()
        assert use(other)[0] is not None


def test_without_redis_each_process_goes_on_alone_and_adds_up_later(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    one, other = SharedCounts.at(url, clock), SharedCounts.at(url, clock)
    use(one, 5)
    one.sync()
    one.sync()

    assert caplog.text.count("limits hold in each process alone") == 1
    assert [excess is None for excess in use(one, 6)] == [True] * 5 + [False]
    with redis_server(port):
        one.sync()
        use(other)
        other.sync()
        assert use(other)[0] is not None


def test_a_redis_that_hangs_keeps_nobody_waiting(clock: FakeClock) -> None:
    port = free_port()
    with redis_server(port) as process:
        counts = SharedCounts.at(f"redis://127.0.0.1:{port}/0", clock)
        use(counts)
        counts.sync()
        process.send_signal(signal.SIGSTOP)
        use(counts)
        counts.sync()

        assert [excess is None for excess in use(counts, 9)] == [True] * 8 + [False]


def test_processes_share_while_they_run(clock: FakeClock) -> None:
    port = free_port()
    with redis_server(port):
        url = f"redis://127.0.0.1:{port}/0"
        one, other = SharedCounts.at(url, clock), SharedCounts.at(url, clock)
        with one.syncing():
            use(one, 10)
        use(other)
        other.sync()

        assert use(other)[0] is not None
    assert clock() == NOON
