"""Embed assertions: short-lived JWTs with which a tenant's server vouches for a visitor.

The rules are those of RFC 8725 (JWT best current practices): the algorithm belongs to the key, the key is
found by its id among the tenant's own, nothing that a token names is ever fetched, and what is not understood
is refused.

    {"alg": "HS256", "kid": "…"}
    {"iss": "acme", "aud": "https://w.example.com", "iat": 1900000000, "exp": 1900000300,
     "element": "slot-picker", "calendars": ["store-42"], "permissions": ["availability"], "sub": "visitor-7"}

`element`, `calendars` and `permissions` only narrow what the tenant may do anyway.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from unicodedata import category

from joserfc.util import urlsafe_b64decode

from widgetsvc.errors import ExpiredAssertion, InvalidAssertion
from widgetsvc.gateway.signatures import SigningAlgorithm, SigningKey
from widgetsvc.permissions import Element, Permission

MAX_LENGTH = 8 * 1024
MAX_LIFETIME = 3600
LEEWAY = 60
_MAX_TEXT = 255
_LAST_SECOND = 253_402_300_799  # of the year 9999; milliseconds of our time lie far beyond it

_HEADERS = frozenset({"alg", "kid", "typ"})
_NARROWING = frozenset({"element", "calendars", "permissions"})
_CLAIMS = _NARROWING | {"iss", "aud", "iat", "exp", "nbf", "sub", "jti"}

_Choice = TypeVar("_Choice", Element, Permission)
FindKey = Callable[[str], SigningKey | None]
"""Finds a tenant's key by its kid."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a verified assertion narrows an embed to; None where it says nothing.

    `viewer` is the tenant's own name for the visitor, and stays out of `repr` and so out of logs.
    `expires_at` is in Unix seconds; the assertion is accepted for LEEWAY seconds more.
    """

    element: Element | None
    permissions: frozenset[Permission] | None
    calendars: frozenset[str] | None
    viewer: str | None = field(repr=False)
    expires_at: int
    jti: str | None = None


def verify_assertion(token: str, *, find_key: FindKey, issuer: str, audience: str, now: float) -> Assertion:
    """Verify an assertion with the tenant's key of its `kid`, and return what it narrows the embed to.

    `issuer` is the tenant's slug and `audience` the service's public URL. Whatever the token is, the only
    errors are `InvalidAssertion` and, for one that is sound but over, `ExpiredAssertion`.
    """
    segments = _segments(token)
    key = _find_key(_read_object(segments[0], "header"), find_key, now)
    _check_signature(token, segments[2], key)
    claims = _read_object(segments[1], "payload")
    _check_names(claims)
    _check_parties(claims, issuer, audience)
    assertion = Assertion(
        element=_element(claims),
        permissions=_permissions(claims),
        calendars=_calendars(claims),
        viewer=_optional_text(claims, "sub"),
        expires_at=_seconds(claims, "exp"),
        jti=_optional_text(claims, "jti"),
    )
    _check_times(claims, now)
    return assertion


def unverified_issuer(token: str) -> str:
    """Return whom the token claims to be from, to find the tenant whose keys it has to be verified with.

    Nothing is proved by it. Raises `InvalidAssertion` where the token says nothing usable.
    """
    return _text(_read_object(_segments(token)[1], "payload").get("iss"), "iss")


# Reading


def _segments(token: str) -> list[str]:
    if len(token) > MAX_LENGTH:
        raise InvalidAssertion(f"The assertion is longer than {MAX_LENGTH} characters.")
    segments = token.split(".")
    if len(segments) != 3 or not token.isascii():
        raise InvalidAssertion(
            "The assertion is not a signed JWT: three parts in base64url, joined by dots. "
            "Send it as the JWT library returns it."
        )
    return segments


def _read_object(segment: str, part: str) -> dict[str, object]:
    try:
        return _parse_object(urlsafe_b64decode(segment.encode("ascii")))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidAssertion(
            f"The assertion's {part} is not a JSON object in base64url without padding, each name in it once."
        ) from error


def _parse_object(data: bytes) -> dict[str, object]:
    """Parse UTF-8 only (RFC 8725, section 3.7), no name twice (RFC 7519, section 4), no NaN."""
    value = _STRICT_JSON.decode(data.decode("utf-8"))
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_STRICT_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _shown(value: object) -> str:
    """Quote a value of the token in ASCII, escaped and cut; nested ones could be too deep to print."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = ascii(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


# The key


def _find_key(header: Mapping[str, object], find_key: FindKey, now: float) -> SigningKey:
    """Find the key by its id alone; the token has no say in which algorithm it is used with."""
    _check_header_names(header)
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise InvalidAssertion("The assertion's header has no kid. Put the signing key's kid there.")
    key = find_key(kid)
    if key is None or not key.is_valid(now):
        raise InvalidAssertion(f"The tenant has no signing key with the kid {_shown(kid)}.")
    if header.get("alg") != key.alg.value:
        raise InvalidAssertion(
            f"The assertion's alg is {_shown(header.get('alg'))}; its key signs with {key.alg.value} only."
        )
    return key


def _check_header_names(header: Mapping[str, object]) -> None:
    unknown = sorted(header.keys() - _HEADERS)
    if unknown:
        # Among them jwk, jku, x5u and x5c, which bring their own key, and crit and b64, which bend the rules.
        names = _shown(", ".join(unknown))
        raise InvalidAssertion(f"The assertion's header carries {names}; it may carry alg, kid and typ only.")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise InvalidAssertion(f"The assertion's typ is {_shown(kind)}. It has to be JWT, or left out.")


def _check_signature(token: str, segment: str, key: SigningKey) -> None:
    signed = token.rpartition(".")[0].encode("ascii")
    try:
        proved = key.verifies(signed, urlsafe_b64decode(segment.encode("ascii")))
    except ValueError:  # no base64url in its canonical form
        proved = False
    if not proved:
        how = (
            "Sign with the secret's text exactly as it was issued, without decoding it"
            if key.alg is SigningAlgorithm.HS256
            else "Sign with the private key that belongs to the registered public key"
        )
        raise InvalidAssertion(
            f"The assertion's signature does not match its key. {how}, and with the key that the kid names."
        )


# The claims


def _check_names(claims: Mapping[str, object]) -> None:
    unknown = sorted(claims.keys() - _CLAIMS)
    if unknown:
        # A misspelt claim would otherwise be one that does not narrow.
        raise InvalidAssertion(
            f"The assertion carries {_shown(', '.join(unknown))}, which is not understood. Its claims can be "
            f"{', '.join(sorted(_CLAIMS))}."
        )


def _check_parties(claims: Mapping[str, object], issuer: str, audience: str) -> None:
    """Check sender and receiver, each by whole strings (RFC 7519, sections 4.1.1 and 4.1.3)."""
    if claims.get("iss") != issuer:
        raise InvalidAssertion(f"The assertion's iss is {_shown(claims.get('iss'))}, not {_shown(issuer)}.")
    stated = claims.get("aud")
    audiences = stated if isinstance(stated, list) else [stated]
    if audience not in audiences or not all(isinstance(item, str) for item in audiences):
        raise InvalidAssertion(f"The assertion's aud is {_shown(stated)}, not {_shown(audience)}.")


def _check_times(claims: Mapping[str, object], now: float) -> None:
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    if not 0 < expires - issued <= MAX_LIFETIME:
        raise InvalidAssertion(
            f"The assertion lives {expires - issued} seconds; exp has to be 1 to {MAX_LIFETIME} after iat."
        )
    begins = max(issued, _seconds(claims, "nbf") if "nbf" in claims else issued)
    if begins > now + LEEWAY:
        raise InvalidAssertion(
            f"The assertion becomes valid in {begins - now:.0f} seconds (iat, nbf). Check the clock of the "
            "server that signs it."
        )
    if expires + LEEWAY <= now:
        raise ExpiredAssertion(
            f"The assertion expired {now - expires:.0f} seconds ago. Sign a new one for every page view."
        )


def _seconds(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    # bool is a subclass of int; floats may be NaN or infinite.
    if type(value) is not int or value < 0:
        raise InvalidAssertion(
            f"The assertion's {name} is {_shown(value)}. It has to be a whole number of seconds since 1970."
        )
    if value > _LAST_SECOND:
        raise InvalidAssertion(
            f"The assertion's {name} is not in seconds since 1970, perhaps in milliseconds. In JavaScript, "
            "write Math.floor(Date.now() / 1000)."
        )
    return value


def _element(claims: Mapping[str, object]) -> Element | None:
    return _choice(claims["element"], "element", Element) if "element" in claims else None


def _permissions(claims: Mapping[str, object]) -> frozenset[Permission] | None:
    if "permissions" not in claims:
        return None
    named = _texts(claims["permissions"], "permissions")
    return frozenset(_choice(name, "permissions", Permission) for name in named)


def _calendars(claims: Mapping[str, object]) -> frozenset[str] | None:
    return frozenset(_texts(claims["calendars"], "calendars")) if "calendars" in claims else None


def _choice(value: object, name: str, choices: type[_Choice]) -> _Choice:
    for choice in choices:
        if value == choice.value:
            return choice
    known = ", ".join(choice.value for choice in choices)
    raise InvalidAssertion(f"The assertion's {name} names {_shown(value)}. Known are {known}.")


def _optional_text(claims: Mapping[str, object], name: str) -> str | None:
    return _text(claims[name], name) if name in claims else None


def _texts(value: object, name: str) -> list[str]:
    """Return a list that is not empty: one that allows nothing is more likely a mistake than meant."""
    if not isinstance(value, list) or not value:
        raise InvalidAssertion(
            f"The assertion's {name} has to be a list with at least one entry, or left out."
        )
    return [_text(item, name) for item in value]


def _text(value: object, name: str) -> str:
    # Surrogates cannot be encoded, and neither they nor control characters can be stored everywhere.
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= _MAX_TEXT
        or any(category(c) in ("Cc", "Cs") for c in value)
    ):
        raise InvalidAssertion(
            f"The assertion's {name} holds {_shown(value)}. It has to be text of 1 to {_MAX_TEXT} characters."
        )
    return value
