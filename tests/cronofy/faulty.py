"""An upstream on this machine that does, byte by byte, what a test wants."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

DRIP_SECONDS = 0.01

Script = Callable[["Connection"], None]
"""What is done with a connection on which a request has been read; closing it afterwards is the server's."""


class Connection:
    def __init__(self, peer: socket.socket, over: threading.Event) -> None:
        self.peer = peer
        self.over = over

    def send(self, data: bytes) -> None:
        self.peer.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send the data again and again, slowly, until the other side has left."""
        while not self.over.wait(DRIP_SECONDS):
            self.send(data)

    def stay_silent(self) -> None:
        """Do nothing until the other side has left."""
        self.peer.recv(1)

    def close(self) -> None:
        """Leave without a word."""

    def reset(self) -> None:
        """Close so that the other side gets an error instead of an end."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class FaultyUpstream:
    """Answers one request a connection with `script`; use it in a `with` statement."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections = 0
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(60)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._answer, peer)

    def _answer(self, peer: socket.socket) -> None:
        with peer:
            peer.settimeout(60)
            try:
                _read_request(peer)
                self.script(Connection(peer, self._over))
            except OSError:
                return  # The other side has left, as it should from most of what is done here.


def _read_request(peer: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(peer)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].partition(b":")[2]) - len(body) if lengths else 0
    while missing > 0:
        missing -= len(_some(peer))


def _some(peer: socket.socket) -> bytes:
    data = peer.recv(65_536)
    if not data:
        raise ConnectionError("the other side has left")
    return data
