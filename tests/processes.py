"""Runs `widgetsvc serve` as a process of its own, as an operator does."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from click.testing import CliRunner

from widgetsvc.cli import main

ROOT = Path(__file__).resolve().parent.parent
ELEMENTS_CACHE = ROOT / "node_modules" / ".cache" / "widgetsvc"
"""Where tests keep the compressed bundle: compressing it takes seconds, and they start many services."""

THIS_CHECKOUT = (sys.executable, "-m", "widgetsvc")

PATIENCE = 180.0
"""Seconds after which a process that does not do what it should has failed, on however busy a machine."""

_POLL_INTERVAL = 0.05
_NOT_INHERITED = {"PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE"}


class ProcessFailed(AssertionError):
    """A process did not do what it was started for; the message ends with what it wrote."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that for a minute nobody is given who asks for any.

    A connection that its server closes first keeps the server's port (TIME_WAIT, RFC 9293 section 3.6.1): the
    kernel gives it to none but a server that names it and sets SO_REUSEADDR, as all that tests start do.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        address: tuple[str, int] = server.getsockname()
        with socket.create_connection(address) as client:
            server.accept()[0].close()
            client.recv(1)
        return address[1]


def share_elements(data_dir: Path) -> None:
    """Let a data folder that is about to be used find the bundle compressed already."""
    data_dir.mkdir(parents=True, exist_ok=True)
    ELEMENTS_CACHE.mkdir(parents=True, exist_ok=True)
    (data_dir / "elements").symlink_to(ELEMENTS_CACHE)


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without anybody's settings of the service or of Python, and with `more`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WIDGETSVC_") and name not in _NOT_INHERITED
    }
    return inherited | dict(more or {})


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when the service on `port` is ready. Raises ProcessFailed with its log."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        if _is_ready(port):
            return
        if time.monotonic() > deadline:
            raise ProcessFailed(
                f"the service was not ready within {PATIENCE:.0f} s; its log:\n{log.read_text()}"
            )
        time.sleep(_POLL_INTERVAL)
    raise ProcessFailed(
        f"the service ended with status {process.returncode} before it was ready; its log:\n{log.read_text()}"
    )


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when somebody listens on `port`. Raises ProcessFailed where nobody does in time."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(_POLL_INTERVAL)
    raise ProcessFailed(f"{process.args!r} did not listen on port {port}")


class RunningService:
    """A service on a free port with a data folder of its own; use it in a `with` statement.

    `environment` adds settings and wins over the ones made here. `cwd` is where every process starts: the
    checkout by default, so that `-m widgetsvc` is this one. `command` is how the service is called.
    Commands can be run before the service is started, too: each in a process of its own where the `command`
    is not this checkout's or they are to be run `apart`, else, as starting Python takes seconds, in this one.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        command: Sequence[str] = THIS_CHECKOUT,
        port: int | None = None,
        workers: int = 1,
        apart: bool = False,
    ) -> None:
        share_elements(data_dir)
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = tuple(command)
        self._workers = workers
        self._apart = apart or self._command != THIS_CHECKOUT
        self._cwd = cwd
        own = {"WIDGETSVC_DATA_DIR": str(data_dir), "WIDGETSVC_PUBLIC_URL": self.url}
        self._settings = own | dict(environment or {})
        self._environment = clean_environment(self._settings)
        self._log = data_dir.with_name(f"{data_dir.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        else:
            self._end()

    def start(self) -> None:
        """Start the service and return when it is ready. Raises ProcessFailed with its log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, "serve", "--port", str(self.port), "--workers", str(self._workers)],
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until_ready(self._process, self.port, self._log)
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """End the service as an operator does. Raises ProcessFailed where it does not end cleanly."""
        status = self._end()
        if status != 0:
            raise self._failed(f"the service ended with status {status}")
        if "Traceback (most recent call last)" in self.log_text():
            raise self._failed("the service ran into an exception")

    @property
    def pid(self) -> int:
        """The process that was started; its workers are others."""
        assert self._process is not None, "the service is not running"
        return self._process.pid

    def kill(self) -> None:
        """End the service and whatever is left of it, however it goes."""
        self._end()

    def log_text(self) -> str:
        """What the service has written to stdout and stderr so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def run(self, *args: str) -> Any:
        """Run a command on the same data with `--json` and return what it prints."""
        run = self._run_apart if self._apart else self._run_here
        status, printed, complaint = run([*args, "--json"])
        if status != 0:
            raise ProcessFailed(f"{' '.join(args)} ended with status {status}:\n{complaint}")
        return json.loads(printed)

    def _run_here(self, args: Sequence[str]) -> tuple[int, str, str]:
        nobodys = {name: None for name in os.environ if name.startswith("WIDGETSVC_")}
        result = CliRunner().invoke(main, args, env=nobodys | self._settings)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    def _run_apart(self, args: Sequence[str]) -> tuple[int, str, str]:
        done = subprocess.run(
            [*self._command, *args],
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def _end(self) -> int | None:
        """Ask the service to end, and make it end where it does not; return its status."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        # The session is the service's own: whatever is left of it are its workers.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    def _failed(self, what: str) -> ProcessFailed:
        return ProcessFailed(f"{what}; its log:\n{self.log_text()}")
