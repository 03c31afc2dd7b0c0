"""The keys that name a tenant: publishable ones in public HTML, secret ones for its servers."""

import hashlib
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from widgetsvc.errors import InvalidValue, UnknownKey

DEFAULT_OVERLAP = 24 * 3_600
"""Seconds for which the old key stays good beside the new one, unless another time is chosen."""

MAX_OVERLAP = 90 * 24 * 3_600
"""The longest overlap that can be chosen, in seconds."""


class KeyKind(StrEnum):
    """What a key is for; its text begins accordingly (`pk_`, `sk_`)."""

    PUBLISHABLE = "publishable"
    SECRET = "secret"  # noqa: S105 - a name

    @property
    def prefix(self) -> str:
        """How the text of such a key begins."""
        return "pk_" if self is KeyKind.PUBLISHABLE else "sk_"


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A key as it is kept. `hint` is how its text ends; instants are Unix seconds.

    `publishable_key` is the text of a publishable key; of a secret key it is nowhere.
    """

    key_id: str
    kind: KeyKind
    publishable_key: str | None
    hint: str
    created_at: int
    expires_at: int | None = None

    def is_valid(self, now: float) -> bool:
        """Whether the key is good at this moment."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, with its text, which is shown this once where the key is a secret one.

    `old_ends_at`, in Unix seconds, is when the key that it replaces ends.
    """

    key: TenantKey
    text: str = field(repr=False)
    old_ends_at: int | None = None


def check_overlap(seconds: int) -> None:
    """Raise InvalidValue where an old key may not stay good for so long beside the new one."""
    if not 0 <= seconds <= MAX_OVERLAP:
        days = MAX_OVERLAP // 86_400
        raise InvalidValue(f"The overlap must be from 0 seconds to {days} days.", field="overlap")


def make_key(kind: KeyKind, now: int) -> NewKey:
    """Make a key of 192 (publishable) or 256 (secret) random bits."""
    text = f"{kind.prefix}{secrets.token_urlsafe(24 if kind is KeyKind.PUBLISHABLE else 32)}"
    publishable = text if kind is KeyKind.PUBLISHABLE else None
    return NewKey(TenantKey(f"key_{secrets.token_hex(6)}", kind, publishable, text[-4:], now), text)


def digest_of(text: str) -> bytes:
    """What a key is found by. A plain hash suffices: the keys are random, so there is nothing to guess."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def unknown_key(kind: KeyKind) -> UnknownKey:
    """The error for a key that names nobody, be it mistyped, expired or revoked."""
    if kind is KeyKind.PUBLISHABLE:
        return UnknownKey(
            "No tenant has this publishable key. Keys begin with pk_; "
            "`widgetsvc tenant list` shows the operator each tenant's."
        )
    return UnknownKey(
        "No tenant has this secret key. Keys begin with sk_, and are shown once, when they are made; "
        "`widgetsvc tenant rotate-key` makes a new one."
    )
