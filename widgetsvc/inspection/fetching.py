"""Fetches the page to be examined as a browser would, but never from inside the operator's network.

Each redirect is an address of somebody else's choice, and is checked like the first (`widgetsvc.outbound`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin

from werkzeug.http import parse_options_header
from werkzeug.urls import iri_to_uri

from widgetsvc import __version__
from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.outbound import AddressRefused, Answer, NoAnswer, Outbound, PrivateAddress

MAX_PAGE_BYTES = 2_000_000
MAX_REDIRECTS = 5
TOTAL_SECONDS = 10.0
"""How long all of it may take, redirects included."""

_REDIRECTS = {301, 302, 303, 307, 308}
_HTML = {"text/html", "application/xhtml+xml"}
_HEADERS = {
    "Accept": "text/html,application/xhtml+xml",
    "Accept-Encoding": "identity",
    "User-Agent": f"Mozilla/5.0 (compatible; widgetsvc-doctor/{__version__})",
}
_EXPLAINED = {
    401: "it asks for a login: examine a page that visitors see without one",
    403: "it is refused to programs, or to this machine: a firewall or a robot check may be in front of it",
    404: "there is no such page: check its address",
    429: "the site asks for patience: try again in a few minutes",
}


class PageNotFetched(Exception):
    """There is no page to examine; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page as it came. `url` is where the redirects ended; names of headers are lower case."""

    url: str
    headers: Sequence[tuple[str, str]]
    html: str
    redirects: int
    size: int


def fetch_page(url: str, outbound: Outbound, monotonic: Clock = monotonic_clock) -> FetchedPage:
    """Fetch a page. Raises PageNotFetched."""
    end = monotonic() + TOTAL_SECONDS
    url = _resolved(url, url)
    for redirects in range(MAX_REDIRECTS + 1):
        answer = _get(url, outbound, end - monotonic())
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or location is None:
            return _page(url, answer, redirects)
        # Servers send what is not ASCII as UTF-8, which arrived as Latin-1.
        target = location.encode("latin-1").decode("utf-8", errors="replace")
        url = _resolved(url, target)
    raise PageNotFetched(
        f"there are more than {MAX_REDIRECTS} redirects, the last to {url}; "
        "the site may wait for a cookie: give the address at which visitors arrive"
    )


def _resolved(base: str, target: str) -> str:
    try:
        return urldefrag(urljoin(base, iri_to_uri(target))).url
    except ValueError as error:
        raise PageNotFetched(f"{target[:200]!r} is not a valid URL") from error


def _get(url: str, outbound: Outbound, seconds: float) -> Answer:
    if seconds <= 0:
        raise PageNotFetched(f"{url} was not reached within {TOTAL_SECONDS:.0f} s")
    try:
        return outbound.send("GET", url, headers=_HEADERS, max_answer=MAX_PAGE_BYTES, seconds=seconds)
    except PrivateAddress as error:
        raise PageNotFetched(
            f"{url} {error}; --allow-private examines pages of this machine and its network"
        ) from error
    except AddressRefused as error:
        raise PageNotFetched(f"{url} {error}") from error
    except NoAnswer as error:
        raise PageNotFetched(f"{url}: {_in_words(str(error))}") from error


def _in_words(error: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return f"its certificate is not one that browsers trust: {error}"
    return error


def _page(url: str, answer: Answer, redirects: int) -> FetchedPage:
    if answer.status != 200:
        why = _EXPLAINED.get(answer.status, "look at the site's own log")
        raise PageNotFetched(f"{url} answers {answer.status}; {why}")
    kind, options = parse_options_header(answer.headers.get("content-type", ""))
    if kind.lower() not in _HTML:
        raise PageNotFetched(f"{url} is no HTML page, but {kind or 'of no named type'}")
    encoding = answer.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise PageNotFetched(f"{url} came compressed ({encoding}), although it was asked for without")
    if not answer.complete:
        if len(answer.body) >= MAX_PAGE_BYTES:
            raise PageNotFetched(f"{url} has more than {MAX_PAGE_BYTES // 1_000_000} MB of HTML")
        raise PageNotFetched(f"{url} broke off, or did not come whole within {TOTAL_SECONDS:.0f} s")
    html = _decoded(answer.body, options.get("charset", "utf-8"))
    return FetchedPage(url, answer.fields, html, redirects, len(answer.body))


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")
