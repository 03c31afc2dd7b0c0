"""A Redis that is killed, frozen, emptied, full or read-only while the service runs: it goes on without."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.processes import free_port
from tests.servers import RedisServer
from tests.shared.conftest import ORIGIN, Mints, Process, eventually
from widgetsvc.gateway.audit import Action, Change
from widgetsvc.gateway.token_cache import TokenKey
from widgetsvc.permissions import Permission
from widgetsvc.shared.connection import SharedCacheDown

SUSPENDED = Change(1, 0, 7, "acme", "operator", Action.TENANT_SUSPENDED)


def key(number: int) -> TokenKey:
    return TokenKey("7", (f"apc_{number}",), (Permission.AGENDA,), ORIGIN)


@contextmanager
def killed(server: RedisServer) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    server.freeze()
    yield
    server.thaw()


@contextmanager
def full(server: RedisServer) -> Iterator[None]:
    with server.connect() as client:
        client.config_set("maxmemory", "1")
        yield
        client.config_set("maxmemory", "0")


@contextmanager
def read_only(server: RedisServer) -> Iterator[None]:
    with server.connect() as client:
        client.replicaof("127.0.0.1", str(free_port()))
        yield
        client.replicaof("NO", "ONE")


@contextmanager
def renamed(server: RedisServer) -> Iterator[None]:
    """It wants a password that nobody has told the service."""
    with server.connect() as client:
        client.config_set("requirepass", "changed")
        client.client_kill_filter(_type="normal", skipme=True)
        yield
        client.config_set("requirepass", "")


TROUBLES = [killed, frozen, full, read_only, renamed]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_service_goes_on_without_redis_and_finds_back(server: RedisServer, mints: Mints, trouble) -> None:
    one, two = Process(server.patient_url(2)), Process(server.patient_url(2))
    one.cache.get(key(0), mints)
    assert one.shared.state() == "ok"

    with trouble(server):
        cold = [one.cache.get(key(number), mints).token for number in range(1, 20)]
        assert cold == [f"token-{number + 1}" for number in range(1, 20)]
        assert one.cache.get(key(0), mints).hit
        assert one.shared.state() == "down"
        one.tokens.narrow([SUSPENDED])
        one.shared.changes.publish([SUSPENDED])

    fresh = iter(range(100, 100_000))

    def found_by_the_other() -> bool:
        wanted = key(next(fresh))
        return one.cache.get(wanted, mints).token == two.cache.get(wanted, mints).token

    eventually(found_by_the_other)
    assert one.shared.state() == two.shared.state() == "ok"


def test_full_redis_still_tells_what_it_holds(server: RedisServer, mints: Mints) -> None:
    Process(server.patient_url(2)).cache.get(key(0), mints)

    with full(server):
        late = Process(server.patient_url(2))
        late.cache.get(key(1), mints)
        assert late.cache.get(key(0), mints).token == "token-1"


def test_frozen_redis_is_asked_by_one_caller_at_a_time(server: RedisServer) -> None:
    connection = Process(server.patient_url(2)).shared.connection
    asked = 0

    def ping() -> None:
        nonlocal asked
        with connection.asked() as redis:
            asked += 1
            redis.ping()

    ping()
    with frozen(server):
        for _ in range(50):
            with pytest.raises(SharedCacheDown):
                ping()

    assert 2 <= asked <= 5


def test_emptied_redis_is_filled_again(server: RedisServer, mints: Mints) -> None:
    one, two = Process(server.patient_url(2)), Process(server.patient_url(2))
    one.cache.get(key(0), mints)
    with server.connect() as client:
        client.flushall()
        client.script_flush()

    assert one.cache.get(key(0), mints).token == "token-1"
    assert two.cache.get(key(0), mints).token == "token-2"
    assert Process(server.patient_url(2)).cache.get(key(0), mints).token == "token-2"


def test_redis_that_is_not_there_yet_is_found_later(server: RedisServer, mints: Mints) -> None:
    server.stop()
    process = Process(server.patient_url(2))
    assert process.cache.get(key(0), mints).token == "token-1"

    server.start()

    def kept() -> bool:
        process.cache.get(key(mints.asked), mints)
        with server.connect() as client:
            return bool(client.keys("widgetsvc:token:*"))

    eventually(kept)
