"""What all tests share: a clock that stands still and a database whose schema is up to date."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.clocks import FakeClock
from tests.servers import PostgresServer, RedisServer
from widgetsvc import database

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z, a Sunday


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision, to be copied."""
    path = tmp_path_factory.mktemp("database") / "migrated.sqlite3"
    engine = database.connect(f"sqlite:///{path}")
    database.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def engine(migrated: Path, tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "test.sqlite3"
    shutil.copyfile(migrated, path)
    engine = database.connect(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests; whoever stops, kills or freezes a server starts one of their own."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests; whoever stops, kills or freezes a server starts one of their own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """A Redis that holds nothing."""
    with redis_server.connect() as client:
        client.flushall()
    return redis_server.url
