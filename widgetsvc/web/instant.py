"""Answers a repeated request for a token at once: on the server's event loop, without Flask.

Only what has been answered through Flask before is answered here, with the same headers and, but for what is
new each time, the same bytes; it is limited, counted and logged in the same way. Whatever would have to be
waited for, or refused, is left to Flask.
"""

import secrets
import time
from typing import Any

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.gateway.embedding import Grant
from widgetsvc.gateway.repeats import Asked, Repeat
from widgetsvc.gateway.token_cache import CachedToken
from widgetsvc.services import Services
from widgetsvc.web import request_log
from widgetsvc.web.headers import cors_headers, security_headers
from widgetsvc.web.rate_limit import RateLimit
from widgetsvc.web.support import new_support_code
from widgetsvc.web.token import encode, token_document

PARTS_SECONDS = 10
"""How long the options of an answer are used again; their times lie on a grid of minutes."""

Answer = tuple[int, list[tuple[str, str]], bytes]

# They stand for the parts that differ, where an answer is cut; nothing else in it is like them.
_TOKEN, _CODE = f"token-{secrets.token_hex(16)}", f"code-{secrets.token_hex(16)}"
_EXPIRES_IN = 2**60 + secrets.randbits(60)


class InstantTokens:
    """Called with a request's WSGI environment and body; None for what it leaves to the application."""

    def __init__(
        self, services: Services, limit: RateLimit | None, *, hops: int, clock: Clock = monotonic_clock
    ) -> None:
        """`hops` is how many proxies in front of the service are trusted to tell the client's address."""
        self._services = services
        self._desk = services.desk
        self._repeats = services.repeats
        self._limit = limit
        self._hops = hops
        self._clock = clock
        secure = services.service.public_url.startswith("https://")
        self._headers = [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("vary", "Origin"),
            *((name.lower(), value) for name, value in security_headers(secure=secure).items()),
        ]

    def __call__(self, environ: dict[str, Any], body: bytes) -> Answer | None:
        if environ["PATH_INFO"] != "/embed/token" or environ["REQUEST_METHOD"] != "POST":
            return None
        started = time.perf_counter()
        asked = Asked(environ.get("CONTENT_TYPE", ""), body, environ.get("HTTP_ORIGIN", ""))
        repeat = self._repeats.find(asked)
        if repeat is None or "HTTP_AUTHORIZATION" in environ or environ["QUERY_STRING"]:
            return None
        grant = repeat.grant
        token = self._desk.token_at_hand(grant)
        if token is None or not self._is_allowed(environ, grant, asked.origin):
            return None
        code = new_support_code()
        before, between, behind, end = self._parts(repeat, token)
        answer = b"".join(
            (before, token.token.encode(), between, b"%d" % token.expires_in, behind, code.encode(), end)
        )
        self._record(grant, asked.origin, code, time.perf_counter() - started)
        cors = ((name.lower(), value) for name, value in cors_headers(asked.origin).items())
        return 200, [*self._headers, *cors, ("content-length", str(len(answer)))], answer

    def _is_allowed(self, environ: dict[str, Any], grant: Grant, origin: str) -> bool:
        return self._limit is None or self._limit.allows_token(
            self._address(environ), grant.known.tenant, origin
        )

    def _address(self, environ: dict[str, Any]) -> str:
        """The client's address, by the rule of Werkzeug's ProxyFix."""
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if self._hops else []
        address: str = environ["REMOTE_ADDR"]
        return forwarded[-self._hops].strip() if 0 < self._hops <= len(forwarded) else address

    def _parts(self, repeat: Repeat, token: CachedToken) -> tuple[bytes, ...]:
        now = self._clock()
        if now >= repeat.good_until:
            document = token_document(self._desk.embed_of(repeat.grant, token), self._services.bundle, _CODE)
            document["element_token"] |= {"token": _TOKEN, "expires_in": _EXPIRES_IN}
            repeat.parts = _cut(encode(document))
            repeat.good_until = now + PARTS_SECONDS
        return repeat.parts

    def _record(self, grant: Grant, origin: str, code: str, seconds: float) -> None:
        tenant = grant.known.tenant
        self._services.metrics.answered("widgetsvc:token.token", 200, seconds, None)
        self._services.usage.count(tenant, grant.element, "hit")
        event: dict[str, Any] = {
            "method": "POST",
            "path": "/embed/token",
            "status": 200,
            "ms": round(seconds * 1_000, 1),
            "support_code": code,
            "tenant": tenant.slug,
            "key_id": grant.key_id,
            "element": grant.element,
            "rule": grant.rule,
            "cache": "process",
            "origin": origin,
        }
        request_log.write({name: value for name, value in event.items() if value is not None})


def _cut(answer: bytes) -> tuple[bytes, ...]:
    before, _, rest = answer.partition(_TOKEN.encode())
    between, _, rest = rest.partition(str(_EXPIRES_IN).encode())
    behind, _, end = rest.partition(_CODE.encode())
    return before, between, behind, end
