"""The heart of the gateway: a page asks to embed something, and gets a token for it or a reason why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from widgetsvc.clock import Clock
from widgetsvc.cronofy.client import CronofyClient
from widgetsvc.errors import (
    AssertionRequired,
    OriginNotAllowed,
    PermissionNotAllowed,
    UnknownKey,
    UnknownTenant,
    UnknownWidget,
)
from widgetsvc.gateway.assertions import Assertion, unverified_issuer, verify_assertion
from widgetsvc.gateway.options import element_options
from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.origins import Origin
from widgetsvc.gateway.registry import KnownTenant, TenantRegistry
from widgetsvc.gateway.tenants import Access, Tenant
from widgetsvc.gateway.token_cache import CachedToken, TokenCache, TokenKey
from widgetsvc.permissions import Element, Permission


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """What a page asks for: an element, or bare permissions, on some of the tenant's calendars."""

    key: str | None
    assertion: str | None
    widget: str | None
    element: Element | None
    permissions: frozenset[Permission]
    calendars: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Embed:
    """What a page gets."""

    tenant: Tenant
    element: Element | None
    subs: tuple[str, ...]
    token: CachedToken
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """The gateway's own addresses: where pages reach it, and where their Elements reach Cronofy's API."""

    public_url: str
    api_url: str

    @property
    def origin(self) -> Origin | None:
        """The origin of the service's own pages, the frames."""
        return Origin.parse(self.public_url)


class EmbedDesk:
    """Answers embed requests."""

    def __init__(
        self,
        *,
        registry: TenantRegistry,
        cronofy: CronofyClient,
        cache: TokenCache,
        service: Service,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._cronofy = cronofy
        self._cache = cache
        self._service = service
        self._own_origin = service.origin
        self._clock = clock

    def embed(self, wanted: EmbedRequest, origin_header: str | None) -> Embed:
        """Give the page a token for what it wants. Raises a ServiceError that says why not."""
        known = self._known(wanted)
        tenant = known.tenant
        origin = self.allowed_origin(tenant, origin_header)
        tenant.check_active()
        assertion = self._assertion(known, wanted)
        if wanted.widget is not None:
            raise UnknownWidget(f"{tenant.name} has no widget of this id.")
        self._check_policy(tenant, wanted, assertion)
        subs = self._registry.subs(known, wanted.calendars)
        token = self._token(tenant, subs, wanted.permissions, str(origin))
        return Embed(tenant, wanted.element, subs, token, self._options(tenant, wanted.element, subs))

    def _known(self, wanted: EmbedRequest) -> KnownTenant:
        if wanted.key is not None:
            return self._registry.by_publishable_key(wanted.key)
        try:
            return self._registry.by_slug(unverified_issuer(wanted.assertion or ""))
        except UnknownTenant as error:
            raise UnknownKey(
                "The assertion's iss names no tenant; it has to be the tenant's slug."
            ) from error

    def allowed_origin(self, tenant: Tenant, header: str | None) -> Origin:
        """Return the calling page's origin. Raises OriginNotAllowed with the rule that came nearest."""
        origin = Origin.parse(header)
        # Frames are pages of our own; who may frame them is the browser's to enforce (frame-ancestors).
        if origin is not None and (origin == self._own_origin or tenant.origins.match(origin)):
            return origin
        decision = explain(tenant.origins, header)
        detail = " ".join(filter(None, (decision.reason, decision.suggestion)))
        raise OriginNotAllowed(detail, origin=decision.origin, nearest_rule=decision.rule)

    def may_preflight(self, header: str | None) -> bool:
        """Whether a preflight from this origin may succeed; it names no key, so any tenant's rule will do."""
        origin = Origin.parse(header)
        return origin is not None and (origin == self._own_origin or self._registry.any_allows(origin))

    def _assertion(self, known: KnownTenant, wanted: EmbedRequest) -> Assertion | None:
        tenant = known.tenant
        if wanted.assertion is None:
            writes = wanted.element is not None and wanted.element.needs_assertion
            if tenant.policy.access is Access.SIGNED or wanted.key is None or writes:
                raise AssertionRequired(
                    f"{tenant.name} embeds signed only: send an assertion that the tenant's server signed."
                )
            return None
        return verify_assertion(
            wanted.assertion,
            find_key=self._registry.signing_keys(known).get,
            issuer=tenant.slug,
            audience=self._service.public_url,
            now=self._clock(),
        )

    def _check_policy(self, tenant: Tenant, wanted: EmbedRequest, assertion: Assertion | None) -> None:
        missing = wanted.permissions - tenant.policy.permissions
        if missing:
            raise PermissionNotAllowed(f"{tenant.name}'s policy does not include {_names(sorted(missing))}.")
        if assertion is None:
            return
        if assertion.element is not None and wanted.element is not assertion.element:
            raise PermissionNotAllowed(f"The assertion is for the element {assertion.element.value} only.")
        if assertion.permissions is not None and not wanted.permissions <= assertion.permissions:
            raise PermissionNotAllowed(f"The assertion allows {_names(sorted(assertion.permissions))} only.")
        if assertion.calendars is not None and not assertion.calendars.issuperset(wanted.calendars):
            raise PermissionNotAllowed("The assertion does not name every calendar that was asked for.")

    def _token(
        self, tenant: Tenant, subs: tuple[str, ...], permissions: frozenset[Permission], origin: str
    ) -> CachedToken:
        key = TokenKey(str(tenant.tenant_id), subs, tuple(permissions), origin)
        return self._cache.get(key, lambda: self._cronofy.element_token(permissions, subs, origin))

    def _options(self, tenant: Tenant, element: Element | None, subs: Sequence[str]) -> dict[str, Any]:
        return element_options(
            element, subs, api_url=self._service.api_url, tzid=tenant.policy.tzid, now=self._clock()
        )


def _names(permissions: Sequence[Permission]) -> str:
    return ", ".join(permission.value for permission in permissions)
