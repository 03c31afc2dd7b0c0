"""The Flask application of the backend."""

from flask import Flask

from widgetsvc.calendars.api import (
    application_calendars,
    availability,
    availability_rules,
    available_periods,
    batch,
    channels,
    cors,
    element_tokens,
    error_handlers,
    events,
    feeds,
    identity,
    oauth,
    openapi,
    rate_limits,
    scheduling,
    sequenced_availability,
)
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.pages import schedule
from widgetsvc.calendars.pages.assets import PageAssets

MAX_BODY = 1_048_576


def create_backend_app(backend: Backend, pages: PageAssets | None = None) -> Flask:
    """Serve a backend at `/v1` and `/oauth`, at the root of an origin: two SDKs drop a path prefix.

    With `pages` it also serves the pages behind real-time scheduling links, at `/schedule`.
    """
    app = Flask("widgetsvc.calendars", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined] # key order is part of the contract
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # it redirects, and a redirected DELETE loses its body
    backend.attach(app)
    for module in (
        application_calendars,
        oauth,
        identity,
        events,
        batch,
        availability,
        availability_rules,
        available_periods,
        sequenced_availability,
        element_tokens,
        channels,
        scheduling,
        openapi,
        feeds,
    ):
        app.register_blueprint(module.blueprint)
    if pages is not None:
        pages.attach(app)
        app.register_blueprint(schedule.blueprint)
    cors.install(app)
    rate_limits.install(app)
    error_handlers.install(app)
    return app
