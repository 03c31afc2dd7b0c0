"""Stores whose reads and writes are part of a transaction that somebody else began."""

from contextlib import AbstractContextManager, nullcontext

from sqlalchemy import Connection


class Joined:
    """In an engine's place: everything is part of one transaction, which somebody else ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connect(self) -> AbstractContextManager[Connection]:
        return nullcontext(self._connection)

    def begin(self) -> AbstractContextManager[Connection]:
        return nullcontext(self._connection)
