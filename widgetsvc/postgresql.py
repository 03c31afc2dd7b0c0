"""How PostgreSQL is connected to, and given up in time where it does not answer.

Nothing waits without end: a request whose data cannot be reached is told so within three seconds.
"""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import timeout_from_conninfo
from psycopg.waiting import Ready
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import InvalidatePoolError, OperationalError

from widgetsvc.dialects import ReadingPostgreSQL

_CONNECT_TIMEOUT = 2  # seconds; libpq takes no less
_POOL_TIMEOUT = 1  # seconds
_PAUSE = 0.5  # seconds between attempts to reach a server that has not answered
_SILENCE = 0.8  # seconds without a byte after which a server is asked whether it is there

_SESSION = {
    "timezone": "UTC",
    "default_transaction_read_only": "on",
    # Milliseconds. A lock is held by another request, which is over soon or stuck. What takes longer than any
    # statement should is ended, and so is what holds locks while its process does nothing.
    "lock_timeout": "2000",
    "statement_timeout": "15000",
    "idle_in_transaction_session_timeout": "10000",
}
_KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SSL_REQUEST = struct.pack("!II", 8, 80_877_103)
_Answer = TypeVar("_Answer")


def connect(url: URL, **options: Any) -> Engine:
    """Return an engine; `options` are those of SQLAlchemy's `create_engine`.

    What the URL's query says of a connection wins over what is set here, and its `options` (as
    `-c name=value`) over the session's settings. Half of its `connect_timeout` (seconds, 2 unless given) is
    what a server that has fallen silent gets to say that it is there.
    """
    settings = [f"-c {name}={value}" for name, value in _SESSION.items()]
    given = {"connect_timeout": _CONNECT_TIMEOUT, "application_name": "widgetsvc", **_KEEPALIVES, **url.query}
    given["options"] = " ".join([*settings, str(url.query.get("options", ""))]).rstrip()
    engine = create_engine(
        url.set(query={}),
        connect_args={**given, "autocommit": True},
        pool_timeout=_POOL_TIMEOUT,
        use_native_hstore=False,
        **options,
    )
    entrance = _Entrance()
    event.listen(engine, "do_connect", entrance.connect)
    event.listen(engine, "checkout", _check)
    event.listen(engine, "handle_error", _name_lost_connections)
    engine.dialect = ReadingPostgreSQL.like(engine.dialect)
    return engine


class _Entrance:
    """Opens connections; one attempt at a time, with pauses, once the server has not answered.

    An attempt takes its time-out then: were each request to make one, those that need no database would find
    no thread to run in.
    """

    def __init__(self) -> None:
        self._attempting = threading.Lock()
        self._silent_since: float | None = None

    def connect(self, _dialect: object, _record: object, args: list[Any], parameters: dict[str, Any]) -> Any:
        """Return a connection, in the place of `psycopg.connect`. Raises OperationalError."""
        if self._silent_since is None:
            return self._attempt(args, parameters)
        if not self._attempting.acquire(blocking=False):
            raise psycopg.OperationalError("the server has not answered, and is being tried again just now")
        try:
            if time.monotonic() - self._silent_since < _PAUSE:
                raise psycopg.OperationalError("the server did not answer a moment ago")
            return self._attempt(args, parameters)
        finally:
            self._attempting.release()

    def _attempt(self, args: list[Any], parameters: dict[str, Any]) -> "WatchedConnection":
        try:
            connection = WatchedConnection.connect(*args, **parameters)
        except psycopg.errors.ConnectionTimeout:
            self._note_silence()
            raise
        self._silent_since = None
        connection.on_silence = self._note_silence
        # A probe is a fraction of what a new connection takes.
        connection.probe_timeout = timeout_from_conninfo(parameters) / 2
        return connection

    def _note_silence(self) -> None:
        self._silent_since = time.monotonic()


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that is given up when its server is silent and cannot be reached anew either.

    libpq waits for an answer without end, and the time-outs that the server keeps do not help where it stands
    still itself or cannot be reached. A statement may take its time nevertheless: while it does, the server
    answers others.
    """

    on_silence: Callable[[], None] | None = None
    probe_timeout = 1.0
    """Seconds within which a silent server has to say that it is there."""

    def wait(self, gen: PQGen[_Answer], interval: float = 0.1, timeout: float | None = None) -> _Answer:
        """Do what psycopg does. Raises OperationalError where the connection is given up."""
        return super().wait(self._watching(gen), interval, timeout)

    def _watching(self, gen: PQGen[_Answer]) -> PQGen[_Answer]:
        # What drives it sends NONE after each interval in which nothing was heard.
        heard, patience = time.monotonic(), _SILENCE
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready == Ready.NONE:
                    if time.monotonic() - heard > patience:
                        self._give_up_unless_alive()
                        patience *= 2
                else:
                    heard, patience = time.monotonic(), _SILENCE
                wanted = gen.send(ready)
        except StopIteration as done:
            answer: _Answer = done.value
            return answer

    def _give_up_unless_alive(self) -> None:
        try:
            self._probe()
        except OSError as error:
            self.pgconn.finish()
            if self.on_silence is not None:
                self.on_silence()
            raise psycopg.OperationalError(f"the server does not answer any more: {error}") from error

    def _probe(self) -> None:
        """Ask the server whether it speaks TLS, which it answers before all else. Raises OSError."""
        info = self.info
        if info.host.startswith("/"):
            probe = socket.socket(socket.AF_UNIX)
            address: Any = f"{info.host}/.s.PGSQL.{info.port}"
        else:
            probe = socket.socket(socket.AF_INET6 if ":" in info.hostaddr else socket.AF_INET)
            address = (info.hostaddr, info.port)
        with closing(probe):
            probe.settimeout(self.probe_timeout)
            probe.connect(address)
            probe.sendall(_SSL_REQUEST)
            if not probe.recv(1):
                raise ConnectionResetError("the server hung up")


def _check(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
    """Find out whether a connection from the pool has ended meanwhile.

    A ping would tell, too, for a round trip in each transaction. This is one system call: there is something
    to be read where the server has said goodbye, or its machine has closed the connection for it.
    """
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            connection.execute("")
    except psycopg.Error as error:
        # The others have most likely ended with this one.
        raise InvalidatePoolError from error


def _name_lost_connections(context: ExceptionContext) -> None:
    # The server ends what holds locks and does nothing, and the driver calls that an internal error.
    lost = context.original_exception
    if isinstance(lost, psycopg.errors.IdleInTransactionSessionTimeout):
        raise OperationalError(
            context.statement, None, lost, hide_parameters=True, connection_invalidated=context.is_disconnect
        )
