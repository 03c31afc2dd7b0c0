"""Support codes: what a visitor reads out, and the log line that it leads to."""

import secrets

from flask import g

# Crockford's base 32: no I, L, O or U, so that it can be read out over a telephone.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def support_code() -> str:
    """The current request's code, such as `7F3K-2Q`."""
    code: str | None = g.get("support_code")
    if code is None:
        number = secrets.randbits(30)
        pairs = _PAIRS[number >> 20], _PAIRS[number >> 10 & 1_023], _PAIRS[number & 1_023]
        code = g.support_code = f"{pairs[0]}{pairs[1]}-{pairs[2]}"
    return code
