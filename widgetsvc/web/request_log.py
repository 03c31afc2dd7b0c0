"""One log line a request, without the secrets that addresses carry.

Query strings stay out: element tokens travel in them, as `et`. Of the addresses whose path is a secret, only
the kind is told.
"""

import re
import time

import structlog
from flask import Flask, Response, g, request, request_started

from widgetsvc.web.support import support_code

_MAX_LOGGED = 256

# Anywhere in the path and in any case: an address that was mistyped is not found, but tells as much.
_SECRET_SEGMENT = re.compile(r"(/(?:feeds|schedule)/+)[^/]+", re.IGNORECASE)
_log = structlog.get_logger("widgetsvc.request")


def install(app: Flask) -> None:
    """Time every request and log its end."""
    # A signal, since a function that runs before this one could answer the request itself.
    request_started.connect(_start, app)
    app.after_request(_finish)


def _start(_app: Flask) -> None:
    g.started = time.perf_counter()


def _finish(response: Response) -> Response:
    details = {
        "tenant": g.get("tenant"),
        "origin": _printable(request.headers.get("Origin")),
        "code": g.get("error_code"),
        "cache": {True: "hit", False: "miss"}.get(g.get("cache_hit")),
    }
    _log.info(
        "request",
        method=request.method,
        path=_printable(_SECRET_SEGMENT.sub(r"\1{token}", request.path)),
        status=response.status_code,
        ms=round((time.perf_counter() - g.started) * 1_000, 1),
        support_code=support_code(),
        **{name: value for name, value in details.items() if value is not None},
    )
    return response


def _printable(text: str | None) -> str | None:
    """Text from outside as it may stand in a log line: no control characters, and not endless."""
    return None if text is None else text[:_MAX_LOGGED].encode("unicode_escape").decode("ascii")
