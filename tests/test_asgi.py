"""The ASGI side of the server, without the server."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from widgetsvc.asgi import BufferedWsgi


async def get(app: BufferedWsgi, path: str) -> int:
    """The status of the answer to a GET."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 9),
    }
    await app(scope, receive, send)
    return int(sent[0]["status"])


def test_what_is_urgent_is_answered_while_every_thread_is_busy() -> None:
    go_on = threading.Event()

    def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            go_on.wait(20)
        start_response("200 OK", [])
        return []

    async def ask() -> list[int]:
        app = BufferedWsgi(slow, max_body=0, threads=1, urgent={"/healthz"})
        waiting = [asyncio.create_task(get(app, "/slow")) for _ in range(3)]
        await asyncio.sleep(0)
        try:
            health = await asyncio.wait_for(get(app, "/healthz"), 10)
        finally:
            go_on.set()
        return [health, *await asyncio.gather(*waiting)]

    assert asyncio.run(ask()) == [200, 200, 200, 200]
