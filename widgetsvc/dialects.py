"""SQLAlchemy's dialects, which begin transactions by themselves: others where something is to be written.

An engine reads. With the execution option `writes` it writes:

- SQLite: a transaction that reads first and then writes would fail with SQLITE_BUSY under a concurrent writer
  instead of waiting, so that writers begin as such.
- PostgreSQL: what reads needs no transaction, which would cost two round trips more. A session is read-only
  outside of the transactions of writers, so that a write without one is an error and not half a change.

A listener to the engine's `begin` could do so too, but an engine with listeners announces each statement
several times, and that is a sixth of what an upsert to SQLite takes.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect


class _Beginning(DefaultDialect):
    begin: ClassVar[str | None]
    """The statement that begins a transaction; None where every statement is one by itself."""
    writing: ClassVar["type[_Beginning]"]

    @classmethod
    def like(cls, dialect: Dialect) -> Self:
        """The same dialect in all but how it begins: what one of them finds out, both know."""
        made = cls.__new__(cls)
        made.__dict__ = dialect.__dict__
        return made

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        if self.begin is not None:
            driver: Any = dbapi_connection.driver_connection
            driver.execute(self.begin)

    def set_engine_execution_options(self, engine: Engine, opts: Mapping[str, Any]) -> None:
        super().set_engine_execution_options(engine, opts)
        if opts.get("writes"):
            # One for all: statements are compiled anew for each dialect.
            known: dict[type, Dialect] = self.__dict__.setdefault("_writing", {})
            engine.dialect = known.setdefault(self.writing, self.writing.like(self))


class WritingSQLite(_Beginning, SQLiteDialect_pysqlite):
    """SQLite for writers; the driver's own transaction control has to be off."""

    supports_statement_cache = True
    begin = "BEGIN IMMEDIATE"


class ReadingSQLite(_Beginning, SQLiteDialect_pysqlite):
    """SQLite for readers; the driver's own transaction control has to be off."""

    supports_statement_cache = True
    begin = "BEGIN"
    writing = WritingSQLite


class WritingPostgreSQL(_Beginning, PGDialect_psycopg):
    """PostgreSQL for writers; the driver has to commit each statement unless a transaction is begun."""

    supports_statement_cache = True
    begin = "BEGIN READ WRITE"


class ReadingPostgreSQL(_Beginning, PGDialect_psycopg):
    """PostgreSQL for readers; the driver has to commit each statement."""

    supports_statement_cache = True
    begin = None
    writing = WritingPostgreSQL
