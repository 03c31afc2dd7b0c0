"""The server's edge, over real sockets: whatever clients do with a request's body."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest

from tests.processes import PATIENCE, ROOT, RunningService, clean_environment

STALLED = 24  # more than there are threads


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("server") / "data") as service:
        yield service


def connect(service: RunningService) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE)


def post(length: int | None, *more: str) -> bytes:
    lines = ["POST /embed/token HTTP/1.1", "Host: localhost", "Content-Type: application/json", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
        if b"\r\n\r\n" in received:
            break
    return received.partition(b"\r\n")[0]


def test_clients_that_never_send_the_rest_hold_up_nobody(service: RunningService) -> None:
    with ExitStack() as stack:
        for _ in range(STALLED):
            connection = stack.enter_context(closing(connect(service)))
            connection.sendall(post(100) + b"{")

        response = httpx.get(f"{service.url}/healthz", timeout=PATIENCE, trust_env=False)

    assert response.status_code == 200


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(post(100) + b'{"key": "x"}', id="shorter than announced"),
        pytest.param(post(None, "Transfer-Encoding: chunked") + b"4\r\n{}  \r\nzz\r\n", id="a broken chunk"),
        pytest.param(post(2, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n", id="two lengths"),
    ],
)
def test_a_body_that_is_not_as_announced_is_refused(service: RunningService, rest: bytes) -> None:
    with closing(connect(service)) as connection:
        connection.sendall(rest)
        connection.shutdown(socket.SHUT_WR)

        assert answer(connection)[:12] in {b"", b"HTTP/1.1 400"}


def test_a_truncated_event_is_not_written(service: RunningService) -> None:
    application = service.run("app", "create", "cut")
    fields = application | {"application_calendar_id": "whole"}
    form = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    head = (
        "POST /v1/application_calendars HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    ).encode()
    with closing(connect(service)) as connection:
        connection.sendall(head + form[:-2])
        connection.shutdown(socket.SHUT_WR)
        status = answer(connection)

    assert not status.startswith(b"HTTP/1.1 200")


def test_a_chunked_body_has_the_same_limit(service: RunningService) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"key":"'
        for _ in range(40):
            yield b"x" * 65_536

    headers = {"Content-Type": "application/json"}
    try:
        status = httpx.post(
            f"{service.url}/embed/token", content=chunks(), headers=headers, trust_env=False, timeout=PATIENCE
        ).status_code
    except httpx.WriteError:
        status = 413  # refused while the rest was on its way

    assert status == 413


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    "framing", ["Content-Length: 52428800", "Transfer-Encoding: chunked"], ids=["announced", "in chunks"]
)
def test_fifty_megabytes_are_refused_before_they_are_here(service: RunningService, framing: str) -> None:
    mebibyte = b" " * 2**20
    chunk = b"100000\r\n" + mebibyte + b"\r\n" if "chunked" in framing else mebibyte
    head = f"POST /v1/application_calendars HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"
    before = peak_memory(service)
    status = b""
    # Refused while the rest is on its way: the answer may be lost with the connection.
    with closing(connect(service)) as connection, suppress(OSError):
        with suppress(OSError):
            connection.sendall(head.encode())
            for _ in range(50):
                connection.sendall(chunk)
        status = answer(connection)

    assert status[:12] in {b"", b"HTTP/1.1 413"}
    assert peak_memory(service) - before < 25_000


def peak_memory(service: RunningService) -> int:
    """The most that the service and its workers have held so far, in KiB."""
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in [str(service.pid), *children]]
    return sum(int(status.partition("VmHWM:")[2].split()[0]) for status in statuses)


def test_a_body_in_chunks_is_read_as_one(service: RunningService) -> None:
    headers = {"Content-Type": "application/json"}
    chunks = iter([b'{"key": "pk_', b'unknown", "element": "agenda", ', b'"calendar": "a"}'])

    response = httpx.post(
        f"{service.url}/embed/token", content=chunks, headers=headers, trust_env=False, timeout=PATIENCE
    )

    assert (response.status_code, response.json()["code"]) == (401, "unknown_key")


def test_a_client_that_waits_to_be_told_to_go_on_is_told(service: RunningService) -> None:
    with closing(connect(service)) as connection:
        connection.sendall(post(2, "Expect: 100-continue"))
        assert answer(connection) == b"HTTP/1.1 100 Continue"


def test_a_header_with_an_underscore_is_not_one_with_a_hyphen(service: RunningService) -> None:
    request = post(2).replace(b"Content-Type: application/json", b"Content_Type: application/json")
    with closing(connect(service)) as connection:
        connection.sendall(request + b"{}")
        assert answer(connection).startswith(b"HTTP/1.1 415")


@pytest.mark.parametrize("path", ["/%ff", "/%", "/frame/%00", "/?%ff=%ff", "/v1//events", "/frame//agenda"])
def test_odd_paths_are_answered_without_a_fault_or_redirect(service: RunningService, path: str) -> None:
    with closing(connect(service)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        status = int(answer(connection).split()[1])

    assert status in {200, 400, 401, 404}


def test_a_second_service_on_the_same_port_says_so(service: RunningService, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "widgetsvc", "serve", "--port", str(service.port)],
        cwd=ROOT,
        env=clean_environment({"WIDGETSVC_DATA_DIR": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode != 0
    assert f"127.0.0.1:{service.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_worker_outlives_its_master(tmp_path: Path) -> None:
    service = RunningService(tmp_path / "data")
    service.start()
    try:
        os.kill(service.pid, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while answers(service):
            assert time.monotonic() < deadline, "a worker is still there"
    finally:
        service.kill()


def answers(service: RunningService) -> bool:
    try:
        return httpx.get(f"{service.url}/healthz", trust_env=False, timeout=PATIENCE).status_code == 200
    except httpx.TransportError:
        return False
