"""CORS for what browsers call, which are the requests with an element token.

An answer names the token's own origin, errors included: without it the page could not tell a refusal from
a broken network. A token that is none of ours names no origin, so the caller's is echoed; it learns nothing
but that its token is bad. No cookies are involved.
"""

from flask import Flask, Response, request

from widgetsvc.calendars.api.credentials import ELEMENT_TOKEN_PARAMETER, presented_claims

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Cronofy-Element, Content-Type",
    "Access-Control-Max-Age": "7200",
}
_EXPOSED = "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"


def install(app: Flask) -> None:
    """Answer preflights and add the headers to every other answer."""
    app.before_request(_answer_preflight)
    app.after_request(_add_headers)


def _answer_preflight() -> Response | None:
    if request.method != "OPTIONS":
        return None
    preflight = ELEMENT_TOKEN_PARAMETER in request.args
    return Response(status=204, headers=_PREFLIGHT if preflight else {"Allow": "GET, POST, DELETE, OPTIONS"})


def _add_headers(response: Response) -> Response:
    response.vary.add("Origin")
    if ELEMENT_TOKEN_PARAMETER in request.args and "Origin" in request.headers:
        claims = presented_claims()
        response.headers["Access-Control-Allow-Origin"] = (
            claims.origin if claims else request.headers["Origin"]
        )
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    return response
