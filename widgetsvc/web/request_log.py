"""One log line a request, without the secrets that addresses carry.

Query strings stay out: element tokens travel in them, as `et`. Of the addresses whose path is a secret, only
the kind is told. Keys are named by their ids.
"""

import re
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request, request_started

from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.metrics import Metrics
from widgetsvc.web.support import support_code

_MAX_LOGGED = 256

# Anywhere in the path and in any case: an address that was mistyped is not found, but tells as much.
_SECRET_SEGMENT = re.compile(r"(/(?:feeds|schedule)/+)[^/]+", re.IGNORECASE)
_log = structlog.get_logger("widgetsvc.request")


def install(app: Flask, metrics: Metrics) -> None:
    """Time every request, and log and count its end."""

    def start(_app: Flask) -> None:
        g.started = time.perf_counter()
        g.upstream_before = metrics.upstream_seconds()

    def finish(response: Response) -> Response:
        seconds = time.perf_counter() - g.started
        upstream = metrics.upstream_seconds() - g.upstream_before
        endpoint = f"{app.name}:{request.endpoint or 'unknown'}"
        metrics.answered(endpoint, response.status_code, seconds, g.get("error_code"))
        _write(response, seconds, upstream)
        return response

    # A signal, since a function that runs before this one could answer the request itself.
    request_started.connect(start, app, weak=False)
    app.after_request(finish)


def know_tenant(tenant: Tenant, publishable_key: str | None = None) -> None:
    """Name the tenant, and the key that it was found by, in whatever is recorded of this request."""
    g.known_tenant = tenant
    g.tenant = tenant.slug
    g.key_id = tenant.key_id(publishable_key)


def _write(response: Response, seconds: float, upstream: float) -> None:
    noted = g.get
    event: dict[str, Any] = {
        "method": request.method,
        "path": _printable(_SECRET_SEGMENT.sub(r"\1{token}", request.path)),
        "status": response.status_code,
        "ms": round(seconds * 1_000, 1),
        "support_code": support_code(),
    }
    for name in ("tenant", "key_id", "element", "rule", "nearest_rule", "cache"):
        if (value := noted(name)) is not None:
            event[name] = value
    if upstream:
        event["upstream_ms"] = round(upstream * 1_000, 1)
    if (code := noted("error_code")) is not None:
        event["code"] = code
    if (origin := request.headers.get("Origin")) is not None:
        event["origin"] = _printable(origin)
    write(event)


def write(event: dict[str, Any]) -> None:
    """Write the line of one request."""
    _log.info("request", **event)


def _printable(text: str) -> str:
    """Text from outside as it may stand in a log line: no control characters, and not endless."""
    cut = text[:_MAX_LOGGED]
    if cut.isascii() and cut.isprintable() and "\\" not in cut:
        return cut
    return cut.encode("unicode_escape").decode("ascii")[:_MAX_LOGGED]
