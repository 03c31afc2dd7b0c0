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

from widgetsvc.dialects import ReadingSQLite

MIGRATIONS = Path(__file__).with_name("migrations")
_BUSY_TIMEOUT_MS = 5_000
_UPGRADE_LOCK = 0x77696467  # "widg"; any number that nobody else locks in this database

POOL_SIZE = 20
"""Connections kept, more than the server has threads: opening one anew costs more than most queries."""


def connect(url: str) -> Engine:
    """Return an engine for a SQLAlchemy URL; creates the folder of a SQLite file.

    What is written goes through `engine.execution_options(writes=True)`.
    """
    parsed = make_url(url)
    # Without parameters: they are people's appointments, and errors end up in logs.
    options: dict[str, Any] = {"pool_size": POOL_SIZE, "max_overflow": 0, "hide_parameters": True}
    if parsed.get_backend_name() == "postgresql":
        from widgetsvc import postgresql  # noqa: PLC0415 - its driver takes time to load

        return postgresql.connect(parsed, **options)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    engine.dialect = ReadingSQLite.like(engine.dialect)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction control would begin late and break SERIALIZABLE; the dialect does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to a revision, in one transaction.

    Of several processes that do so at once, one does and the others wait for it.
    """
    config = _config()
    writer = engine.execution_options(writes=True)
    with writer.connect() as connection, _unenforced_foreign_keys(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            # A revision may take longer than requests may, and so may waiting for another process's.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
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
