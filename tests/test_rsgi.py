"""The server's side of the application, without the server."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from wsgiref.types import StartResponse, WSGIEnvironment

from widgetsvc.rsgi import BufferedWsgi


class Get:
    """A GET as the server hands it over, and the status of its answer."""

    method = "GET"
    query_string = ""
    scheme = "http"
    server = "127.0.0.1:80"
    client = "127.0.0.1:9"
    http_version = "1.1"
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it

    def __init__(self, path: str) -> None:
        self.path = path
        self.status: int | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b""

    def response_bytes(self, status: int, *_rest: object) -> None:
        self.status = status


async def get(app: BufferedWsgi, path: str) -> int | None:
    """The status of the answer to a GET."""
    request = Get(path)
    await app.__rsgi__(request, request)
    return request.status


def test_what_is_urgent_is_answered_while_every_thread_is_busy() -> None:
    go_on = threading.Event()

    def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            go_on.wait(120)
        start_response("200 OK", [])
        return []

    async def ask() -> list[int | None]:
        app = BufferedWsgi(slow, max_body=0, threads=1, urgent={"/healthz"})
        waiting = [asyncio.create_task(get(app, "/slow")) for _ in range(3)]
        await asyncio.sleep(0)
        try:
            health = await asyncio.wait_for(get(app, "/healthz"), 60)
        finally:
            go_on.set()
        return [health, *await asyncio.gather(*waiting)]

    # In a thread: a browser's tests may have left an event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, ask()).result() == [200, 200, 200, 200]
