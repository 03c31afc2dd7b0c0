"""Fetching a partner's page: like a browser, but never from inside the operator's network."""

import socket
import threading
from collections.abc import Callable
from itertools import count

import pytest

from tests.receivers import Receiver, Reply
from widgetsvc.inspection.fetching import MAX_PAGE_BYTES, PageNotFetched, fetch_page
from widgetsvc.outbound import Outbound

HTML = {"Content-Type": "text/html; charset=utf-8"}


def private(resolve: list[str] | None = None) -> Outbound:
    return Outbound(allow_private=True, resolve=lambda _host, _port: resolve or ["127.0.0.1"])


def refused(*replies: Reply) -> str:
    with Receiver(*replies) as site, pytest.raises(PageNotFetched) as error:
        fetch_page(site.url, private())
    return str(error.value)


def test_a_page_comes_with_all_of_its_headers() -> None:
    with Receiver(Reply(200, HTML, "<p>Grüße".encode())) as site:
        page = fetch_page(f"{site.url}#part", private())
        request = site.next()

    assert (page.url, page.html, page.redirects) == (site.url, "<p>Grüße", 0)
    assert ("content-type", HTML["Content-Type"]) in page.headers
    assert request.headers["Accept"].startswith("text/html")


def test_a_header_that_comes_twice_is_there_twice() -> None:
    policies = b"Content-Security-Policy: img-src *\r\ncontent-security-policy: script-src 'self'\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n" + policies + b"\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        page = fetch_page(serve_once(server, answer), private())

    assert [value for name, value in page.headers if name == "content-security-policy"] == [
        "img-src *",
        "script-src 'self'",
    ]


def serve_once(server: socket.socket, said: bytes) -> str:
    def run() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(said)

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html; charset=iso-8859-1", "Grüße".encode("latin-1")),
        ("text/html; charset=no-such", "Grüße".encode()),
        ("application/xhtml+xml", "Grüße".encode()),
        ("TEXT/HTML", "Grüße".encode()),
    ],
)
def test_a_page_is_read_in_its_encoding(content_type: str, body: bytes) -> None:
    with Receiver(Reply(200, {"Content-Type": content_type}, body)) as site:
        assert fetch_page(site.url, private()).html == "Grüße"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/other?a=b#part", "/other?a=b"),
        ("next", "/next"),
        ("/gr\u00c3\u00bc\u00c3\u009fe", "/gr%C3%BC%C3%9Fe"),  # UTF-8, as Latin-1 carries it
    ],
)
def test_redirects_are_followed(location: str, path: str) -> None:
    with Receiver(Reply(302, {"Location": location}), Reply(200, HTML, b"here")) as site:
        page = fetch_page(site.url, private())
        site.next()

        assert site.next().path == path
    assert (page.html, page.redirects) == ("here", 1)
    assert page.url == f"http://127.0.0.1:{site.port}{path}"


def test_five_redirects_are_followed_and_no_more() -> None:
    turns = [Reply(303, {"Location": f"/{n}"}) for n in range(6)]
    with Receiver(*turns[:5], Reply(200, HTML, b"here")) as site:
        assert fetch_page(site.url, private()).redirects == 5

    assert "more than 5 redirects" in refused(*turns)


def test_an_address_with_letters_of_any_language_is_understood() -> None:
    with Receiver(Reply(200, HTML)) as site:
        fetch_page(f"http://bücher.example:{site.port}/straße", private())
        request = site.next()

    assert request.path == "/stra%C3%9Fe"
    assert request.headers["Host"] == f"xn--bcher-kva.example:{site.port}"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8081/", "http://localhost:8081/", "https://[::1]/", "http://169.254.169.254/latest"],
)
def test_an_address_of_the_own_network_is_refused(url: str) -> None:
    with pytest.raises(PageNotFetched, match="--allow-private"):
        fetch_page(url, Outbound(allow_http=True))


def test_a_name_that_leads_into_the_own_network_is_refused() -> None:
    outbound = Outbound(allow_http=True, resolve=lambda _host, _port: ["10.0.0.1"])

    with pytest.raises(PageNotFetched, match=r"leads to a private .* --allow-private"):
        fetch_page("http://www.acme.example/", outbound)


class Redirecting(Outbound):
    """A way out on which one public host's page is this machine's, so that what it leads to can be tried."""

    def __init__(self, site: Receiver) -> None:
        super().__init__(allow_http=True)
        self._site = site

    def send(self, method, url, **options):
        if url == "http://www.acme.example/":
            return private().send(method, self._site.url, **options)
        return super().send(method, url, **options)


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1/", "http://localhost:9/", "//10.0.0.1/x", "https://[fd00::1]/"]
)
def test_a_redirect_into_the_own_network_is_refused(location: str) -> None:
    with Receiver(Reply(302, {"Location": location})) as site, pytest.raises(PageNotFetched, match="private"):
        fetch_page("http://www.acme.example/", Redirecting(site))


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://www.acme.example/", "http://[::1"])
def test_a_redirect_to_what_is_no_page_is_refused(location: str) -> None:
    words = refused(Reply(302, {"Location": location}))

    assert "must begin with https:// or http://" in words or "is not a valid URL" in words


@pytest.mark.parametrize("url", ["www.acme.example/page", "file:///etc/passwd", "https://[::1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(PageNotFetched, match=r"must begin with https:// or http://|is not a valid URL"):
        fetch_page(url, Outbound(allow_http=True))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(404, HTML), "answers 404; there is no such page"),
        (Reply(401, HTML), "asks for a login"),
        (Reply(403, HTML), "refused to programs"),
        (Reply(429, HTML), "patience"),
        (Reply(500, HTML), "answers 500"),
        (Reply(302), "answers 302"),
        (Reply(200, {"Content-Type": "application/pdf"}), "no HTML page, but application/pdf"),
        (Reply(200), "no HTML page, but of no named type"),
        (Reply(200, {**HTML, "Content-Encoding": "br"}), "came compressed (br)"),
        (Reply(200, HTML, b"x" * (MAX_PAGE_BYTES + 1)), "more than 2 MB"),
    ],
    ids=["404", "401", "403", "429", "500", "302", "pdf", "untyped", "compressed", "large"],
)
def test_what_is_no_page_is_said(reply: Reply, words: str) -> None:
    assert words in refused(reply)


def test_a_page_that_breaks_off_is_said() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\nabc"
    server = socket.create_server(("127.0.0.1", 0))
    with server, pytest.raises(PageNotFetched, match="broke off"):
        fetch_page(serve_once(server, answer), private())


def test_a_site_that_is_not_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

    with pytest.raises(PageNotFetched, match="the exchange failed"):
        fetch_page(url, private())


def test_a_site_without_tls_where_https_is_asked_for_is_said() -> None:
    with Receiver() as site, pytest.raises(PageNotFetched, match=r"the exchange failed.*SSL"):
        fetch_page(site.url.replace("http:", "https:"), private())


@pytest.fixture
def hurried() -> Callable[[], float]:
    ticks = count(step=4)  # the clock moves on with each look at it
    return lambda: next(ticks)


def test_redirects_share_one_deadline(hurried: Callable[[], float]) -> None:
    with Receiver(*[Reply(302, {"Location": f"/{n}"}) for n in range(5)]) as site:
        with pytest.raises(PageNotFetched, match="was not reached within 10 s"):
            fetch_page(site.url, private(), hurried)

        assert site.received.qsize() == 2
