"""What all tests share: a clock that stands still and a database whose schema is up to date."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.clocks import FakeClock
from tests.servers import PostgresServer, RedisServer
from widgetsvc import database

DATABASES = ("sqlite", "postgresql")
NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z, a Sunday


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "on_every_database: run on each kind of database that we support")
    config.addinivalue_line("markers", "sqlite_only: in a module `on_every_database`, about SQLite itself")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    if "engine" in metafunc.fixturenames and "on_every_database" in marks and "sqlite_only" not in marks:
        metafunc.parametrize("engine", DATABASES, indirect=True)


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
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database at the newest revision, empty; tests `on_every_database` get one of each kind."""
    kind = getattr(request, "param", "sqlite")
    engine = database.connect(request.getfixturevalue(f"{kind}_url"))
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_url(migrated: Path, tmp_path: Path) -> str:
    path = tmp_path / "test.sqlite3"
    shutil.copyfile(migrated, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgres_server: PostgresServer, postgres_database: str) -> Iterator[str]:
    yield postgres_server.patient_url(postgres_database)
    # Far faster than a new one for each test.
    postgres_server.empty_database(postgres_database)


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> str:
    postgres_server.create_database("test")
    return "test"


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
    return redis_server.patient_url()
