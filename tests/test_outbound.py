"""Requests to addresses that somebody else has chosen do not reach into the operator's network."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.receivers import Receiver, Reply
from widgetsvc.outbound import AddressRefused, NoAnswer, Outbound, is_public

PUBLIC = "93.184.215.14"

REFUSED_BY_THEIR_FORM = [
    # the scheme
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "gopher://hooks.example.com:70/_",
    "file:///etc/passwd",
    "//hooks.example.com/",
    "hooks.example.com/path",
    "https:hooks.example.com",
    "https:///path",
    "javascript:alert(1)",
    "",
    # who it says that it is
    "https://user@hooks.example.com/",
    "https://user:secret@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://@hooks.example.com/",
    # what parsers disagree about
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com /",
    "https://hooks.example.com/\r\nX: y",
    "https://hooks.example.com/\t",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:http/",
    "https://[::1/",
    "https://[hooks.example.com]/",
    "https://hooks..example.com/",
    "https://-.example.com/",
    "https://127%2e0%2e0%2e1/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://127。0。0。1/",
    "https://①②⑦.0.0.1/",
    "https://bücher.example/",
    f"https://hooks.example.com/{'a' * 2_048}",
    # IPv4, in every spelling that a resolver reads
    "https://127.0.0.1/",
    "https://127.0.0.1.:8443/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://0177.0.0.01/",
    "https://017700000001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://172.16.0.1/",
    "https://192.0.0.192/",
    "https://192.88.99.1/",
    "https://192.168.0.1/",
    "https://198.18.0.1/",
    "https://203.0.113.9/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    # IPv6, and IPv4 inside of it
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:5db8:d70e::]/",
    "https://[2001:0:5db8:d70e::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[2606:4700::1111%25eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[5f00::1]/",
    # names of the own network
    "https://localhost/",
    "https://LOCALHOST./",
    "https://api.localhost/",
    "https://metadata/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://router.home.arpa/",
]

ADDRESSES_BY_NAME = [
    "127.0.0.1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "fd00::1",
    "fe80::1%eth0",
]


@pytest.mark.parametrize("url", REFUSED_BY_THEIR_FORM)
def test_an_address_that_leads_nowhere_public_is_refused_without_asking_anybody(url: str) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    outbound = Outbound(resolve=resolve)

    with pytest.raises(AddressRefused):
        outbound.check(url)
    with pytest.raises(AddressRefused):
        outbound.send("POST", url)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://HOOKS.example.com:8443/a/b?c=d&e=%20#part",
        "https://xn--bcher-kva.example/",
        "https://93.184.215.14/hooks",
        "https://[2606:4700:4700::1111]/hooks",
        "https://[64:ff9b::5db8:d70e]/",
        "https://a_b.example.com/",
        "https://10.example.com/",
    ],
)
def test_a_public_address_is_accepted(url: str) -> None:
    Outbound().check(url)


@pytest.mark.parametrize("address", ADDRESSES_BY_NAME)
@pytest.mark.parametrize("beside", [[], [PUBLIC]])
def test_a_name_that_leads_into_the_own_network_is_refused(address: str, beside: list[str]) -> None:
    outbound = Outbound(resolve=lambda _host, _port: [*beside, address])

    with pytest.raises(AddressRefused, match="leads to a private"):
        outbound.send("POST", "https://rebound.example.com/")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700:4700::1111", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def to_receiver(resolved: list[str] | None = None) -> Outbound:
    return Outbound(allow_private=True, resolve=lambda _host, _port: resolved or ["127.0.0.1"])


def test_a_host_is_looked_up_once_and_the_checked_address_is_used() -> None:
    looked_up = []

    def resolve(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["192.0.2.1"]

    with Receiver() as receiver:
        outbound = Outbound(allow_private=True, resolve=resolve)
        answer = outbound.send("POST", f"http://hooks.example.com:{receiver.port}/a?b=c#d", body=b"{}")
        request = receiver.next()

    assert (answer.status, looked_up) == (200, ["hooks.example.com"])
    assert (request.path, request.body) == ("/a?b=c", b"{}")
    assert request.headers["Host"] == f"hooks.example.com:{receiver.port}"


def test_the_next_address_is_tried_where_nobody_listens() -> None:
    with Receiver() as receiver:
        outbound = to_receiver(["127.0.0.9", "127.0.0.1"])

        assert outbound.send("GET", f"http://hooks.example.com:{receiver.port}/").status == 200


def test_redirects_and_proxies_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with Receiver(Reply(302, {"Location": "/other"})) as receiver:
        answer = to_receiver().send("POST", receiver.url)

        assert (answer.status, answer.headers["location"]) == (302, "/other")
        assert receiver.received.qsize() == 1


def test_an_answer_is_read_up_to_a_limit() -> None:
    with Receiver(Reply(body=b"x" * 65_536), Reply(body=b"x" * 65_537)) as receiver:
        whole = to_receiver().send("GET", receiver.url)
        cut = to_receiver().send("GET", receiver.url)

    assert (len(whole.body), whole.complete) == (65_536, True)
    assert (len(cut.body), cut.complete) == (65_536, False)


@pytest.fixture
def raw_server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def serve_once(server: socket.socket, said: bytes) -> str:
    def run() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(said)

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad"])
def test_what_is_no_answer_is_said(raw_server: socket.socket, said: bytes) -> None:
    with pytest.raises(NoAnswer, match="the exchange failed"):
        to_receiver().send("POST", serve_once(raw_server, said))


def test_a_long_quotation_of_the_other_side_is_cut(raw_server: socket.socket) -> None:
    with pytest.raises(NoAnswer) as refused:
        to_receiver().send(
            "POST", serve_once(raw_server, b"HTTP/1.1 200 OK\r\n" + b"\xff" * 9_000 + b"\r\n\r\n")
        )

    assert len(str(refused.value)) < 300


def test_an_answer_that_breaks_off_is_incomplete(raw_server: socket.socket) -> None:
    url = serve_once(raw_server, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    answer = to_receiver().send("POST", url)

    assert (answer.status, answer.body, answer.complete) == (200, b"abc", False)


def test_an_exchange_ends_at_its_deadline_however_it_drips(raw_server: socket.socket) -> None:
    ticks = count(step=3)  # the clock moves on with each look at it
    outbound = Outbound(
        allow_private=True, resolve=lambda _host, _port: ["127.0.0.1"], monotonic=lambda: next(ticks)
    )
    url = serve_once(raw_server, b"HTTP/1.1 200 OK\r\n")

    with pytest.raises(NoAnswer, match="within 10 s"):
        outbound.send("POST", url)


def test_a_host_without_an_address_is_said() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(NoAnswer, match="has no address"):
        Outbound(resolve=resolve).send("POST", "https://nowhere.example.com/")


def certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.com")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "certificate.pem"
    file.write_bytes(
        signed.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_certificates_are_checked_for_the_name_and_not_the_address(
    raw_server: socket.socket, tmp_path: Path
) -> None:
    context = certificate(tmp_path)
    names = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    def run() -> None:
        connection, _ = raw_server.accept()
        with connection, pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
            context.wrap_socket(connection, server_side=True)

    server = threading.Thread(target=run, daemon=True)
    server.start()

    with pytest.raises(NoAnswer, match="CERTIFICATE_VERIFY_FAILED"):
        to_receiver().send("POST", f"https://hooks.example.com:{raw_server.getsockname()[1]}/")
    server.join(60)

    assert names == ["hooks.example.com"]
