"""Content-Security-Policy as browsers read it: what a policy lets in, and what to add where it does not.

Source: CSP Level 3 (W3C Working Draft); the section of each algorithm stands beside it.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from html import escape
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

# Section 6.8.4, the fallback lists; the directive itself comes first.
_FALLBACKS: Mapping[str, tuple[str, ...]] = {
    "connect-src": ("connect-src", "default-src"),
    "frame-src": ("frame-src", "child-src", "default-src"),
    "script-src-elem": ("script-src-elem", "script-src", "default-src"),
    "style-src-elem": ("style-src-elem", "style-src", "default-src"),
    "style-src-attr": ("style-src-attr", "style-src", "default-src"),
}

# Where a directive for elements is not there, the one that it falls back to is what people write.
_USUAL = {"script-src-elem": "script-src", "style-src-elem": "style-src", "style-src-attr": "style-src"}

_SPACE = re.compile(r"[\t\n\f\r ]+")
_SCHEME_SOURCE = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_HOST_SOURCE = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?"
    r"(?P<host>\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)"
    r"(?::(?P<port>[0-9]+|\*))?"
    r"(?P<path>/[^?#]*)?",
    re.IGNORECASE,
)
_NONCE_SOURCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
_HASH_SOURCE = re.compile(r"'(sha256|sha384|sha512)-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")

Hash = tuple[str, bytes]


class Disposition(StrEnum):
    """Whether a policy is enforced, or only reports what it would keep out."""

    ENFORCE = "enforce"
    REPORT = "report"


class Where(StrEnum):
    """Where a policy came from."""

    HEADER = "header"
    META = "meta"


@dataclass(frozen=True, slots=True)
class Policy:
    """One serialised policy. Names of directives are lower case; of two of one name the first counts."""

    directives: Mapping[str, tuple[str, ...]]
    disposition: Disposition = Disposition.ENFORCE
    where: Where = Where.HEADER

    @classmethod
    def parse(
        cls, text: str, disposition: Disposition = Disposition.ENFORCE, where: Where = Where.HEADER
    ) -> Self:
        """Section 2.2.1, parse a serialized CSP."""
        directives: dict[str, tuple[str, ...]] = {}
        for token in text.split(";"):
            name, *values = _SPACE.sub(" ", token).strip().split(" ")
            if name and name.lower() not in directives:
                directives[name.lower()] = tuple(values)
        return cls(directives, disposition, where)

    def governing(self, directive: str) -> str | None:
        """The name of the directive that decides for another one; None where anything goes."""
        return next((name for name in _FALLBACKS[directive] if name in self.directives), None)

    def sources(self, directive: str) -> "SourceList | None":
        """What the governing directive allows; None where anything goes."""
        name = self.governing(directive)
        return None if name is None else SourceList(self.directives[name])

    def with_sources(self, directive: str, added: Iterable[str]) -> "Policy":
        """The policy that allows these sources, too, and is otherwise the same.

        Where it is a fallback that governs, the directive is added with the fallback's sources.
        """
        governing = self.governing(directive)
        if governing is None:
            return self
        usual = _USUAL.get(directive, directive)
        target = governing if governing in {directive, usual} else usual
        kept = [source for source in self.directives[governing] if source.lower() != "'none'"]
        wanted = tuple(dict.fromkeys([*kept, *added]))
        return replace(self, directives={**self.directives, target: wanted})

    def with_directive(self, name: str, values: Sequence[str]) -> "Policy":
        """The policy with a directive in place of the one of this name."""
        return replace(self, directives={**self.directives, name: tuple(values)})

    def __str__(self) -> str:
        return "; ".join(" ".join([name, *values]) for name, values in self.directives.items())

    def as_line(self) -> str:
        """What to paste: a header line, or the meta element that the policy stands in."""
        name = "Content-Security-Policy"
        if self.disposition is Disposition.REPORT:
            name += "-Report-Only"
        if self.where is Where.META:
            return f'<meta http-equiv="{name}" content="{escape(str(self), quote=False)}">'
        return f"{name}: {self}"


def parse_policies(
    text: str, disposition: Disposition = Disposition.ENFORCE, where: Where = Where.HEADER
) -> Iterator[Policy]:
    """Section 2.2.2, parse a response's CSPs: a header may hold several, with commas between them."""
    for part in text.split(","):
        policy = Policy.parse(part, disposition, where)
        if policy.directives:
            yield policy


@dataclass(frozen=True, slots=True)
class ScriptRequest:
    """A request for a script. `integrity` is the attribute of its element as it stands there."""

    url: str
    nonce: str = ""
    integrity: str = ""
    parser_inserted: bool = True


@dataclass(frozen=True, slots=True)
class SourceList:
    """A source list (section 2.3.1)."""

    expressions: tuple[str, ...]
    keywords: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keywords", frozenset(each.lower() for each in self.expressions))

    @property
    def nonces(self) -> frozenset[str]:
        """The nonces that are let in."""
        found = map(_NONCE_SOURCE.fullmatch, self.expressions)
        return frozenset(each[1] for each in found if each)

    @property
    def hashes(self) -> frozenset[Hash]:
        """The hashes that are let in."""
        found = (parse_hash(each) for each in self.expressions)
        return frozenset(each for each in found if each)

    @property
    def strict_dynamic(self) -> bool:
        """Whether hosts count for nothing, and scripts are let in by those that load them."""
        return "'strict-dynamic'" in self.keywords

    @property
    def all_inline_styles(self) -> bool:
        """Whether every inline style is allowed (section 6.7.3.2): a nonce or hash does away with that."""
        return "'unsafe-inline'" in self.keywords and not self.nonces and not self.hashes

    def allows_url(self, url: str, page: str) -> bool:
        """Section 6.7.2.7, does url match source list in origin with redirect count (of none)."""
        parts, own = urlsplit(url), urlsplit(page)
        return any(_matches(each, parts, own) for each in self.expressions)

    def allows_script(self, request: ScriptRequest, page: str) -> bool:
        """Section 6.7.1.1, script directives pre-request check."""
        if request.nonce and request.nonce in self.nonces:
            return True
        if self.hashes:
            wanted = set(parse_integrity(request.integrity))
            if wanted and wanted <= self.hashes:
                return True
        if self.strict_dynamic:
            return not request.parser_inserted
        return self.allows_url(request.url, page)

    def allows_style(self, text: str) -> bool:
        """Whether a style element without a nonce is let in (section 6.7.3.3)."""
        digests = (
            (name, hashlib.new(name, text.encode()).digest()) for name in ("sha256", "sha384", "sha512")
        )
        return self.all_inline_styles or not self.hashes.isdisjoint(digests)

    def missing_styles(self, hashes: Iterable[str]) -> list[str]:
        """Those of the hashes of inline styles that are kept out (section 6.7.3.3)."""
        return (
            [] if self.all_inline_styles else [each for each in hashes if parse_hash(each) not in self.hashes]
        )


def parse_hash(expression: str) -> Hash | None:
    """The algorithm and digest of a hash-source; base64url counts as base64."""
    found = _HASH_SOURCE.fullmatch(expression)
    if found is None:
        return None
    text = found[2].replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return found[1].lower(), base64.b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None


def parse_integrity(metadata: str) -> list[Hash]:
    """The hashes of an integrity attribute (W3C SRI, section 3.3.2); what is none is left out."""
    found = (parse_hash(f"'{each.partition('?')[0]}'") for each in metadata.split())
    return [each for each in found if each]


# Section 6.7.2.8, does url match expression in origin


def _matches(expression: str, url: SplitResult, page: SplitResult) -> bool:
    if expression == "*":
        return url.scheme in {"http", "https"} or _scheme_matches(page.scheme, url.scheme)
    if expression.lower() == "'self'":
        return _is_self(url, page)
    scheme = _SCHEME_SOURCE.fullmatch(expression)
    if scheme:
        return _scheme_matches(scheme[1].lower(), url.scheme)
    host = _HOST_SOURCE.fullmatch(expression)
    return host is not None and (
        _scheme_matches((host["scheme"] or page.scheme).lower(), url.scheme)
        and _host_matches(host["host"].lower(), url.hostname or "")
        and _port_matches(host["port"] or "", url)
        and _path_matches(host["path"] or "", url.path)
    )


def _scheme_matches(pattern: str, scheme: str) -> bool:
    upgrades = {"http": {"https"}, "ws": {"wss", "http", "https"}, "wss": {"https"}}
    return pattern == scheme or scheme in upgrades.get(pattern, ())


def _host_matches(pattern: str, host: str) -> bool:
    if pattern == "*":
        return bool(host)
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    # Of all addresses only this one can be named (section 6.7.2.10).
    return pattern == host and (pattern == "127.0.0.1" or not _IPV4.fullmatch(pattern))


def _port_matches(pattern: str, url: SplitResult) -> bool:
    port = url.port or _DEFAULT_PORTS.get(url.scheme)
    if pattern == "*":
        return True
    return port == (int(pattern) if pattern else _DEFAULT_PORTS.get(url.scheme))


def _path_matches(pattern: str, path: str) -> bool:
    if not pattern or (pattern == "/" and not path):
        return True
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) > len(given):
        return False
    if pattern.endswith("/"):
        wanted.pop()
    elif len(wanted) != len(given):
        return False
    return all(unquote(a) == unquote(b) for a, b in zip(wanted, given, strict=False))


def _is_self(url: SplitResult, page: SplitResult) -> bool:
    ports = [each.port or _DEFAULT_PORTS.get(each.scheme) for each in (url, page)]
    if (url.scheme, url.hostname, ports[0]) == (page.scheme, page.hostname, ports[1]):
        return True
    same_port = ports[0] == ports[1] or all(
        port == _DEFAULT_PORTS.get(each.scheme) for port, each in zip(ports, (url, page), strict=True)
    )
    return (
        url.hostname == page.hostname
        and same_port
        and (url.scheme in {"https", "wss"} or (page.scheme == "http" and url.scheme == "ws"))
    )
