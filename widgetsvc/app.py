"""The Flask application: blueprints and error handlers, nothing else."""

from datetime import timedelta

from flask import Flask
from limits import parse_many
from werkzeug.middleware.proxy_fix import ProxyFix

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.config import Settings
from widgetsvc.limits import Allowance
from widgetsvc.resources import STATIC, TEMPLATES
from widgetsvc.services import Services
from widgetsvc.web import embed, error_handlers, frame, headers, ops, pages, request_log, token
from widgetsvc.web.dispatch import BackendDispatcher
from widgetsvc.web.instant import InstantTokens
from widgetsvc.web.manage import api as manage
from widgetsvc.web.rate_limit import Allowances, RateLimit, limit_of
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
    request_log.install(app, services.metrics)
    if settings.rate_limit == "on":
        RateLimit(services.counts, _allowances(settings)).install(app, services.backend)
    for module in (embed, frame, token, manage, pages):
        app.register_blueprint(module.blueprint)
    ops.install(app, services, settings.metrics_token)
    headers.install(app)
    headers.harden(app, services.service.public_url)
    error_handlers.install(app)
    # Flask documents wsgi_app as the place to wrap; it is declared as a method.
    if services.backend is not None:
        request_log.install(services.backend, services.metrics)
        headers.harden(services.backend, services.service.public_url)
        app.wsgi_app = BackendDispatcher(app.wsgi_app, services.backend)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    return app


def create_instant(
    app: Flask, settings: Settings, services: Services, monotonic: Clock = monotonic_clock
) -> InstantTokens:
    """Return what answers repeated requests for tokens in front of the application."""
    return InstantTokens(services, limit_of(app), hops=settings.trusted_proxies, clock=monotonic)


def _allowances(settings: Settings) -> Allowances:
    def read(limits: str) -> list[Allowance]:
        return [Allowance(limit.amount, limit.get_expiry()) for limit in parse_many(limits)]

    return Allowances(
        address=read(settings.rate_limits_address),
        key=read(settings.rate_limits_key),
        origin=read(settings.rate_limits_origin),
        manage=read(settings.rate_limits_manage),
    )
