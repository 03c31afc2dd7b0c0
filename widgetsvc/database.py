"""The database: how to connect, and how its schema is brought up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

MIGRATIONS = Path(__file__).with_name("migrations")
_BUSY_TIMEOUT_MS = 5_000

POOL_SIZE = 20
"""Connections kept, more than the server has threads: opening one anew costs more than most queries."""


def connect(url: str) -> Engine:
    """Return an engine for a SQLAlchemy URL; creates the folder of a SQLite file."""
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    # Without parameters: they are people's appointments, and errors end up in logs.
    engine = create_engine(
        parsed, pool_size=POOL_SIZE, max_overflow=0, pool_pre_ping=not is_sqlite, hide_parameters=True
    )
    if is_sqlite:
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction control would begin late and break SERIALIZABLE; `_begin_sqlite` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and then writes would fail with SQLITE_BUSY under a concurrent writer
    # instead of waiting, hence IMMEDIATE for those that say they write.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to a revision, in one transaction."""
    config = _config()
    writer = engine.execution_options(writes=True)
    with writer.connect() as connection, _unenforced_foreign_keys(connection), connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@contextmanager
def _unenforced_foreign_keys(connection: Connection) -> Iterator[None]:
    """Let SQLite's tables be made anew: dropping the old one would delete all that refers to its rows.

    Source: SQLite documentation, ALTER TABLE, section 7. The pragma does nothing inside a transaction.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
        broken = driver.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"the upgrade left rows that refer to nothing: {broken[:5]}")
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


def is_current(engine: Engine) -> bool:
    """Whether the schema is at the newest revision."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head
