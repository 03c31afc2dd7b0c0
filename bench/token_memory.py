"""Prints how many bytes the token cache takes for each token that it holds.

    python -m bench.token_memory [tokens]

Keys and tokens are made anew for each, as requests do; the tokens are as long as those of Cronofy's cloud.
"""

import gc
import secrets
import sys
import tracemalloc

from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.gateway.token_cache import TokenCache, TokenKey
from widgetsvc.permissions import Permission

TENANTS = 100
TOKEN_BYTES = 64


def key(number: int) -> TokenKey:
    """One calendar on one page; a tenant has a few pages."""
    tenant_id = number % TENANTS
    origin = f"https://{number // TENANTS % 5}.tenant-{tenant_id}.example.com"
    return TokenKey(str(tenant_id), (f"apc_{number:024x}",), (Permission.AVAILABILITY,), origin)


def mint() -> ElementToken:
    """A token of the usual length; the rest of the answer is not kept."""
    return ElementToken(
        token=secrets.token_urlsafe(TOKEN_BYTES),
        permissions=frozenset({Permission.AVAILABILITY}),
        origin="https://jobs.example.com",
        expires_in=64_800,
    )


def bytes_per_token(tokens: int) -> float:
    """Fill a cache, and measure what it has made the process hold."""
    cache = TokenCache(maxsize=tokens)
    cache.get(key(0), mint)
    gc.collect()
    tracemalloc.start()
    for number in range(1, tokens):
        cache.get(key(number), mint)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cache) == tokens
    return held / (tokens - 1)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{count:,} tokens: {bytes_per_token(count):.0f} bytes each")
