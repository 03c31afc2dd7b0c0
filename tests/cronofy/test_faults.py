"""Every way in which an upstream can go wrong on a real connection, and the error that it becomes."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.cronofy.faulty import Connection, FaultyUpstream, Script
from tests.processes import free_port
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.cronofy.faults import Failed, NotAsked
from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.cronofy.transport import NetworkTransport
from widgetsvc.errors import UpstreamUnavailable
from widgetsvc.outbound import Resolve, system_resolve
from widgetsvc.permissions import Permission

ORIGIN = "https://jobs.example.com"
TOKEN = {"token": "et", "permissions": ["agenda"], "origin": ORIGIN, "expires_in": 64_800}

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def sends(*parts: bytes) -> Script:
    return lambda connection: connection.send(b"".join(parts))


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Connection: close", *headers]
    return b"\r\n".join([*lines, b"", body])


def token(**changes: object) -> Script:
    return sends(answer(json.dumps({"element_token": TOKEN | changes}).encode()))


def drips_headers(connection: Connection) -> None:
    connection.send(OK + b"X-Drip: ")
    connection.drip(b"a")


def drips_informational_answers(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def drips_a_body(connection: Connection) -> None:
    connection.send(OK + CHUNKED)
    connection.drip(b"1\r\n \r\n")


def sends_without_end(connection: Connection) -> None:
    connection.send(OK + CHUNKED)
    while True:
        connection.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")


TOO_SLOW = "no whole answer within 5 s"
BROKE_OFF = "the exchange broke off"
NOT_CRONOFYS = "not Cronofy's"

FAULTS: dict[str, tuple[Script, str]] = {
    "silence": (Connection.stay_silent, TOO_SLOW),
    "headers that drip": (drips_headers, TOO_SLOW),
    "early hints that drip": (drips_informational_answers, TOO_SLOW),
    "a body that drips": (drips_a_body, TOO_SLOW),
    "a connection cut before the answer": (Connection.close, BROKE_OFF),
    "a connection cut in the headers": (sends(OK), BROKE_OFF),
    "a connection reset": (Connection.reset, BROKE_OFF),
    "a truncated body": (sends(OK, b"Content-Length: 1000\r\n\r\n", b'{"element_token"'), BROKE_OFF),
    "a truncated chunk": (sends(OK, CHUNKED, b"ff\r\n{"), BROKE_OFF),
    "a length cut short": (sends(answer(b'{"element_token": {')), NOT_CRONOFYS),
    "what is no HTTP": (sends(b"\x16\x03\x01 SSH-2.0-OpenSSH\r\n\r\n"), BROKE_OFF),
    "two lengths": (sends(OK, b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), BROKE_OFF),
    "endless headers": (sends(OK, b"X-Long: " + b"a" * 200_000), BROKE_OFF),
    "garbage": (sends(answer(b"\xff\x00\xfe{]")), NOT_CRONOFYS),
    "HTML": (sends(answer(b"<!doctype html><title>Sign in</title>")), NOT_CRONOFYS),
    "an empty body": (sends(answer(b"")), NOT_CRONOFYS),
    "JSON of another shape": (sends(answer(b'[{"element_token": null}]')), NOT_CRONOFYS),
    "JSON too deep": (sends(answer(b'{"element_token":' + b"[" * 100_000)), NOT_CRONOFYS),
    "10 MB": (sends(answer(b" " * 10_000_000)), "more than 1 MiB"),
    "an endless body": (sends_without_end, "more than 1 MiB"),
    "a compressed body": (sends(answer(b"\x1f\x8b", b"Content-Encoding: gzip")), "compressed"),
    "a redirect to itself": (sends(answer(b"", b"Location: /", status=b"307 Moved")), "redirect"),
    "no content": (sends(b"HTTP/1.1 204 No Content\r\n\r\n"), "answered 204"),
    "429": (sends(answer(b"", b"Retry-After: 7", status=b"429 Slow down")), "rate limit.* 7 s"),
    "500": (sends(answer(b"<html>", status=b"500 Oh no")), "answered 500"),
    "503": (sends(answer(b"", b"Retry-After: 7", status=b"503 Busy")), "answered 503.* 7 s"),
    "a token for another origin": (token(origin="https://evil.example"), "another origin"),
    "a token for more than asked": (token(permissions=["agenda", "availability"]), "another permissions"),
    "a token that has expired": (token(expires_in=0), NOT_CRONOFYS),
    "a token that expired long ago": (token(expires_in=-64_800), NOT_CRONOFYS),
    "a token that adds to the URL": (token(token="et&sub=apc_other"), NOT_CRONOFYS),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    with FaultyUpstream(token()) as upstream:
        yield upstream


def client_of(url: str, transport: NetworkTransport, seconds: float) -> CronofyClient:
    """A client that has so much left of its five seconds when it begins to send."""
    readings = iter([0.0])
    return CronofyClient(
        http_client(url, transport=transport),
        client_id="client-1",
        client_secret="secret",
        monotonic=lambda: next(readings, 5 - seconds),
    )


def mint(client: CronofyClient) -> ElementToken:
    return client.element_token({Permission.AGENDA}, ["apc_1"], ORIGIN)


def mint_at(url: str, *, seconds: float = 0.3, resolve: Resolve = system_resolve) -> ElementToken:
    """Mint with a client that leaves no connection: an upstream may not have closed its end yet."""
    with closing(client_of(url, NetworkTransport(resolve=resolve), seconds)) as client:
        return mint(client)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_becomes_an_error_that_says_what_it_was(upstream: FaultyUpstream, fault: str) -> None:
    upstream.script, words = FAULTS[fault]
    patient = fault not in {"silence", "headers that drip", "early hints that drip", "a body that drips"}

    with pytest.raises(UpstreamUnavailable, match=words) as caught:
        mint_at(upstream.url, seconds=4.9 if patient else 0.3)

    assert 1 <= caught.value.retry_after <= 60
    assert "secret" not in str(caught.value)


def test_a_client_that_met_every_fault_goes_on(upstream: FaultyUpstream) -> None:
    with http_client(upstream.url) as http:
        client = CronofyClient(http, client_id="client-1", client_secret="secret")
        for fault, (script, _) in FAULTS.items():
            if "drip" in fault or fault == "silence":
                continue
            upstream.script = script
            with pytest.raises(UpstreamUnavailable):
                mint(client)
        upstream.script = token()

        assert mint(client).token == "et"


def test_no_redirect_is_followed(upstream: FaultyUpstream) -> None:
    upstream.script, _ = FAULTS["a redirect to itself"]
    before = upstream.connections
    with pytest.raises(UpstreamUnavailable):
        mint_at(upstream.url, seconds=4.9)

    assert upstream.connections == before + 1


def test_nobody_listening_is_a_connection_that_fails() -> None:
    with pytest.raises(Failed, match=r"cannot connect to 127\.0\.0\.1") as caught:
        mint_at(f"http://127.0.0.1:{free_port()}", seconds=4.9)

    assert caught.value.transient


def test_a_host_without_tls_is_a_connection_that_fails(upstream: FaultyUpstream) -> None:
    upstream.script = sends(answer(b"{}"))

    with pytest.raises(Failed):
        mint_at(upstream.url.replace("http:", "https:"), seconds=0.3)


class TestLookUp:
    def test_a_host_that_has_no_address_cannot_be_reached(self) -> None:
        def resolve(_host: str, _port: int) -> list[str]:
            raise OSError("Name or service not known")

        with pytest.raises(Failed, match="Name or service not known"):
            mint_at("http://api.cronofy.test", seconds=4.9, resolve=resolve)

    def test_a_host_with_an_empty_answer_cannot_be_reached(self) -> None:
        with pytest.raises(Failed, match="no address"):
            mint_at("http://api.cronofy.test", seconds=4.9, resolve=lambda _host, _port: [])

    def test_a_look_up_that_takes_too_long_is_left_behind(self) -> None:
        over = threading.Event()

        def resolve(_host: str, _port: int) -> list[str]:
            over.wait(30)
            return ["127.0.0.1"]

        with pytest.raises(Failed, match=TOO_SLOW):
            mint_at("http://api.cronofy.test", resolve=resolve)
        over.set()

    def test_an_address_that_does_not_answer_leads_to_the_next(self, upstream: FaultyUpstream) -> None:
        upstream.script = token()
        minted = mint_at(
            f"http://api.cronofy.test:{upstream.port}",
            seconds=4.9,
            resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"],
        )

        assert minted.token == "et"


def test_more_callers_than_connections_are_told_that_none_is_free(upstream: FaultyUpstream) -> None:
    busy, over = threading.Semaphore(0), threading.Event()

    def holds(connection: Connection) -> None:
        busy.release()
        over.wait(120)
        token()(connection)

    upstream.script = holds

    with NetworkTransport() as transport, ThreadPoolExecutor(20) as threads:
        held = [threads.submit(mint, client_of(upstream.url, transport, 5.0)) for _ in range(20)]
        for _ in held:
            assert busy.acquire(timeout=60)
        with pytest.raises(NotAsked, match="all connections are busy"):
            mint(client_of(upstream.url, transport, 0.1))
        over.set()
        assert {each.result().token for each in held} == {"et"}
