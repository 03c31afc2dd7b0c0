"""The schema in the code and the one that the migrations make are the same."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData

from widgetsvc import database
from widgetsvc.calendars.store.schema import metadata as calendars
from widgetsvc.gateway.schema import metadata as gateway


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


def test_writes_are_durable(engine: Engine) -> None:
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
