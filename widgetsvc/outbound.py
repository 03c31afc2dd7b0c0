"""Requests to addresses that somebody else has chosen: callbacks, key sets, pages to be looked at.

Such an address must not lead into the operator's own network (server-side request forgery). A host is looked
up once, every address it has must be on the public internet, and the connection goes to one of these very
addresses, so that a name that answers differently the next time (DNS rebinding) gains nothing. No redirect is
followed, no proxy is read from the environment, and no connection is kept.

Source: OWASP, Server-Side Request Forgery Prevention; the IANA special-purpose address registries.
"""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

import httpcore

from widgetsvc.clock import Clock, monotonic_clock

TOTAL_SECONDS = 10.0
"""How long one exchange may take, from the look-up of the host to the answer's last byte."""

MAX_ANSWER_BYTES = 65_536
MAX_URL = 2_048
_MAX_WORDS = 200

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""Finds the IP addresses of a host; raises OSError where there are none."""

_PORTS = {"https": 443, "http": 80}
_URL = re.compile(r"[!#-;=?-\[\]_a-z~]+")  # printable ASCII that RFC 3986 allows somewhere
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")

# Names that only the operator's own network answers for (RFC 6761, 6762, 8375; ICANN's .internal).
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".localdomain", ".lan", ".intranet")

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_NEVER_IPV4 = (
    IPv4Network("192.0.0.0/24"),  # protocols' own, and Oracle's metadata
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, whose far end is anywhere
    IPv4Network("168.63.129.16/32"),  # Azure's metadata, in the midst of public addresses
)
_NEVER_IPV6 = (
    IPv6Network("2001::/23"),  # Teredo and other protocols' own
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4: an IPv4 address of anybody's choice is inside
    IPv6Network("3fff::/20"),  # documentation, and newer than some of Python's tables
)


class AddressRefused(Exception):
    """The address is none that requests are sent to; the text follows the name of what holds the address."""


class PrivateAddress(AddressRefused):
    """The address is, or leads, inside of a network that is not the public internet."""


class NoAnswer(Exception):
    """Nothing that can be used came back; the text says why, for operators."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Names of headers are lower case; a header that came twice has its last value.

    `complete` is False where the body is longer than was asked for, was cut off or came too slowly. `fields`
    are the headers as they came, one by one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool
    fields: Sequence[tuple[str, str]] = ()


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, the one inside of another included."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
        if inner is not None:
            return is_public(inner)
        return (
            address in _GLOBAL_IPV6
            and address.is_global
            and not any(address in network for network in _NEVER_IPV6)
        )
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NEVER_IPV4)
    )


def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system for a host's addresses. Raises OSError where there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    target: str


class Outbound:
    """Sends requests to addresses of others.

    `allow_private` is for development: it lets http and addresses inside the own network through.
    `allow_http` lets http through, and no such address.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        allow_http: bool = False,
        resolve: Resolve = system_resolve,
        monotonic: Clock = monotonic_clock,
    ) -> None:
        self._allow_private = allow_private
        self._schemes = ("https", "http") if allow_private or allow_http else ("https",)
        self._resolve = resolve
        self._monotonic = monotonic

    def check(self, url: str) -> None:
        """Raise AddressRefused for a URL that requests will never go to. Asks nobody, so it is quick."""
        self._parse(url)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        max_answer: int = MAX_ANSWER_BYTES,
        seconds: float = TOTAL_SECONDS,
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        Raises AddressRefused before anything is sent, and NoAnswer where none comes within `seconds`.
        """
        target = self._parse(url)
        deadline = _Deadline(self._monotonic, seconds)
        addresses = self._addresses(target, deadline)
        origin = httpcore.Origin(target.scheme.encode(), target.host.encode(), target.port)
        connection = httpcore.HTTPConnection(
            origin,
            ssl_context=self._tls if target.scheme == "https" else None,
            network_backend=_Pinned(addresses, deadline),
        )
        request = httpcore.URL(
            scheme=origin.scheme, host=origin.host, port=target.port, target=target.target.encode()
        )
        given = [("Host", _host_header(target)), *(headers or {}).items()]
        try:
            with connection, connection.stream(method, request, headers=given, content=body) as response:
                return _read(response, max_answer)
        except (httpcore.TimeoutException, _TooLate):
            raise NoAnswer(f"no answer within {seconds:.0f} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            # The words may quote the other side, at any length.
            words = str(error)[:_MAX_WORDS]
            raise NoAnswer(f"the exchange failed ({type(error).__name__}: {words})") from error

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpcore.default_ssl_context()

    def _parse(self, url: str) -> _Target:
        if len(url) > MAX_URL:
            raise AddressRefused(f"must have at most {MAX_URL} characters")
        if not _URL.fullmatch(url):
            raise AddressRefused(
                "must be a URL in plain ASCII (a host in Punycode, all else percent-encoded), without spaces"
            )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise AddressRefused("is not a valid URL") from None
        host = (parts.hostname or "").removesuffix(".")
        if parts.scheme not in self._schemes or not parts.netloc:
            raise AddressRefused(f"must begin with {' or '.join(f'{name}://' for name in self._schemes)}")
        if "@" in parts.netloc:
            raise AddressRefused("must not hold a user name or password")
        if port == 0:
            raise AddressRefused("has a port that cannot be")
        self._check_host(host, bracketed="[" in parts.netloc)
        return _Target(parts.scheme, host, port or _PORTS[parts.scheme], _request_target(parts))

    def _check_host(self, host: str, *, bracketed: bool) -> None:
        address = _literal(host, bracketed=bracketed)
        if address is None and not _NAME.fullmatch(host) and not (self._allow_private and host):
            raise PrivateAddress("must name a host on the public internet, such as hooks.example.com")
        if self._allow_private:
            return
        if address is not None and not is_public(address):
            raise PrivateAddress("must not lead to a private or reserved address")
        if address is None and f".{host}".endswith(_PRIVATE_SUFFIXES):
            raise PrivateAddress("must not name a host of a private network")

    def _addresses(self, target: _Target, deadline: "_Deadline") -> Sequence[str]:
        found = self._look_up(target.host, target.port, deadline)
        if not self._allow_private and not all(is_public(ip_address(address)) for address in found):
            raise PrivateAddress("leads to a private or reserved address")
        return found

    def _look_up(self, host: str, port: int, deadline: "_Deadline") -> Sequence[str]:
        """Ask in a thread that can be left behind: the system's resolver takes as long as it likes."""
        future: Future[Sequence[str]] = Future()

        def ask() -> None:
            try:
                future.set_result(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                future.set_exception(error)

        threading.Thread(target=ask, name="look-up", daemon=True).start()
        try:
            found = future.result(deadline.remaining())
        except (OSError, UnicodeError) as error:
            if isinstance(error, TimeoutError):
                raise NoAnswer("the host's address was not found in time") from None
            raise NoAnswer(f"the host has no address ({error})") from error
        if not found:
            raise NoAnswer("the host has no address")
        return found


def _literal(host: str, *, bracketed: bool) -> Address | None:
    """The address that a host is written as, in any form that systems read one from; None for names."""
    try:
        if bracketed:
            return IPv6Address(host.replace("%", " "))  # without a zone, which is a matter of one machine
        # Octal, hexadecimal and short forms included: the system's resolver reads them, too.
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        if bracketed:
            raise AddressRefused("is not a valid URL") from None
        return None


def _request_target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _host_header(target: _Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == _PORTS[target.scheme] else f"{host}:{target.port}"


def _read(response: httpcore.Response, max_answer: int) -> Answer:
    fields = [(name.decode("ascii").lower(), value.decode("latin-1")) for name, value in response.headers]
    body = bytearray()
    complete = True
    try:
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > max_answer:
                complete = False
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, _TooLate):
        complete = False
    return Answer(response.status, dict(fields), bytes(body[:max_answer]), complete, fields)


class _TooLate(Exception):
    pass


class _Deadline:
    """The end of an exchange. httpcore times each read, so that an answer that drips would never end."""

    def __init__(self, monotonic: Clock, seconds: float) -> None:
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def remaining(self) -> float:
        """Seconds that are left. Raises _TooLate where none are."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise _TooLate
        return left


class _Pinned(httpcore.NetworkBackend):
    """Connects to addresses that have been checked, whatever host it is asked for."""

    def __init__(self, addresses: Sequence[str], deadline: _Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._system = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name has been looked up
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is the exchange's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        for tried, address in enumerate(self._addresses[:-1]):
            share = self._deadline.remaining() / (len(self._addresses) - tried)
            try:
                stream = self._system.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
            return _Timed(stream, self._deadline)
        stream = self._system.connect_tcp(
            self._addresses[-1], port, self._deadline.remaining(), local_address, socket_options
        )
        return _Timed(stream, self._deadline)


class _Timed(httpcore.NetworkStream):
    """A stream whose reads and writes all end at one deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._deadline.remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._deadline.remaining())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.remaining())
        return _Timed(stream, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
