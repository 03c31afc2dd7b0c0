"""Runs PostgreSQL and Redis as processes of their own, on free ports with their data in temporary folders."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import psycopg
import redis
from psycopg import sql

from tests.memory import folder_in_memory
from tests.processes import ProcessFailed, free_port
from widgetsvc import database

_READY_WITHIN = 180.0
_STOP_WITHIN = 60.0
_POLL_INTERVAL = 0.02

# Where Debian keeps what only its own wrappers call.
_DEBIANS_POSTGRES = Path("/usr/lib/postgresql")

_DEAD = {"Z", "X"}  # zombie, dead; proc(5)

# Without triggers, foreign keys do not tell an order.
_DELETE_ALL = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename != 'alembic_version'
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$
"""


class ServerMissing(ProcessFailed):
    """A server is not installed; the message says how to install it."""


def _program(name: str, package: str, folders: Sequence[Path] = ()) -> str:
    searched = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, folders)])
    found = shutil.which(name, path=searched)
    if found is None:
        raise ServerMissing(f"the tests need {name}: `apt-get install {package}` (tests/ensure-servers does)")
    return found


def _children(pid: int) -> list[int]:
    """The live processes that one started: PostgreSQL's are no process group of their own."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name before may hold anything, parentheses and spaces too.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state not in _DEAD:
            found.append(int(stat.parent.name))
    return found


class _Server(ABC):
    """A server on 127.0.0.1; use it in a `with` statement.

    It keeps its port and its folder when it is stopped and started again, so that addresses stay good.
    """

    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        # Not pytest's folder: that is its owner's alone, and its path is too long for a socket.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-", dir=folder_in_memory()))
        self._log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._remove()

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the server is, as the service's settings take it."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what the server needs before its first start. Raises ServerMissing."""

    @abstractmethod
    def command(self) -> list[str]:
        """How the server is called. Raises ServerMissing."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server takes connections."""

    @property
    def owner(self) -> str | None:
        """Whom the server runs as; None for whoever runs the tests."""
        return None

    def start(self) -> None:
        """Start the server and return when it answers. Raises ProcessFailed with its log."""
        assert self._process is None, "the server runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._identity(),
            )
        deadline = time.monotonic() + _READY_WITHIN
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ProcessFailed(f"the server did not start; its log:\n{self._log.read_text()}")
            time.sleep(_POLL_INTERVAL)

    def stop(self, how: signal.Signals | None = None) -> None:
        """Shut the server down as an operator does; `how` is the signal where the usual one is not meant."""
        if self._process is None:
            return
        self._process.send_signal(how or self.stop_signal)
        try:
            self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the server without warning (SIGKILL), with all its processes."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        # While one lives, PostgreSQL refuses to start again on the same data.
        while _children(self._process.pid):
            time.sleep(_POLL_INTERVAL)
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Keep the server from doing anything; connections stay open and are not answered (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server go on after `freeze`."""
        self._signal(signal.SIGCONT)
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Stop the server, so that it starts no more processes, and send a signal to all that it started."""
        assert self._process is not None, "the server does not run"
        self._process.send_signal(signal.SIGSTOP)
        for child in _children(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, number)

    def _identity(self) -> dict[str, Any]:
        if self.owner is None:
            return {}
        return {"user": self.owner, "group": pwd.getpwnam(self.owner).pw_gid, "extra_groups": []}

    def _remove(self) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer(_Server):
    """PostgreSQL, as unlike the tests' own machine as a real one may be in its locale and its time zone.

    `durable` lets it wait for the disk, as it must wherever the machine itself could fail; a server that
    merely is killed loses nothing without.
    """

    stop_signal = signal.SIGINT  # "fast": does not wait until its clients have left

    def __init__(self, *, durable: bool = False) -> None:
        super().__init__()
        self._fsync = "on" if durable else "off"
        self._has_template = False

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, name: str) -> str:
        """Where a database of this name is."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def patient_url(self, name: str, seconds: int = 60) -> str:
        """Where a database of this name is, with more time for everything than the service gives it.

        For tests that are not about that time: a busy machine is no fault of theirs.
        """
        session = {"lock_timeout": seconds * 1000, "statement_timeout": seconds * 1000}
        options = " ".join(f"-c {setting}={value}" for setting, value in session.items())
        return f"{self.url_of(name)}?{urlencode({'connect_timeout': seconds, 'options': options})}"

    @property
    def owner(self) -> str | None:
        if os.geteuid() != 0:
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"

    def prepare(self) -> None:
        if self.owner is not None:
            shutil.chown(self.folder, self.owner)
        command = [
            self._binary("initdb"),
            f"--pgdata={self.folder / 'data'}",
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            # Sorts as people do, not by code points: what relies on an order has to ask for it.
            "--locale=C",
            "--locale-provider=icu",
            "--icu-locale=en",
        ]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, **self._identity()
        )
        if done.returncode != 0:
            raise ProcessFailed(f"initdb ended with status {done.returncode}:\n{done.stdout}{done.stderr}")

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": self._fsync,
            "full_page_writes": self._fsync,
            # Its files go with the folder; the default leaves shared memory behind when the server is killed.
            "dynamic_shared_memory_type": "mmap",
            "jit": "off",
            "max_connections": "200",
            "timezone": "Pacific/Auckland",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self._binary("postgres"), "-D", str(self.folder / "data"), *options]

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        """A superuser's connection, for what tests do behind the service's back; commits each statement."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            dbname=name,
            autocommit=True,
            connect_timeout=30,
        )

    def create_database(self, name: str) -> None:
        """Make a database whose schema is current."""
        if not self._has_template:
            self._create("migrated", template="template1")
            engine = database.connect(self.patient_url("migrated"))
            database.upgrade(engine)
            engine.dispose()
            self._has_template = True
        self._create(name, template="migrated")

    def create_empty_database(self, name: str) -> str:
        """Make a database without any table, and return its URL."""
        self._create(name, template="template1")
        return self.url_of(name)

    def empty_database(self, name: str) -> None:
        """Delete all rows of a database that `create_database` made; of few rows faster than TRUNCATE."""
        with self.connect(name) as connection:
            connection.execute(_DELETE_ALL)

    def drop_database(self, name: str) -> None:
        """Delete a database, whoever is connected to it."""
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _create(self, name: str, *, template: str) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with self.connect() as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def _binary(self, name: str) -> str:
        versions = [path for path in _DEBIANS_POSTGRES.glob("*/bin") if path.parent.name.isdecimal()]
        versions.sort(key=lambda path: int(path.parent.name), reverse=True)
        return _program(name, "postgresql", versions)


class RedisServer(_Server):
    """Redis as a cache: nothing of it outlives the process."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def patient_url(self, seconds: float = 30) -> str:
        """Where the server is, with more time to answer than the service gives it.

        For tests that are not about that time: on a busy machine a tenth of a second is soon over.
        """
        return f"{self.url}?socket_timeout={seconds}&socket_connect_timeout={seconds}"

    def prepare(self) -> None:
        pass

    def command(self) -> list[str]:
        program = _program("redis-server", "redis-server")
        options = {"--bind": "127.0.0.1", "--port": str(self.port), "--save": "", "--appendonly": "no"}
        return [program, *(part for option in options.items() for part in option)]

    def answers(self) -> bool:
        with self.connect() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    def connect(self) -> "redis.Redis":
        """A client for what tests do behind the service's back."""
        return redis.Redis.from_url(self.url, socket_timeout=30)
