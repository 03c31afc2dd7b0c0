"""What views get. Built in one place, `widgetsvc.wiring`, and passed to `create_app`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from flask import Flask, current_app

from widgetsvc.elements import Bundle
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.embedding import EmbedDesk, Service
from widgetsvc.gateway.first_slots import FirstSlots
from widgetsvc.gateway.idempotency import IdempotencyKeys
from widgetsvc.gateway.key_sets import KeySets
from widgetsvc.gateway.refused_origins import RefusedOrigins
from widgetsvc.gateway.registry import TenantRegistry
from widgetsvc.gateway.repeats import Repeats
from widgetsvc.gateway.signing_keys import SigningKeyStore
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.gateway.token_cache import TokenCacheStats
from widgetsvc.gateway.usage import Usage
from widgetsvc.gateway.widgets import WidgetStore
from widgetsvc.limits import Counts
from widgetsvc.loader import Loader
from widgetsvc.metrics import Metrics

_EXTENSION = "widgetsvc"


@dataclass(frozen=True, slots=True)
class Services:
    """The service's parts."""

    service: Service
    trail: AuditTrail
    tenants: TenantDirectory
    calendars: CalendarDirectory
    signing_keys: SigningKeyStore
    widgets: WidgetStore
    key_sets: KeySets
    registry: TenantRegistry
    desk: EmbedDesk
    repeats: Repeats
    first_slots: FirstSlots
    idempotency: IdempotencyKeys
    refused_origins: RefusedOrigins
    usage: Usage
    counts: Counts
    metrics: Metrics
    degraded: Callable[[], Mapping[str, str]]
    """What does not answer just now that the service can do without, by part."""
    bundle: Bundle
    loader: Loader
    backend: Flask | None
    """The embedded backend's application; None when Cronofy's cloud stands behind the service."""
    token_stats: Callable[[], TokenCacheStats]
    """How often tokens were found, minted and renewed since the start."""
    cache_state: Callable[[], str] | None
    """How the cache that processes share did the last time, `ok` or `down`; None where there is none."""
    check_storage: Callable[[], None]
    """Asks the database a question; raises SQLAlchemy's error where it does not answer."""
    close: Callable[[], None]
    """Closes the connections to Cronofy, Redis and the database, when nothing uses them any more."""
    background: tuple[AbstractContextManager[object], ...] = ()
    """What runs beside the views while the service is up; entered in this order, each by one process."""

    def attach(self, app: Flask) -> None:
        """Make these the services of a Flask application's views."""
        app.extensions[_EXTENSION] = self


def current_services() -> Services:
    """The services of the application that handles the current request."""
    services: Services = current_app.extensions[_EXTENSION]
    return services
