"""Stands between the server and the Flask application: a request takes a thread only when its body is here.

A WSGI server hands over a request whose body may still be on its way, so that a few clients who never send
the rest occupy every thread. Here bodies arrive on the event loop, with a deadline and a limit, and a body
that was cut off on the way is refused instead of being taken for the whole.
"""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from a2wsgi.wsgi import build_environ
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterable, MutableMapping
    from contextlib import AbstractContextManager
    from wsgiref.types import WSGIApplication

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]


class _RefusedBody(Exception):
    """The body is not here as announced; `status` and the words tell the client."""

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        super().__init__(words)


class BufferedWsgi:
    """An ASGI application (HTTP only) around a WSGI one."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        max_body: int,
        body_seconds: float = 15,
        threads: int = 16,
        urgent: Container[str] = (),
        background: Iterable[AbstractContextManager[object]] = (),
    ) -> None:
        """Take bodies of up to `max_body` bytes that arrive within `body_seconds`.

        The `urgent` paths have a thread of their own, so that they are answered however many requests wait.
        Each of `background` is entered when the server starts and left when it ends.
        """
        self._app = app
        self._background = background
        self._max_body = max_body
        self._body_seconds = body_seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._urgent = urgent
        self._urgent_thread = ThreadPoolExecutor(1, thread_name_prefix="urgent")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or accompany the server from its start to its end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await self._receive_body(scope, receive)
            environ = _environ(scope, body)
        except TimeoutError:
            response = _plain(408, "The request's body did not arrive in time.")
        except _RefusedBody as refused:
            response = _plain(refused.status, str(refused))
        else:
            loop = asyncio.get_running_loop()
            threads = self._urgent_thread if scope["path"] in self._urgent else self._threads
            response = await loop.run_in_executor(threads, self._respond, environ)
        await _send(response, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Source: ASGI specification, Lifespan Protocol."""
        with ExitStack() as stack:
            await receive()
            for running in self._background:
                stack.enter_context(running)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await asyncio.to_thread(stack.close)
        await send({"type": "lifespan.shutdown.complete"})

    def _respond(self, environ: dict[str, Any]) -> Response:
        response = Response.from_app(self._app, environ, buffered=True)
        response.get_data()
        return response

    async def _receive_body(self, scope: dict[str, Any], receive: Receive) -> bytes:
        announced = _announced_length(scope)
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _RefusedBody(400, "The request's body was cut off.")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_body:
                # Passed on as it is: the application answers 413 in a form of its own.
                return bytes(body)
        if announced is not None and announced != len(body):
            raise _RefusedBody(400, "The request's body has another length than was announced.")
        return bytes(body)


def _announced_length(scope: dict[str, Any]) -> int | None:
    lengths = {value for name, value in scope["headers"] if name == b"content-length"}
    if not lengths:
        return None
    if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        # RFC 9112 section 6.3: it is the mark of an attempt to smuggle a request.
        raise _RefusedBody(400, "A request has Content-Length or Transfer-Encoding, not both.")
    text = lengths.pop()
    if lengths or not text.isdigit():
        raise _RefusedBody(400, "The request's Content-Length is not one number.")
    return int(text[:19])


def _environ(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    # A header with an underscore would pass for the one with a hyphen, X_Forwarded_For for instance; and the
    # body is no longer in chunks.
    headers = [
        (name, value) for name, value in scope["headers"] if b"_" not in name and name != b"transfer-encoding"
    ]
    try:
        environ: dict[str, Any] = dict(build_environ({**scope, "headers": headers}, io.BytesIO(body)))  # type: ignore[arg-type, typeddict-item]
    except UnicodeError:
        raise _RefusedBody(400, "The request's address is not plain ASCII.") from None
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _plain(status: int, words: str) -> Response:
    headers = {"Connection": "close", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(f"{words}\n", status, headers, mimetype="text/plain")


async def _send(response: Response, send: Send) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()
    ]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.get_data()})
