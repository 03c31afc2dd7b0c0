"""Encryption of what is kept in Redis, which others may read and write."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class BrokenSeal(Exception):
    """The bytes were not sealed with this key for this place."""


class Seal:
    """AES-256-GCM with a random nonce (NIST SP 800-38D); safe to share between threads.

    What is sealed is bound to the place that it is for, so that nobody can move it to another one.
    """

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes that is used for nothing else."""
        self._cipher = AESGCM(key)

    def close(self, content: bytes, place: str) -> bytes:
        """Seal `content` for a place: a key or a channel."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Return what was sealed for this place. Raises BrokenSeal."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise BrokenSeal(f"what lies at {place} was not put there by this service") from error
