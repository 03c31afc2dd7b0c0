"""Support codes: what a visitor reads out, and the log line that it leads to."""

import secrets

from flask import g

# Crockford's base 32: no I, L, O or U, so that it can be read out over a telephone.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def support_code() -> str:
    """The current request's code, such as `7F3K-2Q`."""
    if "support_code" not in g:
        letters = [secrets.choice(_ALPHABET) for _ in range(6)]
        g.support_code = f"{''.join(letters[:4])}-{''.join(letters[4:])}"
    code: str = g.support_code
    return code
