"""The network, with one end to an exchange as a whole.

httpx times connecting and each single read. A host with many addresses that swallow packets, a slow look-up,
or an answer whose headers drip would take many times as long; here all of it ends `total` seconds after the
request was handed over, an extension of the request: `extensions={"total": 5.0}`.
"""

import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress

import httpcore
import httpx

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.outbound import Resolve, system_resolve

MAX_CONNECTIONS = 20
MAX_IDLE_CONNECTIONS = 10
IDLE_SECONDS = 30.0
"""Shorter than the idle time-outs of load balancers, so that few requests meet a connection just closed."""


class NetworkTransport(httpx.BaseTransport):
    """A pool of up to 20 connections; raises httpx's errors."""

    def __init__(self, *, resolve: Resolve = system_resolve, monotonic: Clock = monotonic_clock) -> None:
        self._monotonic = monotonic
        self._current = _Current()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_Network(resolve, monotonic, self._current),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return the answer with its body still to be read, in this thread."""
        self._current.deadline = _Deadline(self._monotonic, request.extensions["total"])
        url = request.url
        wanted = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.read(),
            extensions=request.extensions,
        )
        with _translated():
            response = self._pool.handle_request(wanted)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Raise httpcore's errors as httpx's, which have the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        twin: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise twin(str(error)) from error


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Deadline:
    def __init__(self, monotonic: Clock, seconds: float) -> None:
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def cap(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
        """Return how long the next step may take. Raises `late` where no time is left."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise late("the exchange took too long as a whole")
        return left if timeout is None else min(left, timeout)


class _Current(threading.local):
    """The exchange that this thread is about; one thread sends the request and reads the whole answer."""

    deadline: _Deadline


class _Network(httpcore.NetworkBackend):
    def __init__(self, resolve: Resolve, monotonic: Clock, current: _Current) -> None:
        self._resolve = resolve
        self._monotonic = monotonic
        self._current = current
        self._system = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, within `timeout` in all, to the first of the host's addresses that answers."""
        timeout = self._current.deadline.cap(timeout, httpcore.ConnectTimeout)
        connecting = _Deadline(self._monotonic, timeout)
        *others, last = _look_up(self._resolve, host, port, timeout)
        for tried, address in enumerate(others):
            share = connecting.cap(None, httpcore.ConnectTimeout) / (len(others) + 1 - tried)
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._connect(address, port, share, local_address, socket_options)
        share = connecting.cap(None, httpcore.ConnectTimeout)
        return self._connect(last, port, share, local_address, socket_options)

    def _connect(
        self,
        address: str,
        port: int,
        timeout: float,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.NetworkStream:
        stream = self._system.connect_tcp(address, port, timeout, local_address, socket_options)
        return _Stream(stream, self._current)


def _look_up(resolve: Resolve, host: str, port: int, timeout: float) -> Sequence[str]:
    """Ask in a thread that can be left behind: the system's resolver takes as long as it likes."""
    future: Future[Sequence[str]] = Future()

    def ask() -> None:
        try:
            future.set_result(resolve(host, port))
        except (OSError, UnicodeError) as error:
            future.set_exception(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        found = future.result(timeout)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout("no address of the host was found in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    if not found:
        raise httpcore.ConnectError("the host has no address")
    return found


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends with the exchange that it is used for."""

    def __init__(self, stream: httpcore.NetworkStream, current: _Current) -> None:
        self._stream = stream
        self._current = current

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._current.deadline.cap(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._current.deadline.cap(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        timeout = self._current.deadline.cap(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._current)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
