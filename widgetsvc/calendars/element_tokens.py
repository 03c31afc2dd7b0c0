"""Element tokens: short-lived, for a browser, bound to one origin, some accounts and some permissions.

They are signed and carry all they allow, so that checking one costs no query.
Source: Cronofy API, Element Tokens; RFC 7519. Their alphabet is URL-safe, since the UI Elements paste them
into query strings unencoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from widgetsvc.calendars.keys import Purpose, derive_key
from widgetsvc.clock import Clock
from widgetsvc.permissions import Permission

LIFE = 64_800
"""Seconds that a token lives: Cronofy's 18 hours."""

MAX_LENGTH = 8_192
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class ElementTokenClaims:
    """What a token allows."""

    application_id: int
    subs: tuple[str, ...]
    permissions: frozenset[Permission]
    origin: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class IssuedElementToken:
    """A token and its life in seconds."""

    token: str = field(repr=False)
    expires_in: int


class ElementTokens:
    """Issues element tokens with the current secret, and reads those of older ones, too."""

    def __init__(self, secret_keys: Sequence[bytes], clock: Clock) -> None:
        self._keys = [OctKey.import_key(derive_key(secret, Purpose.ELEMENT_TOKENS)) for secret in secret_keys]
        self._clock = clock

    def issue(
        self, application_id: int, subs: Sequence[str], permissions: Sequence[Permission], origin: str
    ) -> IssuedElementToken:
        """Sign a token that lives for `LIFE` seconds."""
        claims: dict[str, Any] = {
            "app": application_id,
            "subs": list(subs),
            "permissions": [permission.value for permission in permissions],
            "origin": origin,
            "exp": int(self._clock()) + LIFE,
        }
        return IssuedElementToken(jwt.encode({"alg": _ALGORITHM}, claims, self._keys[0]), LIFE)

    def read(self, token: str) -> ElementTokenClaims | None:
        """Return what a token of ours says, None if it is not one of ours. Expired ones are read too."""
        if len(token) > MAX_LENGTH:
            return None
        claims = next(filter(None, (_claims(token, key) for key in self._keys)), None)
        if claims is None:
            return None
        return ElementTokenClaims(
            application_id=claims["app"],
            subs=tuple(claims["subs"]),
            permissions=frozenset(Permission(name) for name in claims["permissions"]),
            origin=claims["origin"],
            expires_at=claims["exp"],
        )

    def is_live(self, claims: ElementTokenClaims) -> bool:
        """Whether the token's time is not over."""
        return claims.expires_at > self._clock()


def _claims(token: str, key: OctKey) -> dict[str, Any] | None:
    try:
        return jwt.decode(token, key, algorithms=[_ALGORITHM]).claims
    # A header member of the wrong type makes joserfc raise TypeError.
    except (JoseError, ValueError, TypeError, RecursionError):
        return None
