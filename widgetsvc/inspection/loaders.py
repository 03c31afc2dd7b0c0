"""The tags that load the loader: whether browsers run what they name, and for how long they will."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from widgetsvc.inspection.csp import parse_integrity
from widgetsvc.inspection.findings import Finding, Status
from widgetsvc.inspection.pages import Page, Tag
from widgetsvc.snippets import Attributes, Installation
from widgetsvc.urls import origin_of

CHECK = "loader"

_LATEST = "/embed.js"
_LIKE_OURS = re.compile(r"/embed(?:\.js|/[^/]+/[^/]+\.js)")
_EMBEDDING = {"data-key", "data-element", "data-widget"}
_SCRIPT_TYPES = {"", "text/javascript", "application/javascript", "application/ecmascript", "text/ecmascript"}
_REPLACED = {"async", "defer", "src", "integrity", "crossorigin", "type", "nomodule"}


@dataclass(frozen=True, slots=True)
class LoaderTag:
    """A script element that names a loader: this installation's, current or not, or another one's."""

    tag: Tag
    url: str
    is_ours: bool

    @property
    def path(self) -> str:
        """What is loaded, on the service."""
        return urlsplit(self.url).path

    @property
    def is_pinned(self) -> bool:
        """Whether its address says its content."""
        return self.path != _LATEST

    @property
    def embeds(self) -> bool:
        """Whether it is an embed, too."""
        return not _EMBEDDING.isdisjoint(self.tag.attributes)

    @property
    def integrity(self) -> str:
        """The attribute, empty where it is not there or holds no hash, which browsers take for the same."""
        text = self.tag.attributes.get("integrity", "")
        return text if parse_integrity(text) else ""

    def corrected(self, installation: Installation, *, pinned: bool = True) -> str:
        """The tag with the current loader in it, and whatever else it has."""
        kept: Attributes = [
            # Nonces are new with each page.
            (name, "…" if name == "nonce" else value or None)
            for name, value in self.tag.attributes.items()
            if name not in _REPLACED
        ]
        return installation.script_tag(kept, pinned=pinned)


def find_loaders(page: Page, installation: Installation) -> list[LoaderTag]:
    """The tags that name a loader, in the order of the document."""
    found = []
    for tag in page.tags:
        source = tag.attributes.get("src", "") if tag.name == "script" else ""
        url = page.resolve(source) if source else None
        if url is None or not _LIKE_OURS.fullmatch(urlsplit(url).path):
            continue
        loader = LoaderTag(tag, url, is_ours=_same_host(url, installation.public_url))
        # Others, too, have a script of this name: it is known by what it is told.
        if loader.is_ours or loader.embeds:
            found.append(loader)
    return found


def _same_host(url: str, public_url: str) -> bool:
    """Whether the hosts are the same; https and http on their usual ports count as one."""
    if origin_of(url) == public_url:
        return True
    a, b = urlsplit(url), urlsplit(public_url)
    return a.hostname == b.hostname and origin_of(url) is not None and a.port is None and b.port is None


def judge_loaders(loaders: Sequence[LoaderTag], page: Page, installation: Installation) -> Iterator[Finding]:
    """Say of each tag whether it does its work."""
    for loader in loaders:
        place = f"line {loader.tag.line}"
        if not loader.is_ours:
            other = origin_of(loader.url)
            words = f"{place}: loads from {other}, but this installation is {installation.public_url}"
            yield Finding(CHECK, Status.WARNING, f"{words} (WIDGETSVC_PUBLIC_URL)")
            continue
        problems = [*_problems(loader, page, installation)]
        for status, words, fix in problems:
            yield Finding(CHECK, status, f"{place}: {words}", fix)
        if not problems:
            yield Finding(CHECK, Status.OK, *_praise(loader, place, installation))


_Problem = tuple[Status, str, str | None]


def _problems(loader: LoaderTag, page: Page, installation: Installation) -> Iterator[_Problem]:
    fix = loader.corrected(installation, pinned=loader.is_pinned)
    kind = loader.tag.attributes.get("type", "").strip().lower()
    if kind == "module":
        words = "is loaded as a module, which does not know its own tag; load it as a plain script"
        yield Status.FAULT, words, fix
    elif kind not in _SCRIPT_TYPES:
        words = (
            f'has type="{kind}": browsers do not run it before something (a consent manager?) changes that'
        )
        yield Status.WARNING, words, None
    if "nomodule" in loader.tag.attributes:
        yield Status.FAULT, "has nomodule: no browser of today runs it", fix
    if loader.is_pinned and loader.path not in installation.loader.files:
        yield Status.FAULT, f"{loader.path} is not there, so nothing is loaded", fix
        return
    if loader.path in {part.path for part in installation.loader.parts.values()}:
        yield Status.FAULT, f"{loader.path} is only a part of the loader, and not its beginning", fix
        return
    yield from _integrity_problems(loader, page, installation, fix)
    if loader.tag.attributes.keys().isdisjoint({"async", "defer"}):
        yield Status.WARNING, "has no async, so the page waits for it", fix
    if loader.tag.in_head and loader.embeds and loader.tag.attributes.get("data-form") != "floating":
        words = "stands in the head, so the calendar appears at the end of the page; move it to its place"
        yield Status.WARNING, words, None


def _integrity_problems(
    loader: LoaderTag, page: Page, installation: Installation, fix: str
) -> Iterator[_Problem]:
    crossorigin = loader.tag.attributes.get("crossorigin")
    is_foreign = origin_of(loader.url) != origin_of(page.url)
    if crossorigin is not None and crossorigin.strip().lower() == "use-credentials":
        words = 'has crossorigin="use-credentials", for which the service gives no leave; browsers refuse it'
        yield Status.FAULT, words, fix
    elif loader.integrity and crossorigin is None and is_foreign:
        words = "has integrity without crossorigin: browsers check nothing of another origin, and refuse it"
        yield Status.FAULT, words, fix
    if not loader.integrity:
        if loader.is_pinned:
            yield Status.WARNING, "is pinned, but without integrity", fix
        return
    path = loader.path if loader.is_pinned else installation.loader.core.path
    matches = _has_integrity(installation.loader.files[path].read_bytes(), loader.integrity)
    if not matches:
        words = "its integrity is not that of the file, so browsers refuse it"
        yield Status.FAULT, words, loader.corrected(installation)
    elif not loader.is_pinned:
        words = f"has integrity, but {_LATEST} changes with the next version; name the file that stays"
        yield Status.WARNING, words, loader.corrected(installation)


def _has_integrity(content: bytes, metadata: str) -> bool:
    """W3C SRI, section 3.3.4: of several algorithms only the strongest counts."""
    hashes = parse_integrity(metadata)
    strongest = max(algorithm for algorithm, _ in hashes)
    return any(
        hashlib.new(algorithm, content).digest() == digest
        for algorithm, digest in hashes
        if algorithm == strongest
    )


def _praise(loader: LoaderTag, place: str, installation: Installation) -> tuple[str, str | None]:
    if not loader.is_pinned:
        return f"{place}: always the current version, {installation.loader.version}", None
    version = loader.path.split("/")[2]
    words = f"{place}: version {version}, pinned with integrity"
    if loader.path == installation.loader.core.path:
        return words, None
    return f"{words}; it goes on working, and this is the current one:", loader.corrected(installation)
