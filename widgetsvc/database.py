"""The database: how to connect, and how its schema is brought up to date."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, make_url

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
        engine.dialect = _Reading.like(engine.dialect)
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


class _Reading(SQLiteDialect_pysqlite):
    """SQLite's dialect, which begins transactions by itself.

    A listener to the engine's `begin` could do so too, but an engine with listeners announces each statement
    several times, and that is a sixth of what an upsert takes.
    """

    supports_statement_cache = True
    begin = "BEGIN"

    @classmethod
    def like(cls, dialect: Dialect) -> Self:
        """The same dialect in all but how it begins: what one of them finds out, both know."""
        made = cls.__new__(cls)
        made.__dict__ = dialect.__dict__
        return made

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        driver: Any = dbapi_connection.driver_connection
        driver.execute(self.begin)

    def set_engine_execution_options(self, engine: Engine, opts: Mapping[str, Any]) -> None:
        super().set_engine_execution_options(engine, opts)
        if opts.get("writes"):
            engine.dialect = self._writing

    @cached_property
    def _writing(self) -> "_Writing":
        # One for all: statements are compiled anew for each dialect.
        return _Writing.like(self)


class _Writing(_Reading):
    # A transaction that reads first and then writes would fail with SQLITE_BUSY under a concurrent writer
    # instead of waiting.
    supports_statement_cache = True
    begin = "BEGIN IMMEDIATE"


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
