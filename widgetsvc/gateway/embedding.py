"""The heart of the gateway: a page asks to embed something, and gets a token for it or a reason why not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from widgetsvc.clock import Clock
from widgetsvc.cronofy.client import CronofyClient
from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.errors import (
    AssertionRequired,
    OriginNotAllowed,
    PermissionNotAllowed,
    UnknownKey,
    UnknownTenant,
)
from widgetsvc.gateway.assertions import Assertion, unverified_issuer
from widgetsvc.gateway.options import element_options
from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.origins import Origin, OriginRule
from widgetsvc.gateway.registry import KnownTenant, TenantRegistry
from widgetsvc.gateway.signed_access import SignedAccess
from widgetsvc.gateway.tenant_models import Access, Tenant
from widgetsvc.gateway.token_cache import CachedToken, TokenCache, TokenKey
from widgetsvc.gateway.widgets import Widget, WidgetStore
from widgetsvc.permissions import PUBLIC_PERMISSIONS, Element, Permission

ASSERTION = "assertion"
"""Who adds calendars that an assertion is the first to name."""


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """What a page asks for: a widget, or an element or bare permissions on some of the tenant's calendars."""

    key: str | None
    assertion: str | None
    widget: str | None
    element: Element | None
    permissions: frozenset[Permission]
    calendars: tuple[str, ...]
    refused: str | None = None
    """The token that the page had, where Cronofy refuses it before its time."""

    def of(self, widget: Widget) -> "EmbedRequest":
        """The same request with what the widget says filled in."""
        element = widget.element
        permissions = frozenset({element.permission})
        return replace(self, element=element, permissions=permissions, calendars=widget.calendars)

    @property
    def writes(self) -> frozenset[Permission]:
        """What of it lets visitors change things, which takes an assertion whatever the tenant's access."""
        return self.permissions - PUBLIC_PERMISSIONS


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request is entitled to, until its tenant changes.

    `publishable_key` is None where an assertion was needed: the next request has to bring one of its own.
    """

    known: KnownTenant
    publishable_key: str | None
    element: Element | None
    subs: tuple[str, ...]
    key: TokenKey
    rule: str | None
    """The tenant's rule that let the page in; None for our own frames."""
    widget: Widget | None = None

    @property
    def key_id(self) -> str | None:
        """The id of the publishable key that the page named its tenant by."""
        return self.known.tenant.key_id(self.publishable_key)


@dataclass(frozen=True, slots=True)
class Embed:
    """What a page gets."""

    tenant: Tenant
    element: Element | None
    subs: tuple[str, ...]
    token: CachedToken
    options: dict[str, Any]
    rule: str | None
    """As in `Grant`."""
    widget: Widget | None = None


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

    def __init__(  # noqa: PLR0913 - one parameter a collaborator
        self,
        *,
        registry: TenantRegistry,
        widgets: WidgetStore,
        signed_access: SignedAccess,
        cronofy: CronofyClient,
        cache: TokenCache,
        service: Service,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._widgets = widgets
        self._signed_access = signed_access
        self._cronofy = cronofy
        self._cache = cache
        self._service = service
        self._own_origin = service.origin
        self._clock = clock

    def embed(
        self, wanted: EmbedRequest, origin_header: str | None, meet: Callable[[Tenant], None] | None = None
    ) -> Embed:
        """Give the page a token for what it wants; the arguments and errors are those of `grant`."""
        return self.serve(self.grant(wanted, origin_header, meet), wanted.refused)

    def grant(
        self, wanted: EmbedRequest, origin_header: str | None, meet: Callable[[Tenant], None] | None = None
    ) -> Grant:
        """Find out whether the page may have what it wants. Raises a ServiceError that says why not.

        `meet` is called as soon as it is known whose page it is, and may raise one, too.
        """
        known = self._known(wanted)
        tenant = known.tenant
        if meet is not None:
            meet(tenant)
        origin, rule = self._admitted(tenant, origin_header)
        tenant.check_active()
        widget = self.widget(known, wanted.widget) if wanted.widget is not None else None
        if widget is not None:
            wanted = wanted.of(widget)
        assertion = self._assertion(known, wanted)
        check_policy(tenant, wanted)
        if assertion is not None:
            check_narrowing(assertion, wanted)
        lazily = tenant.policy.lazy_calendars and assertion is not None and assertion.calendars is not None
        subs = self._registry.subs(known, wanted.calendars, lazily_by=ASSERTION if lazily else None)
        if assertion is not None:
            self._signed_access.use(tenant, assertion)
        key = TokenKey(str(tenant.tenant_id), subs, tuple(wanted.permissions), str(origin))
        return Grant(
            known,
            None if assertion else wanted.key,
            wanted.element,
            subs,
            key,
            None if rule is None else str(rule),
            widget,
        )

    def serve(self, grant: Grant, refused: str | None = None) -> Embed:
        """Give what has been granted, but not the token that is `refused`. Raises UpstreamError."""
        key = grant.key
        if refused is not None:
            self._cache.refuse(key, refused)
        return self.embed_of(grant, self._cache.get(key, self._mint(key)))

    def token_at_hand(self, grant: Grant) -> CachedToken | None:
        """Return the token for an earlier grant if that still holds and there is nothing to wait for."""
        if grant.publishable_key is None or not self._registry.is_current(grant.known, grant.publishable_key):
            return None
        return self._cache.at_hand(grant.key, self._mint(grant.key))

    def embed_of(self, grant: Grant, token: CachedToken) -> Embed:
        """Put together what a page gets, with the options of this moment."""
        options = self._options(grant)
        return Embed(grant.known.tenant, grant.element, grant.subs, token, options, grant.rule, grant.widget)

    def _mint(self, key: TokenKey) -> Callable[[], ElementToken]:
        return lambda: self._cronofy.element_token(key.permissions, key.subs, key.origin)

    def widget(self, known: KnownTenant, widget_id: str) -> Widget:
        """Return a tenant's widget. Raises UnknownWidget."""
        return self._registry.widget(known, widget_id, self._widgets.get)

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
        return self._admitted(tenant, header)[0]

    def _admitted(self, tenant: Tenant, header: str | None) -> tuple[Origin, OriginRule | None]:
        origin = Origin.parse(header)
        if origin is not None:
            rule = tenant.origins.match(origin)
            # Frames are pages of our own; who may frame them is the browser's to enforce (frame-ancestors).
            if rule is not None or origin == self._own_origin:
                return origin, rule
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
            if tenant.policy.access is Access.SIGNED:
                raise AssertionRequired(
                    f"{tenant.name} embeds signed only: send an assertion that the tenant's server signed."
                )
            if wanted.writes:
                raise AssertionRequired(
                    f"{_names(wanted.writes)} lets visitors change things: send an assertion, signed by the "
                    "tenant's server, that names the element and the calendar."
                )
            return None
        return self._signed_access.verify(known, wanted.assertion)

    def _options(self, grant: Grant) -> dict[str, Any]:
        return element_options(
            grant.element,
            grant.subs,
            api_url=self._service.api_url,
            tzid=grant.known.tenant.policy.tzid,
            now=self._clock(),
            widget=grant.widget.draft if grant.widget else None,
        )


def check_policy(tenant: Tenant, wanted: EmbedRequest) -> None:
    """Raise PermissionNotAllowed for what the tenant's policy does not include.

    Bare permissions are held against the elements that may be embedded, too: each has to be one that such an
    element needs, so that they get no more than a token for that element would allow.
    """
    policy = tenant.policy
    missing = wanted.permissions - policy.permissions
    if missing:
        raise PermissionNotAllowed(f"{tenant.name}'s policy does not include {_names(missing)}.")
    if policy.elements is None:
        return
    if wanted.element is not None:
        if wanted.element not in policy.elements:
            raise PermissionNotAllowed(
                f"{tenant.name}'s policy does not include the element {wanted.element.value}."
            )
        return
    uncovered = wanted.permissions - {element.permission for element in policy.elements}
    if uncovered:
        raise PermissionNotAllowed(f"No element of {tenant.name}'s policy needs {_names(uncovered)}.")


def check_narrowing(assertion: Assertion, wanted: EmbedRequest) -> None:
    """Raise PermissionNotAllowed for what an assertion does not cover.

    What writes has to be named by it, as element or permission, together with the one calendar.
    """
    if assertion.element is not None and wanted.element is not assertion.element:
        raise PermissionNotAllowed(f"The assertion is for the element {assertion.element.value} only.")
    if assertion.permissions is not None and not wanted.permissions <= assertion.permissions:
        raise PermissionNotAllowed(f"The assertion allows {_names(assertion.permissions)} only.")
    if assertion.calendars is not None and not assertion.calendars.issuperset(wanted.calendars):
        raise PermissionNotAllowed("The assertion does not name every calendar that was asked for.")
    if not wanted.writes:
        return
    if assertion.element is None and assertion.permissions is None:
        raise PermissionNotAllowed(
            f"{_names(wanted.writes)} lets visitors change things: the assertion has to name it in "
            "permissions, or the element in element."
        )
    if assertion.calendars is None or len(assertion.calendars) != 1:
        raise PermissionNotAllowed(
            f"{_names(wanted.writes)} lets visitors change things: the assertion has to name exactly one "
            "calendar."
        )


def _names(permissions: Iterable[Permission]) -> str:
    return ", ".join(sorted(permission.value for permission in permissions))
