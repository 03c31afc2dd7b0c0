"""Counts requests where the application behind them is recognised, and tells it what is left.

Source: Cronofy API, Rate Limiting. A request with unknown credentials counts for nobody.
"""

from flask import Flask, Response, g

from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import TooManyRequests
from widgetsvc.calendars.rate_limits import Allowance


def install(app: Flask) -> None:
    """Add the headers to every answer to an application that is limited."""
    app.after_request(_add_headers)


def count_request(application_id: int) -> None:
    """Count the current request, once, for the application that makes it. Raises TooManyRequests."""
    if "allowance" in g:
        return
    g.allowance = current_backend().rate_limits.count(application_id)
    if g.allowance is not None and g.allowance.exceeded:
        raise TooManyRequests(g.allowance.reset)


def _add_headers(response: Response) -> Response:
    allowance: Allowance | None = g.get("allowance")
    if allowance is not None:
        response.headers["RateLimit-Limit"] = str(allowance.limit)
        response.headers["RateLimit-Remaining"] = str(allowance.remaining)
        response.headers["RateLimit-Reset"] = str(allowance.reset)
    return response
