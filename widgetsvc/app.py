"""The Flask application: blueprints and error handlers, nothing else."""

from datetime import timedelta

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from widgetsvc.config import Settings
from widgetsvc.resources import STATIC, TEMPLATES
from widgetsvc.services import Services
from widgetsvc.web import embed, error_handlers, frame, headers, ops, pages, request_log, token
from widgetsvc.web.dispatch import BackendDispatcher
from widgetsvc.web.manage import api as manage
from widgetsvc.web.rate_limit import RateLimit
from widgetsvc.wiring import build_services

_MAX_BODY = 262_144

MAX_BODY = 1_048_576
"""Bytes of a body that any part of the service takes; the embedded backend takes most."""


def create_app(settings: Settings, services: Services | None = None) -> Flask:
    """Return the service as a WSGI application. Raises ConfigurationError where it cannot be served."""
    services = services or build_services(settings)
    app = Flask("widgetsvc", static_folder=STATIC, template_folder=TEMPLATES)
    app.config.update(
        MAX_CONTENT_LENGTH=_MAX_BODY,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(hours=1),
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined] # in the order of the documentation
    app.url_map.merge_slashes = False  # a redirect would be made from the Host header
    services.attach(app)
    request_log.install(app)
    if settings.rate_limit == "on":
        RateLimit().install(app)
    for module in (embed, frame, token, manage, pages, ops):
        app.register_blueprint(module.blueprint)
    headers.install(app)
    headers.harden(app, services.service.public_url)
    error_handlers.install(app)
    # Flask documents wsgi_app as the place to wrap; it is declared as a method.
    if services.backend is not None:
        request_log.install(services.backend)
        headers.harden(services.backend, services.service.public_url)
        app.wsgi_app = BackendDispatcher(app.wsgi_app, services.backend)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    return app
