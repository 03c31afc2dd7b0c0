"""The schema in the code and the one that the migrations make are the same."""

import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData

from widgetsvc import database
from widgetsvc.calendars.store.schema import metadata as calendars
from widgetsvc.gateway.schema import metadata as gateway

pytestmark = pytest.mark.on_every_database

WRITTEN_BY_THE_FIRST_REVISION = (
    "INSERT INTO applications VALUES (1, 'app_1', x'01', 'App', 0)",
    "INSERT INTO accounts VALUES ('apc_1', 1, 'store-42', 'pro_1', 'cal_1', 'nonce', x'02', 0)",
    "INSERT INTO access_tokens VALUES (x'03', 'apc_1', 'nonce', 3600)",
    *(
        f"INSERT INTO events VALUES ('evt_{name}', 'cal_1', '{name}', '{name}', '', 0, {end}, "
        "NULL, NULL, NULL, 'opaque', 0, '{}', 0, 0, 0)"
        for name, end in (("short", 3_600), ("long", 604_800))
    ),
)


def test_the_migrations_make_what_the_code_expects(engine: Engine) -> None:
    expected = MetaData()
    for table in (*calendars.tables.values(), *gateway.tables.values()):
        table.to_metadata(expected)

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), expected)

    assert differences == []


def test_an_upgrade_of_what_is_current_changes_nothing(engine: Engine) -> None:
    database.upgrade(engine)

    assert database.is_current(engine)


@pytest.mark.sqlite_only
def test_writes_are_durable(engine: Engine) -> None:
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.sqlite_only
def test_whoever_writes_has_the_database_to_themselves_from_the_start(engine: Engine, writes: bool) -> None:
    other = sqlite3.connect(str(engine.url.database), timeout=0, isolation_level=None)
    begun = engine.execution_options(writes=writes)

    with closing(other), begun.begin() as connection:
        assert connection.connection.driver_connection.in_transaction
        refused = pytest.raises(sqlite3.OperationalError, match="locked") if writes else nullcontext()
        with refused:
            other.execute("BEGIN IMMEDIATE")


def test_an_upgrade_keeps_what_was_written_before(tmp_path: Path) -> None:
    engine = database.connect(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    database.upgrade(engine, "0001")
    with engine.execution_options(writes=True).begin() as connection:
        for statement in WRITTEN_BY_THE_FIRST_REVISION:
            connection.exec_driver_sql(statement)

    database.upgrade(engine)

    with engine.connect() as connection:
        kept = connection.exec_driver_sql(
            "SELECT a.kind, a.application_calendar_id, e.summary, e.length_class FROM accounts a "
            "JOIN access_tokens t ON t.sub = a.sub JOIN events e ON e.calendar_id = a.calendar_id ORDER BY 3"
        ).all()
        enforced = connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one()
    assert kept == [
        ("application_calendar", "store-42", "long", 2),
        ("application_calendar", "store-42", "short", 0),
    ]
    assert enforced == 1
