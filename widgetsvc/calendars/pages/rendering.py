"""Templates to answers, with the policy that a browser holds them to."""

import secrets
from http import HTTPStatus
from typing import Any

from flask import Response, make_response, render_template

from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.pages import words
from widgetsvc.calendars.pages.assets import current_assets
from widgetsvc.calendars.pages.offer import Offer
from widgetsvc.calendars.times import format_time
from widgetsvc.urls import origin_of


def path_of(offer: Offer) -> str:
    """The path of a link's page."""
    return f"/schedule/{offer.link.token}"


def render(template: str, status: HTTPStatus, offer: Offer | None = None, **context: Any) -> Response:
    """A page from a template of the `schedule` folder."""
    nonce = secrets.token_urlsafe(16)
    if offer is not None:
        context |= {
            "event": offer.wanted.event,
            "duration": words.length(offer.duration),
            "path": path_of(offer),
            "asks_to_confirm": offer.asks_to_confirm,
        }
    html = render_template(
        f"schedule/{template}",
        nonce=nonce,
        assets=current_assets(),
        format_time=format_time,
        in_full=words.in_full,
        origin_of=origin_of,
        **context,
    )
    response = make_response(html, status)
    response.headers["Content-Security-Policy"] = _policy(nonce, offer)
    response.headers["X-Frame-Options"] = "DENY"
    return response


def _policy(nonce: str, offer: Offer | None) -> str:
    """Scripts by nonce, the bundle's styles by hash; forms lead to us and, booked, to the application's page.

    `form-action` also rules where the answer to a form may redirect to (CSP Level 3, form-action).
    """
    ours = origin_of(current_backend().public_url)
    completed = offer.wanted.redirect_urls.completed_url if offer else None
    forms = ["'self'", origin_of(completed)] if completed else ["'self'"]
    directives = [
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        f"style-src 'nonce-{nonce}' {' '.join(current_assets().style_hashes)}",
        f"connect-src 'self' {ours}",
        "img-src data:",
        "base-uri 'none'",
        f"form-action {' '.join(filter(None, forms))}",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    return "; ".join(directives)
