"""Which pages may embed: origins as browsers send them, and the rules that they are held against.

An origin is the triple of RFC 6454 as the HTML and Fetch standards serialise it; a rule is a CSP host-source
(CSP Level 3, section 2.3.1) cut down to what is safe. One parsed list drives CORS, `frame-ancestors`, the
message target and the token's origin, so that the gates cannot disagree.

Two traps lie outside this module. CSP upgrades http to https and the rules here do not: a frame may show on
the https page of an http rule, but gets no token. And CSP honours no IP address but 127.0.0.1, so that a rule
for another address opens the token endpoint only.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, Self
from unicodedata import category

import idna

from widgetsvc.errors import InvalidOriginRule
from widgetsvc.gateway.hosts import (
    MAX_HOST,
    hosts_strangers,
    is_address,
    is_below,
    is_ipv4,
    is_numeric,
    is_public_suffix,
    is_serialised_host,
    parents,
    serialise_ipv6,
)

__all__ = ["Origin", "OriginRule", "OriginRules", "candidate_rules", "port_suffix", "printable"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65_535
_MAX_TEXT = 300  # scheme, host and port are 8 + 253 + 6 characters at most
_MAX_ECHO = 256

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?")
_RULE = re.compile(r"(https?)://(.*)", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Origin:
    """A page's origin as it stands in the `Origin` header; `port` is None for the scheme's default."""

    scheme: str
    host: str
    port: int | None = None

    @classmethod
    def parse(cls, header: str | None) -> Self | None:
        """Return the header's origin, or None for anything that browsers do not send (RFC 6454, section 6.2).

        The text has to be canonical: lower case, no default port, IP addresses as the URL standard serialises
        them. Underscores and hyphens may stand where browsers let them stand. A final dot, which browsers do
        send for a page opened as `https://example.com./`, is refused nonetheless: no rule can name that host.
        """
        found = _ORIGIN.fullmatch(header or "")
        if found is None:
            return None
        scheme, host, digits = found.groups()
        port = int(digits) if digits else None
        if port == _DEFAULT_PORTS[scheme] or (port or 0) > _MAX_PORT or not is_serialised_host(host):
            return None
        return cls(scheme, host, port)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{port_suffix(self.port)}"


@dataclass(frozen=True, slots=True)
class OriginRule:
    """A rule that origins are held against. Only `parse` guarantees that `str(rule)` is safe in a CSP.

    `host` is without the `*.` that `subdomains` stands for; `port` is None for the scheme's default.
    """

    scheme: str
    host: str
    subdomains: bool = False
    port: int | Literal["*"] | None = None

    @classmethod
    def parse(cls, text: str) -> "OriginRule":
        """Normalise what an operator typed, or raise `InvalidOriginRule` saying what to write instead.

        Case, a default port, one final slash and international names (UTS 46, non-transitional) are put in
        order. `*.` in front stands for one or more labels, never for none; `:*` for every port, the default
        included.
        """
        try:
            return _read_rule(text)
        except _Fault as fault:
            message = f'"{printable(text)}" is not an origin rule: {fault.problem}. {fault.instead}'
            raise InvalidOriginRule(message, problem=fault.problem) from fault

    def matches(self, origin: Origin) -> bool:
        """Say whether the rule allows the origin."""
        if self.scheme != origin.scheme or self.port not in ("*", origin.port):
            return False
        return self.covers_host(origin.host)

    def covers_host(self, host: str) -> bool:
        """Say whether the host would match, whatever the scheme and port."""
        return is_below(host, self.host) if self.subdomains else host == self.host

    def __str__(self) -> str:
        return f"{self.scheme}://{'*.' if self.subdomains else ''}{self.host}{port_suffix(self.port)}"


@lru_cache(maxsize=256)
def candidate_rules(origin: Origin) -> tuple[str, ...]:
    """Return the canonical text of every rule that could match the origin, the most specific first.

    A store answers "who allows this origin?" with these in one indexed `IN (…)`. Only what `OriginRule.parse`
    accepts is among them, so that a `https://*.com` that got into a store by other means matches nothing.
    """
    ports = (port_suffix(origin.port), ":*")
    hosts = _candidate_hosts(origin.host)
    return tuple(f"{origin.scheme}://{host}{port}" for host in hosts for port in ports)


@dataclass(frozen=True, slots=True)
class OriginRules:
    """The rules of one tenant, in the order in which they were entered, each once.

    `ignored` holds the stored texts that are no rules and match nothing.
    """

    rules: tuple[OriginRule, ...] = ()
    ignored: tuple[str, ...] = ()
    _by_text: Mapping[str, OriginRule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_text", {str(rule): rule for rule in self.rules})

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Parse what an operator entered; the first text that is no rule raises `InvalidOriginRule`."""
        return cls(tuple(dict.fromkeys(OriginRule.parse(text) for text in texts)))

    @classmethod
    def from_store(cls, texts: Iterable[str]) -> Self:
        """Take what was stored; a text that is no rule in canonical form is ignored, and matches nothing.

        Other spellings of a rule are ignored as well, because a look-up by `candidate_rules` misses them.
        """
        stored = {text: _stored_rule(text) for text in texts}
        rules = tuple(rule for rule in stored.values() if rule is not None)
        return cls(rules, tuple(text for text, rule in stored.items() if rule is None))

    def __iter__(self) -> Iterator[OriginRule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def match(self, origin: Origin) -> OriginRule | None:
        """Return the most specific rule that allows the origin, or None."""
        found = (self._by_text[text] for text in candidate_rules(origin) if text in self._by_text)
        return next(found, None)

    def frame_ancestors(self) -> str:
        """Return the value of `frame-ancestors` (CSP Level 3, section 6.4.2): `'none'` without rules."""
        return " ".join(map(str, self.rules)) or "'none'"


# Ports and text


def port_suffix(port: int | str | None) -> str:
    """Return what stands behind the host in an origin or a rule."""
    return "" if port is None else f":{port}"


def printable(text: str) -> str:
    """Escape what logs and terminals might act on, bidirectional controls included, and bound the length."""
    cut = text[: _MAX_ECHO + 1]
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
    return safe if len(safe) <= _MAX_ECHO else f"{safe[: _MAX_ECHO - 1]}…"


# Reading a rule


class _Fault(Exception):
    """What is wrong with a rule, and a sentence on what to write instead."""

    def __init__(self, problem: str, instead: str) -> None:
        self.problem = problem
        self.instead = instead
        super().__init__(problem)


def _read_rule(text: str) -> OriginRule:
    _refuse_unusable(text)
    scheme, authority = _split_scheme(text)
    host, port = _split_port(authority)
    subdomains = host.startswith("*.")
    domain = _wildcard_domain(host[2:]) if subdomains else _rule_host(host)
    return OriginRule(scheme, domain, subdomains, _rule_port(port, scheme))


def _refuse_unusable(text: str) -> None:
    if len(text) > _MAX_TEXT:
        raise _Fault(f"it is longer than {_MAX_TEXT} characters", "Write scheme, host and port only.")
    if text == "*":
        raise _Fault("it would allow every page", "Write the origins that you trust, one per rule.")
    if text.lower() == "null":
        problem = "sandboxed and local pages of anybody send null"
        raise _Fault(problem, "Write the page's own origin, such as https://jobs.example.com.")
    if any(c in ",;" or c.isspace() for c in text):
        raise _Fault("it holds a space, comma or semicolon", "Write one origin per rule, and nothing else.")
    if any(c in "'\"`<>" or category(c) == "Cc" for c in text):
        raise _Fault("it holds a quote, bracket or control character", "Write the bare origin.")


def _split_scheme(text: str) -> tuple[str, str]:
    """Split into the lower-case scheme and the authority, dropping the one final slash that is tolerated."""
    found = _RULE.fullmatch(text)
    if found is None:
        problem = "it does not begin with https:// or http://, as all pages that can embed do"
        raise _Fault(problem, "Write an origin such as https://jobs.example.com.")
    scheme, rest = found[1].lower(), found[2].removesuffix("/")
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    if authority != rest:
        problem = "it holds a path, query or fragment"
        raise _Fault(problem, f"Write {scheme}://{printable(authority)} alone.")
    if "@" in authority:
        problem = "it holds a user name"
        raise _Fault(problem, f"Write {scheme}://{printable(authority.rpartition('@')[2])} alone.")
    return scheme, authority


def _split_port(authority: str) -> tuple[str, str | None]:
    bracket = authority.rfind("]") + 1
    rest, colon, port = authority[bracket:].partition(":")
    if ":" in port:
        raise _Fault("it holds more than one colon", "Write an IPv6 address in brackets: http://[::1]:8080.")
    return authority[:bracket] + rest, port if colon else None


def _rule_port(text: str | None, scheme: str) -> int | Literal["*"] | None:
    if text is None:
        return None
    if text == "*":
        return "*"
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= _MAX_PORT:
        instead = "Write such a number, :* for every port, or nothing for the default port."
        raise _Fault(f"its port is not a number from 1 to {_MAX_PORT}", instead)
    port = int(text)
    return None if port == _DEFAULT_PORTS[scheme] else port


def _rule_host(text: str) -> str:
    if not text:
        raise _Fault("it has no host", "Write an origin such as https://jobs.example.com.")
    if "*" in text:
        problem = "* can only stand for the whole leftmost part of a host, in front of a domain"
        raise _Fault(problem, "Write https://*.example.com for every sub-domain of example.com.")
    if "[" in text or "]" in text:
        return _rule_ipv6(text)
    host = _rule_domain(text)
    if is_numeric(host) and not is_ipv4(host):
        problem = "its host ends in a number, but is no IPv4 address"
        raise _Fault(problem, "Write an address as browsers do: http://127.0.0.1:3000.")
    return host


def _rule_ipv6(text: str) -> str:
    host = serialise_ipv6(text)
    if host is None:
        raise _Fault("its host is no IPv6 address", "Write one such as http://[::1]:8080.")
    return host


def _rule_domain(text: str) -> str:
    """Return the host in ASCII: UTS 46, section 4, with STD3 rules and without transitional mappings."""
    try:
        host = ".".join(_rule_label(label) for label in idna.uts46_remap(text).split("."))
    except idna.IDNAError as error:
        at = "" if error.codepoint is None else f" (U+{error.codepoint:04X})"
        instead = "Write it as a browser's address bar shows it, with letters, digits, dots and hyphens."
        raise _Fault(f"its host is not a valid domain name{at}", instead) from error
    if len(host) > MAX_HOST:
        raise _Fault(f"its host is longer than {MAX_HOST} characters", "Check the host.")
    return host


def _rule_label(label: str) -> str:
    if not label:
        problem = "its host begins or ends with a dot, or has two in a row"
        raise _Fault(problem, "Remove the surplus dot.")
    # idna refuses hyphens in third and fourth place, which real hosts have (pr--site.example.com).
    if not label.isascii() or label.startswith("xn--"):
        return idna.alabel(label).decode("ascii")
    if _LABEL.fullmatch(label) is None:
        problem = "a part of its host is longer than 63 characters, or begins or ends with a hyphen"
        raise _Fault(problem, "Check the host.")
    return label


def _wildcard_domain(text: str) -> str:
    domain = _rule_host(text)
    if is_address(domain) or domain == "localhost":
        problem = "its host has no sub-domains"
        raise _Fault(problem, f"Write http://{domain}, or http://{domain}:* for every port.")
    if is_public_suffix(domain):
        problem = "it would allow the sites of strangers, because anybody can have a domain there"
        raise _Fault(problem, f"Write it with a domain of your own: https://*.your-name.{domain}.")
    if hosts_strangers(domain):
        problem = "it would allow the sites of strangers, because anybody can have one further below"
        raise _Fault(problem, f"Write the hosts that you trust, such as https://your-name.{domain}.")
    return domain


# Every request reads its tenant's rules from the store, and reading one costs more than fetching it.
@lru_cache(maxsize=4_096)
def _stored_rule(text: str) -> OriginRule | None:
    try:
        rule = _read_rule(text)
    except _Fault:
        return None
    return rule if str(rule) == text else None


# From an origin to the rules that could match it


def _candidate_hosts(host: str) -> Iterator[str]:
    if _is_canonical(host, _rule_host):
        yield host
    if not is_address(host):
        yield from (f"*.{parent}" for parent in parents(host) if _is_canonical(parent, _wildcard_domain))


def _is_canonical(text: str, normalise: Callable[[str], str]) -> bool:
    try:
        return normalise(text) == text
    except _Fault:
        return False
