"""PostgreSQL that stands still, goes away, comes back, or is upgraded by several processes at once."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DataError, InternalError, OperationalError

from tests.processes import ROOT
from tests.servers import PostgresServer
from widgetsvc import database
from widgetsvc.calendars.store.schema import applications

APPLICATION = {"client_id": "app_1", "client_secret_hash": b"1", "name": "App", "created_at": 0}
NO_HANG = 30.0
"""Seconds within which whoever waits is told, on a throttled machine; the service waits for a few."""

UPGRADE = "import sys; from widgetsvc import database; database.upgrade(database.connect(sys.argv[1]))"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as own:
        own.create_database("test")
        yield own


@pytest.fixture
def postgres(server: PostgresServer) -> Iterator[Engine]:
    engine = database.connect(server.url_of("test"))
    yield engine
    engine.dispose()
    server.empty_database("test")


def write(engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(insert(applications).values(APPLICATION))


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(applications)).all())


def test_a_write_without_a_writers_transaction_is_refused(postgres: Engine) -> None:
    with pytest.raises(InternalError, match="read-only"), postgres.begin() as connection:
        connection.execute(insert(applications).values(APPLICATION))

    assert count(postgres) == 0


def test_what_fails_in_a_writers_transaction_is_undone_as_a_whole(postgres: Engine) -> None:
    def write_in_vain() -> None:
        with postgres.execution_options(writes=True).begin() as connection:
            connection.execute(insert(applications).values(APPLICATION))
            connection.exec_driver_sql("SELECT 1 / 0")

    with pytest.raises(DataError, match="division by zero"):
        write_in_vain()

    assert count(postgres) == 0


def test_sessions_speak_utc_whatever_the_servers_zone(postgres: Engine) -> None:
    with postgres.connect() as connection:
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"


def test_a_server_that_stands_still_is_given_up_and_found_again(
    server: PostgresServer, postgres: Engine
) -> None:
    assert count(postgres) == 0
    server.freeze()
    try:
        began = time.monotonic()
        # On the connection that there is, and then, with none, on a new one.
        for _ in range(2):
            with pytest.raises(OperationalError, match=r"(does|did) not answer"):
                write(postgres)
        waited = time.monotonic() - began
    finally:
        server.thaw()

    assert waited < NO_HANG
    deadline = time.monotonic() + 60
    while True:
        try:
            write(postgres)
        except OperationalError:
            assert time.monotonic() < deadline, "the server was not found again"
            time.sleep(0.1)
        else:
            break
    assert count(postgres) == 1


def test_a_server_may_stand_still_for_as_long_as_the_url_says(server: PostgresServer) -> None:
    patient = database.connect(server.patient_url("test"))
    assert count(patient) == 0
    server.freeze()
    thaw = threading.Timer(3, server.thaw)
    thaw.start()
    try:
        assert count(patient) == 0
    finally:
        thaw.join()
        patient.dispose()


def test_while_a_server_stands_still_only_one_waits_for_a_connection(
    server: PostgresServer, postgres: Engine
) -> None:
    count(postgres)
    server.freeze()
    try:
        with pytest.raises(OperationalError):
            count(postgres)
        began = time.monotonic()
        for _ in range(50):
            with pytest.raises(OperationalError):
                count(postgres)
        # Each would have waited for two seconds.
        assert time.monotonic() - began < 50
    finally:
        server.thaw()


def test_a_statement_that_takes_its_time_is_waited_for(postgres: Engine) -> None:
    with postgres.connect() as connection:
        assert connection.execute(text("SELECT 'slept' FROM pg_sleep(2)")).scalar_one() == "slept"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_that_nobody_noticed_costs_no_request(
    server: PostgresServer, postgres: Engine, end: str
) -> None:
    write(postgres)
    getattr(server, end)()
    server.start()

    assert count(postgres) == 1


def test_without_a_server_everybody_is_told_at_once_and_it_is_found_again(
    server: PostgresServer, postgres: Engine
) -> None:
    write(postgres)
    server.stop()
    try:
        with pytest.raises(OperationalError):
            count(postgres)
    finally:
        server.start()

    assert count(postgres) == 1


def test_whoever_waits_for_a_lock_is_told_in_time(server: PostgresServer, postgres: Engine) -> None:
    write(postgres)
    other = database.connect(server.url_of("test"))
    lock = select(applications).with_for_update()
    began = time.monotonic()
    with other.execution_options(writes=True).begin() as holder:
        holder.execute(lock)
        with (
            pytest.raises(OperationalError, match="lock timeout"),
            postgres.execution_options(writes=True).begin() as late,
        ):
            late.execute(lock)
    other.dispose()

    assert time.monotonic() - began < NO_HANG


def test_processes_that_upgrade_at_once_agree(server: PostgresServer) -> None:
    url = server.create_empty_database("fresh")
    upgrades = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, url], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    assert [process.communicate(timeout=180)[1] for process in upgrades] == [""] * 4
    assert [process.returncode for process in upgrades] == [0] * 4
    engine = database.connect(url)
    assert database.is_current(engine)
    engine.dispose()


def test_an_upgrade_that_is_cut_short_leaves_nothing_behind(server: PostgresServer) -> None:
    url = server.create_empty_database("cut")
    engine = database.connect(url)
    database.upgrade(engine, "0001")
    with server.connect("cut") as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE applications")
        process = subprocess.Popen([sys.executable, "-c", UPGRADE, url], cwd=ROOT, stderr=subprocess.DEVNULL)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        deadline = time.monotonic() + 180
        while not holder.execute(waiting).fetchone()[0]:
            assert time.monotonic() < deadline, "the upgrade never came to the table"
            time.sleep(0.05)
        process.kill()
        process.wait()
        holder.execute("ROLLBACK")

    database.upgrade(engine)

    assert database.is_current(engine)
    engine.dispose()
