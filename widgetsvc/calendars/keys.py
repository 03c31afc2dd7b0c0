"""Identifiers and secrets: how they are made, derived and compared.

Tokens are derived from a nonce in the database and a key outside it, so that the same token can be handed
out again although only its hash is stored: an upsert returns the token pair that is still valid.

The key outside derives from the service's secret, which can be replaced: whatever takes `secret_keys` takes
the current secret first and older ones behind it. The first makes what is new, all of them read.
"""

import base64
import hashlib
import hmac
import secrets
import string
from collections.abc import Sequence
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_SEALED = "~"  # begins no nonce that is one
_ALPHABET = string.ascii_lowercase + string.digits
ACCESS_TOKEN_LENGTH = 32


class Purpose(StrEnum):
    """What keys are derived for."""

    ACCESS_TOKENS = "access tokens"
    CALENDAR_FEEDS = "calendar feeds"
    CLIENT_SECRETS = "client secrets"
    ELEMENT_TOKENS = "element tokens"
    GATEWAY_APPLICATION = "gateway application"
    REFRESH_TOKENS = "refresh tokens"
    SCHEDULING_LINKS = "scheduling links"
    SHARED_CACHE = "shared cache"
    """What processes leave for each other, tokens and news of changes."""
    SIGNING_SECRETS = "signing secrets"
    """What the gateway keeps encrypted of its tenants, their calendars' tokens included."""
    TOKEN_ISSUER = "token issuer"  # noqa: S105 - a name
    """By what name tokens in the shared cache tell the credentials with which they were minted."""


def sha256(text: str) -> bytes:
    """The form in which secrets of full entropy are stored and looked up."""
    return hashlib.sha256(text.encode()).digest()


def random_hex() -> str:
    """24 hexadecimal digits, the tail of Cronofy's ids."""
    return secrets.token_hex(12)


def random_name(length: int) -> str:
    """Lower-case letters and digits, as in `pro_n23kjnwrw2`."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def random_secret() -> str:
    """A client secret: 256 bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def derive_key(secret_key: bytes, purpose: Purpose) -> bytes:
    """A 32-byte key for one purpose, so that no two uses of the service's secret share a key."""
    return hmac.digest(secret_key, b"widgetsvc/" + purpose.encode(), "sha256")


def derive_token(key: bytes, nonce: str) -> str:
    """The 32-character token that belongs to a nonce (192 bits)."""
    digest = hmac.digest(key, nonce.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode()[:ACCESS_TOKEN_LENGTH]


class Cipher:
    """Encrypts secrets at rest (Fernet) under keys of one purpose."""

    def __init__(self, secret_keys: Sequence[bytes], purpose: Purpose) -> None:
        keys = [base64.urlsafe_b64encode(derive_key(secret, purpose)) for secret in secret_keys]
        self._current = Fernet(keys[0])
        self.fernet = MultiFernet([Fernet(key) for key in keys])

    def rewritten(self, encrypted: bytes) -> bytes | None:
        """What is to be kept instead, under the current key; None where that one encrypted it.

        Raises LostSecret.
        """
        try:
            self._current.decrypt(encrypted)
        except InvalidToken:
            pass
        else:
            return None
        try:
            return self.fernet.rotate(encrypted)
        except InvalidToken as error:
            raise LostSecret from error


class DerivedTokens:
    """Tokens of one purpose, which are derived from nonces, and found by their hashes.

    A token that an older secret made outlives that secret once its nonce is `rewritten`: it is the token
    itself then, wrapped under the current key (AES-SIV, RFC 5297).
    """

    def __init__(self, secret_keys: Sequence[bytes], purpose: Purpose) -> None:
        self._keys = [derive_key(secret, purpose) for secret in secret_keys]

    def issue(self) -> tuple[str, str]:
        """Return a nonce and the token that belongs to it."""
        nonce = secrets.token_hex(16)
        return nonce, derive_token(self._keys[0], nonce)

    def find(self, nonce: str, token_hash: bytes) -> str | None:
        """Return the token of this nonce and hash; None where the secret that made it is lost."""
        tokens = (_token_of(key, nonce) for key in self._keys)
        return next((token for token in tokens if token and sha256(token) == token_hash), None)

    def rewritten(self, nonce: str, token_hash: bytes) -> str | None:
        """What is to be kept instead of the nonce; None where the current key alone makes the token of it.

        Raises LostSecret.
        """
        token = self.find(nonce, token_hash)
        if token is None:
            raise LostSecret
        current = self._keys[0]
        if _token_of(current, nonce) == token:
            return None
        sealed = AESSIV(current).encrypt(base64.urlsafe_b64decode(token), None)
        return _SEALED + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


class LostSecret(Exception):
    """What was made with a secret that is none of those at hand, and cannot be read."""


def _token_of(key: bytes, nonce: str) -> str | None:
    if not nonce.startswith(_SEALED):
        return derive_token(key, nonce)
    text = nonce.removeprefix(_SEALED)
    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    try:
        return base64.urlsafe_b64encode(AESSIV(key).decrypt(sealed, None)).decode()
    except InvalidTag:
        return None
