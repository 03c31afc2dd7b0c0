"""Security headers, and CORS for what partner pages call.

Source: CSP Level 3, Fetch (CORS protocol), RFC 6797.
"""

import secrets

from flask import Flask, Response, g, request

from widgetsvc.elements import STYLE_HASHES
from widgetsvc.gateway.origins import Origin

_EMBED_PREFIX = "/embed/"
_ONE_YEAR = 31_536_000


def new_nonce() -> str:
    """A fresh nonce for one page."""
    return secrets.token_urlsafe(16)


def frame_policy(nonce: str, *, connect: list[str], ancestors: str) -> str:
    """The policy of a frame: scripts by nonce, the bundle's styles by hash, nothing inline."""
    directives = [
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        f"style-src 'nonce-{nonce}' {' '.join(STYLE_HASHES)}",
        f"connect-src {' '.join(dict.fromkeys(connect))}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "object-src 'none'",
        f"frame-ancestors {ancestors}",
        "require-trusted-types-for 'script'",
        "trusted-types widgetsvc",
    ]
    return "; ".join(directives)


def page_policy(nonce: str, host: Origin | None = None) -> str:
    """The policy of a page that only shows words, to nobody else's frames or to those of one `host`.

    It tells that one, by a script, what it says.
    """
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    if host is None:
        return f"{policy}; frame-ancestors 'none'"
    return f"{policy}; script-src 'nonce-{nonce}'; frame-ancestors {host}"


def install(app: Flask) -> None:
    """Add CORS to the answers under `/embed/`, and let sandboxed frames load static files."""
    app.after_request(_add_cors)
    app.after_request(_share_static_files)


def harden(app: Flask, public_url: str) -> None:
    """Add the headers that every answer has, whichever part of the service gives it."""
    defaults = list(security_headers(secure=public_url.startswith("https://")).items())

    def add_headers(response: Response) -> Response:
        for name, value in defaults:
            response.headers.setdefault(name, value)
        return response

    app.after_request(add_headers)


def security_headers(*, secure: bool) -> dict[str, str]:
    """The headers that every answer has unless it has others of these names."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    if secure:
        headers["Strict-Transport-Security"] = f"max-age={_ONE_YEAR}; includeSubDomains"
    return headers


def cors_headers(origin: str) -> dict[str, str]:
    """The headers that let a page of this origin read its answer (Fetch, CORS protocol)."""
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After"}


def _share_static_files(response: Response) -> Response:
    if request.endpoint == "static":
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _add_cors(response: Response) -> Response:
    """Let the calling page read its answer, unless it was its origin that was refused.

    Faults that are found before a tenant is known (a typo in the key, a malformed body) name no tenant's
    data, so any page may read about them.
    """
    if not request.path.startswith(_EMBED_PREFIX) or "Access-Control-Allow-Origin" in response.headers:
        return response
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if not g.get("origin_refused", False) and Origin.parse(origin) is not None:
        response.headers.update(cors_headers(str(origin)))
    return response
