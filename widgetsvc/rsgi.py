"""Stands between the server and the Flask application: a request takes a thread only when its body is here.

A WSGI server hands over a request whose body may still be on its way, so that a few clients who never send
the rest occupy every thread. Here bodies arrive on the event loop, with a deadline and a limit, and a body
that was cut off on the way is refused instead of being taken for the whole. What can be answered at once is
answered on the event loop: passing a request to a thread and back costs more than such an answer.

Source: RSGI specification 1.5 (granian), PEP 3333.
"""

from __future__ import annotations

import asyncio
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping
    from contextlib import AbstractContextManager
    from wsgiref.types import WSGIApplication

    Environ = dict[str, Any]
    Instant = Callable[[Environ, bytes], "Answer | None"]


_BODY_SECONDS = 15

Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers with names in lower case, body."""


class Scope(Protocol):
    """What the server says of a request."""

    method: str
    path: str
    query_string: str
    scheme: str
    server: str
    client: str
    http_version: str

    @property
    def headers(self) -> Headers: ...


class Headers(Protocol):
    """A request's headers, names in lower case; one that came twice is there twice."""

    def items(self) -> list[tuple[str, str]]: ...


class Exchange(Protocol):
    """How a request's body comes and its answer goes."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class _RefusedBody(Exception):
    """The body is not here as announced; `status` and the words tell the client."""

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        super().__init__(words)


class BufferedWsgi:
    """An RSGI application (HTTP only) around a WSGI one."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        max_body: int,
        threads: int = 16,
        urgent: Container[str] = (),
        instant: Instant | None = None,
        background: Iterable[AbstractContextManager[object]] = (),
    ) -> None:
        """Take bodies of up to `max_body` bytes.

        The `urgent` paths have a thread of their own, so that they are answered however many requests wait.
        `instant` is asked first, on the event loop: it must not wait for anything, and returns None for what
        the application has to answer. Each of `background` is entered when the server starts and left when
        it ends.
        """
        self._app = app
        self._background = background
        self._max_body = max_body
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._urgent = urgent
        self._urgent_thread = ThreadPoolExecutor(1, thread_name_prefix="urgent")
        self._instant = instant
        self._running = ExitStack()

    def __rsgi_init__(self, _loop: asyncio.AbstractEventLoop) -> None:
        for running in self._background:
            self._running.enter_context(running)

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        self._running.close()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request."""
        environ = _environ(scope)
        try:
            body = await self._receive_body(environ, exchange)
        except TimeoutError:
            answer = _plain(408, "The request's body did not arrive in time.")
        except _RefusedBody as refused:
            answer = _plain(refused.status, str(refused))
        else:
            instant = self._instant(environ, body) if self._instant is not None else None
            answer = instant or await self._respond(environ, body)
        exchange.response_bytes(*answer)

    async def _respond(self, environ: Environ, body: bytes) -> Answer:
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        threads = self._urgent_thread if environ["PATH_INFO"] in self._urgent else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, _call, self._app, environ)

    async def _receive_body(self, environ: Environ, exchange: Exchange) -> bytes:
        announced = _announced_length(environ)
        if announced == 0:
            return b""
        body = bytearray()
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in exchange:
                body += chunk
                if len(body) > self._max_body:
                    # Passed on as it is: the application answers 413 in a form of its own.
                    return bytes(body)
        if announced is not None and announced != len(body):
            raise _RefusedBody(400, "The request's body has another length than was announced.")
        return bytes(body)


def _announced_length(environ: Mapping[str, Any]) -> int | None:
    """The body's length, None where it comes in chunks."""
    text = environ.get("CONTENT_LENGTH")
    if "HTTP_TRANSFER_ENCODING" in environ:
        if text is not None:
            # RFC 9112 section 6.3: it is the mark of an attempt to smuggle a request.
            raise _RefusedBody(400, "A request has Content-Length or Transfer-Encoding, not both.")
        return None
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise _RefusedBody(400, "The request's Content-Length is not one number.")
    return int(text[:19])


def _environ(scope: Scope) -> Environ:
    """The request as WSGI knows it (PEP 3333), without its body."""
    server, _, port = scope.server.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        # Bytes that stand in a text as if it were Latin-1.
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        variable = _variable(name)
        if variable is not None:
            before = environ.get(variable)
            environ[variable] = value if before is None else f"{before},{value}"
    return environ


_UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_variables: dict[str, str | None] = {}
_MAX_VARIABLES = 512


def _variable(name: str) -> str | None:
    """The name of a header in the environment; None for one that must not be there."""
    if name in _variables:
        return _variables[name]
    # A header with an underscore would pass for the one with a hyphen, X_Forwarded_For for instance.
    made = None if "_" in name else _UNPREFIXED.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
    if len(_variables) < _MAX_VARIABLES:
        _variables[name] = made
    return made


def _call(app: WSGIApplication, environ: Environ) -> Answer:
    # The body is no longer in chunks.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
        started[:] = [(status, headers)]
        return written.append

    parts = app(environ, start_response)
    try:
        written.extend(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    status, headers = started[0]
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"".join(written)
    return int(status[:3]), [(name.lower(), value) for name, value in headers], body


def _plain(status: int, words: str) -> Answer:
    body = f"{words}\n".encode()
    headers = [
        ("connection", "close"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(body))),
    ]
    return status, headers, body
