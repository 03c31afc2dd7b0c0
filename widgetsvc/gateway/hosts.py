"""Hosts as browsers write them in an origin, and which of them belong to one owner.

Source: URL standard; the public suffix list.
"""

import re
from functools import cache
from importlib import resources
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from publicsuffixlist import PublicSuffixList

MAX_HOST = 253  # RFC 1035, without the final dot

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IPV6 = re.compile(r"\[([0-9a-f:.]+)\]", re.IGNORECASE)


def is_below(host: str, domain: str) -> bool:
    """Say whether the host is a sub-domain of the domain, at any depth."""
    return host.endswith(f".{domain}")


def parents(domain: str) -> list[str]:
    """Return the domains above this one, the nearest first."""
    labels = domain.split(".")
    return [".".join(labels[i:]) for i in range(1, len(labels))]


def is_serialised_host(host: str) -> bool:
    """Say whether the text is a host in the form that browsers give it."""
    if host.startswith("["):
        return serialise_ipv6(host) == host
    if is_numeric(host):
        return is_ipv4(host)
    return len(host) <= MAX_HOST and all(0 < len(label) <= 63 for label in host.split("."))


def is_address(host: str) -> bool:
    """Say whether the host is an IP address rather than a name."""
    return host.startswith("[") or is_numeric(host)


def is_numeric(host: str) -> bool:
    """Say whether browsers take the host for an IPv4 address (URL standard, "ends in a number checker")."""
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def is_ipv4(host: str) -> bool:
    """Say whether the host is an IPv4 address as browsers write it."""
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False


def serialise_ipv6(host: str) -> str | None:
    """Return the bracketed address as browsers write it (URL standard, "IPv6 serializer"), if it is one."""
    found = _IPV6.fullmatch(host)
    if found is None:
        return None
    try:
        address = IPv6Address(found[1])
    except AddressValueError:
        return None
    mapped = address.ipv4_mapped
    if mapped is None:
        return f"[{address}]"
    # Newer Pythons write [::ffff:127.0.0.1] here; browsers keep to hexadecimal.
    high, low = divmod(int(mapped), 0x10000)
    return f"[::ffff:{high:x}:{low:x}]"


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@cache
def _hosting_domains() -> frozenset[str]:
    # Most are no public suffixes themselves, yet a wildcard on one would take in the sites of strangers.
    file = resources.files("publicsuffixlist") / "public_suffix_list.dat"
    lines = (line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("//"))
    suffixes = (line.split()[0].lstrip("!*.") for line in lines)
    return frozenset(parent for suffix in suffixes for parent in parents(suffix))


def is_public_suffix(domain: str) -> bool:
    """Say whether anybody can register a name right below the domain."""
    return _public_suffixes().is_public(domain)


def hosts_strangers(domain: str) -> bool:
    """Say whether the domain has public suffixes further below, such as amazonaws.com."""
    return domain in _hosting_domains()


def registrable_domain(host: str) -> str | None:
    """Return the part of the host that one owner has registered, if there is one."""
    return None if is_address(host) else _public_suffixes().privatesuffix(host)
