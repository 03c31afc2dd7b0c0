"""Identifiers and secrets: how they are made, derived and compared.

Tokens are derived from a nonce in the database and a key outside it, so that the same token can be handed
out again although only its hash is stored: an upsert returns the token pair that is still valid.
"""

import base64
import hashlib
import hmac
import secrets
import string

_ALPHABET = string.ascii_lowercase + string.digits
ACCESS_TOKEN_LENGTH = 32


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


def derive_key(secret_key: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose, so that no two uses of the service's secret share a key."""
    return hmac.digest(secret_key, b"widgetsvc/" + purpose.encode(), "sha256")


def derive_token(key: bytes, nonce: str) -> str:
    """The 32-character token that belongs to a nonce (192 bits)."""
    digest = hmac.digest(key, nonce.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode()[:ACCESS_TOKEN_LENGTH]
