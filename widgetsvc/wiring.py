"""Builds the services: the only place that names concrete classes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial

import httpx
from flask import Flask
from limits import parse_many
from sqlalchemy import Engine, text

from widgetsvc import database
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.delivery import CourierService
from widgetsvc.calendars.keys import Cipher, Purpose, derive_key
from widgetsvc.calendars.pages.assets import PageAssets
from widgetsvc.calendars.rate_limits import RateLimits
from widgetsvc.calendars.records import Credentials
from widgetsvc.calendars.store.accounts import AccountStore
from widgetsvc.clock import Clock, monotonic_clock, system_clock
from widgetsvc.config import MEMORY_CACHE, Settings, secret_keys_of, shared_metrics
from widgetsvc.cronofy.breaker import BreakerState, CircuitBreaker
from widgetsvc.cronofy.budget import Budget
from widgetsvc.cronofy.calls import TOTAL_SECONDS
from widgetsvc.cronofy.client import CronofyClient, Observe, Reached, http_client
from widgetsvc.cronofy.guard import Guard
from widgetsvc.elements import STYLE_HASHES, Bundle, load_bundle
from widgetsvc.errors import ConfigurationError
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.embedding import EmbedDesk, Service
from widgetsvc.gateway.first_slots import FirstSlots
from widgetsvc.gateway.idempotency import IdempotencyKeys
from widgetsvc.gateway.key_sets import KeySets
from widgetsvc.gateway.refused_origins import RefusedOrigins
from widgetsvc.gateway.registry import TenantRegistry
from widgetsvc.gateway.renewals import Renewals
from widgetsvc.gateway.repeats import Repeats
from widgetsvc.gateway.signed_access import SignedAccess
from widgetsvc.gateway.signing_keys import SigningKeyStore
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.gateway.token_cache import DirectSource, TokenCache, TokenSource
from widgetsvc.gateway.usage import Usage
from widgetsvc.gateway.used_assertions import UsedAssertions
from widgetsvc.gateway.widgets import WidgetStore
from widgetsvc.limits import Allowance, LocalCounts
from widgetsvc.loader import load_loader
from widgetsvc.metrics import Metrics
from widgetsvc.outbound import Outbound
from widgetsvc.resources import TEMPLATES
from widgetsvc.services import Services
from widgetsvc.shared.cache import SharedCache
from widgetsvc.shared.connection import State
from widgetsvc.shared.tokens import issuer_name

_AHEAD_SHARE = 4
_GATEWAY_APPLICATION = "widgetsvc gateway"


def open_database(settings: Settings) -> Engine:
    """Connect to the database and bring its schema up to date."""
    engine = database.connect(settings.effective_database_url)
    if not database.is_current(engine):
        database.upgrade(engine)
    return engine


@dataclass(frozen=True, slots=True)
class Operations:
    """What the operator's commands work on; what is the embedded backend's is None in cloud mode."""

    engine: Engine
    trail: AuditTrail
    tenants: TenantDirectory
    calendars: CalendarDirectory
    signing_keys: SigningKeyStore
    widgets: WidgetStore
    refused_origins: RefusedOrigins
    idempotency: IdempotencyKeys
    key_sets: KeySets
    cronofy: CronofyClient
    guard: Guard | None
    """What keeps calls from a Cronofy that fails; None where the embedded backend answers them."""
    applications: AccountStore | None
    backend: Backend | None
    backend_app: Flask | None
    shared: SharedCache | None
    """What the processes share through Redis; None where each keeps to itself."""
    deliveries: CourierService | None
    """What sends the embedded backend's notifications; it does nothing until it is entered."""

    def close(self) -> None:
        """Close the connections to Cronofy, Redis and the database."""
        self.cronofy.close()
        if self.shared is not None:
            self.shared.close()
        self.engine.dispose()


def build_operations(
    settings: Settings,
    clock: Clock = system_clock,
    pages: PageAssets | None = None,
    monotonic: Clock = monotonic_clock,
    observe: Observe | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Operations:
    """Assemble what needs no web server; the backend has hosted pages if it is given what they are made of.

    `observe` is told of every request to Cronofy's API, and `transport` is how its cloud is reached: over the
    network, if it is None. Raises ConfigurationError.
    """
    engine = open_database(settings)
    secret_keys = secret_keys_of(settings)
    credentials = _credentials(settings, secret_keys[0])
    outbound = Outbound(allow_private=settings.allow_private_callbacks == "on")
    backend = (
        None if settings.is_cloud else _backend(settings, engine, secret_keys, credentials, clock, outbound)
    )
    backend_app = create_backend_app(backend, pages) if backend else None
    if backend_app is not None:
        transport = httpx.WSGITransport(app=backend_app)
    guard = _guard(settings, credentials) if settings.is_cloud else None
    cronofy = _cronofy(settings, credentials, guard, observe, transport)
    cipher = Cipher(secret_keys, Purpose.SIGNING_SECRETS).fernet
    trail = AuditTrail(engine, clock)
    calendars = CalendarDirectory(engine, trail, cronofy, clock, cipher=cipher)
    shared = _shared_cache(settings, secret_keys[0])
    if shared is not None:
        trail.listen(shared.changes.publish)
    return Operations(
        engine=engine,
        trail=trail,
        tenants=TenantDirectory(engine, trail, cipher, clock),
        calendars=calendars,
        signing_keys=SigningKeyStore(engine, trail, cipher, clock),
        widgets=WidgetStore(engine, trail, calendars),
        refused_origins=RefusedOrigins(engine, clock),
        idempotency=IdempotencyKeys(engine, cipher, clock),
        key_sets=KeySets(outbound, monotonic),
        cronofy=cronofy,
        guard=guard,
        applications=backend.accounts if backend else None,
        backend=backend,
        backend_app=backend_app,
        shared=shared,
        deliveries=CourierService(backend.courier()) if backend else None,
    )


def _backend(
    settings: Settings,
    engine: Engine,
    secret_keys: Sequence[bytes],
    credentials: Credentials,
    clock: Clock,
    outbound: Outbound,
) -> Backend:
    limits = parse_many(settings.api_rate_limits) if settings.rate_limit == "on" else []
    backend = Backend.over(
        engine,
        secret_keys[0],
        settings.public_url,
        clock,
        secret_key_fallbacks=secret_keys[1:],
        outbound=outbound,
        rate_limits=RateLimits(limits),
    )
    backend.accounts.ensure_application(credentials, _GATEWAY_APPLICATION)
    gateway = backend.accounts.application_by_secret(credentials.client_secret, credentials.client_id)
    if gateway is not None:
        # All tenants share it, and their visitors: one of them could use up what the others need. The
        # gateway limits its callers itself.
        backend.rate_limits.exempt(gateway.application_id)
    return backend


def build_services(
    settings: Settings,
    clock: Clock = system_clock,
    monotonic: Clock = monotonic_clock,
    transport: httpx.BaseTransport | None = None,
) -> Services:
    """Assemble everything that the settings ask for, with operations as by `build_operations`.

    Raises ConfigurationError.
    """
    bundle = build_bundle(settings)
    metrics = Metrics(shared_metrics())
    parts = build_operations(
        settings, clock, _pages(settings, bundle), monotonic, metrics.upstream, transport
    )
    service = Service(public_url=settings.public_url, api_url=settings.api_url)
    renewals = Renewals()
    registry = TenantRegistry(
        parts.tenants, parts.calendars, parts.signing_keys, parts.trail, clock, monotonic
    )
    following: tuple[AbstractContextManager[object], ...] = (registry.following(),)
    source: TokenSource = DirectSource(monotonic)
    if parts.shared is not None:
        source = tokens = parts.shared.tokens(renewals.submit, monotonic)
        registry.on_change(tokens.narrow)
        following += (parts.shared.changes.following(registry.apply, registry.catch_up_now),)
    cache = TokenCache(source, maxsize=settings.token_cache_size, clock=monotonic, run=renewals.submit)
    registry.on_change(cache.narrow)
    desk = EmbedDesk(
        registry=registry,
        widgets=parts.widgets,
        signed_access=SignedAccess(
            registry, parts.key_sets, UsedAssertions(parts.engine, clock), settings.public_url, clock
        ),
        cronofy=parts.cronofy,
        cache=cache,
        service=service,
        clock=clock,
    )
    metrics.watch(tokens=lambda: asdict(cache.stats()), parts=partial(_answering, parts))
    usage = Usage(parts.engine, clock)
    counts = parts.shared.counts(clock) if parts.shared is not None else LocalCounts(clock)
    return Services(
        service=service,
        trail=parts.trail,
        tenants=parts.tenants,
        calendars=parts.calendars,
        signing_keys=parts.signing_keys,
        widgets=parts.widgets,
        key_sets=parts.key_sets,
        registry=registry,
        desk=desk,
        repeats=Repeats(),
        first_slots=FirstSlots(
            parts.cronofy,
            counts,
            _ahead_of_elements(settings),
            clock=clock,
            monotonic=monotonic,
        ),
        refused_origins=parts.refused_origins,
        idempotency=parts.idempotency,
        usage=usage,
        counts=counts,
        metrics=metrics,
        degraded=partial(_degraded, parts),
        bundle=bundle,
        loader=load_loader(),
        backend=parts.backend_app,
        token_stats=cache.stats,
        cache_state=parts.shared.state if parts.shared else None,
        check_storage=partial(_check_storage, parts.engine),
        close=parts.close,
        background=(
            *filter(None, [parts.deliveries]),
            *following,
            renewals.running(),
            parts.refused_origins.flushing(),
            usage.flushing(),
            counts.syncing(),
            metrics.reading(),
        ),
    )


def _shared_cache(settings: Settings, secret_key: bytes) -> SharedCache | None:
    if settings.cache_url == MEMORY_CACHE:
        return None
    credentials = _credentials(settings, secret_key)
    issuer = issuer_name(
        derive_key(secret_key, Purpose.TOKEN_ISSUER),
        settings.api_url if settings.is_cloud else "embedded",
        credentials.client_id,
        credentials.client_secret,
    )
    return SharedCache(
        settings.cache_url,
        key=derive_key(secret_key, Purpose.SHARED_CACHE),
        issuer=issuer,
        mint_seconds=TOTAL_SECONDS,
    )


def build_bundle(settings: Settings) -> Bundle:
    """The UI Elements bundle; takes seconds the first time, while it is compressed."""
    return load_bundle(settings.elements_dir, settings.data_dir / "elements", settings.public_url)


def _pages(settings: Settings, bundle: Bundle) -> PageAssets:
    return PageAssets(
        templates=TEMPLATES,
        static_url=f"{settings.public_url}/static",
        bundle_src=bundle.src,
        bundle_integrity=bundle.integrity,
        style_hashes=STYLE_HASHES,
    )


def _credentials(settings: Settings, secret_key: bytes) -> Credentials:
    """The operator's credentials, or for the embedded backend ones that derive from the secret."""
    if settings.cronofy_client_id is not None and settings.cronofy_client_secret is not None:
        return Credentials(settings.cronofy_client_id, settings.cronofy_client_secret)
    return Credentials("app_gateway", derive_key(secret_key, Purpose.GATEWAY_APPLICATION).hex())


def _cronofy(
    settings: Settings,
    credentials: Credentials,
    guard: Guard | None,
    observe: Observe | None,
    transport: httpx.BaseTransport | None,
) -> CronofyClient:
    return CronofyClient(
        http_client(settings.api_url, transport=transport),
        client_id=credentials.client_id,
        client_secret=credentials.client_secret,
        guard=guard,
        observe=observe,
        timed=settings.is_cloud,
    )


def check_credentials(settings: Settings) -> Reached:
    """Show the operator's credentials to Cronofy's cloud, once. Raises UpstreamError."""
    if settings.cronofy_client_id is None or settings.cronofy_client_secret is None:
        raise ConfigurationError(["the embedded backend's credentials are the service's own"])
    with http_client(settings.api_url) as http:
        client = CronofyClient(
            http, client_id=settings.cronofy_client_id, client_secret=settings.cronofy_client_secret
        )
        return client.check_credentials()


def _ahead_of_elements(settings: Settings) -> list[Allowance]:
    """How often slots may be asked for ahead of the Elements: a share of what tokens need more."""
    limits = parse_many(settings.cronofy_rate_limits) if settings.is_cloud else []
    return [Allowance(max(1, limit.amount // _AHEAD_SHARE), limit.get_expiry()) for limit in limits]


def _guard(settings: Settings, credentials: Credentials) -> Guard:
    limits = parse_many(settings.cronofy_rate_limits)
    budget = Budget(credentials.client_id, limits, cache_url=settings.cache_url)
    return Guard(CircuitBreaker(), budget)


def _degraded(parts: Operations) -> dict[str, str]:
    """What the service goes on without, and how it does; nobody is asked for it."""
    states = {}
    if parts.shared is not None and parts.shared.state() is State.DOWN:
        states["cache"] = "down"
    if parts.guard is not None and parts.guard.state is not BreakerState.CLOSED:
        states["upstream"] = parts.guard.state.value
    return states


def _answering(parts: Operations) -> dict[str, bool]:
    down = _degraded(parts)
    known = {"cache": parts.shared, "upstream": parts.guard}
    return {part: part not in down for part, it in known.items() if it is not None}


def _check_storage(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT version_num FROM alembic_version"))
