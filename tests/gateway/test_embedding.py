"""Who gets a token: the order of the checks, what assertions narrow, and who shares a token."""

from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import Engine

from tests.clocks import FakeClock
from tests.gateway.conftest import API_URL, Upstream
from widgetsvc.cronofy.client import CronofyClient
from widgetsvc.errors import (
    AssertionRequired,
    InvalidAssertion,
    OriginNotAllowed,
    PermissionNotAllowed,
    UnknownCalendar,
    UnknownKey,
)
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.embedding import EmbedDesk, EmbedRequest, Service
from widgetsvc.gateway.key_sets import KeySets
from widgetsvc.gateway.registry import TenantRegistry
from widgetsvc.gateway.signed_access import SignedAccess
from widgetsvc.gateway.tenant_models import Access, NewTenant, Policy
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.gateway.token_cache import TokenCache
from widgetsvc.gateway.used_assertions import UsedAssertions
from widgetsvc.gateway.widgets import WidgetStore
from widgetsvc.outbound import Outbound
from widgetsvc.permissions import Element, Permission

pytestmark = pytest.mark.on_every_database

PAGE = "https://jobs.example.com"
PUBLIC_URL = "https://w.example.com"


@pytest.fixture
def desk(
    registry: TenantRegistry, widgets: WidgetStore, cronofy: CronofyClient, engine: Engine, clock: FakeClock
) -> EmbedDesk:
    used, key_sets = UsedAssertions(engine, clock), KeySets(Outbound(), clock)
    return EmbedDesk(
        registry=registry,
        widgets=widgets,
        signed_access=SignedAccess(registry, key_sets, used, PUBLIC_URL, clock),
        cronofy=cronofy,
        cache=TokenCache(clock=clock),
        service=Service(public_url=PUBLIC_URL, api_url=API_URL),
        clock=clock,
    )


def create(
    tenants: TenantDirectory, calendars: CalendarDirectory, slug: str, policy: Policy | None = None
) -> NewTenant:
    created = tenants.create(slug, slug.title(), [PAGE, "https://*.example.org"], policy)
    for name in ("a", "b"):
        calendars.add(created.tenant, name)
    return created


@pytest.fixture
def acme(tenants: TenantDirectory, calendars: CalendarDirectory) -> NewTenant:
    return create(tenants, calendars, "acme")


def wish(tenant: NewTenant, element: Element = Element.SLOT_PICKER, *calendars: str) -> EmbedRequest:
    return EmbedRequest(
        key=tenant.tenant.publishable_key,
        assertion=None,
        widget=None,
        element=element,
        permissions=frozenset({element.permission}),
        calendars=calendars or ("a",),
    )


def assertion(tenant: NewTenant, clock: FakeClock, **claims: object) -> str:
    key, now = tenant.signing_key, int(clock.now)
    body = {"iss": tenant.tenant.slug, "aud": PUBLIC_URL, "iat": now, "exp": now + 300} | claims
    return jwt.encode({"alg": "HS256", "kid": key.kid}, body, OctKey.import_key(key.secret))


def test_a_token_is_asked_for_what_was_wished_and_no_more(
    desk: EmbedDesk, acme: NewTenant, upstream: Upstream
) -> None:
    embed = desk.embed(wish(acme, Element.AGENDA), PAGE)

    assert (embed.element, embed.subs, embed.token.hit) == (Element.AGENDA, ("apc_acme_a",), False)
    assert upstream.mints == [{"permissions": ["agenda"], "subs": ["apc_acme_a"], "origin": PAGE}]


def test_elements_with_one_permission_share_a_token_in_whatever_order_calendars_come(
    desk: EmbedDesk, acme: NewTenant, upstream: Upstream
) -> None:
    first = desk.embed(wish(acme, Element.SLOT_PICKER, "a", "b"), PAGE)
    second = desk.embed(wish(acme, Element.AVAILABILITY_VIEWER, "b", "a"), PAGE)

    assert second.token.token == first.token.token
    assert second.subs == ("apc_acme_b", "apc_acme_a")
    assert len(upstream.mints) == 1


def test_tenants_share_no_token_on_one_page(
    desk: EmbedDesk,
    tenants: TenantDirectory,
    calendars: CalendarDirectory,
    acme: NewTenant,
    upstream: Upstream,
) -> None:
    other = create(tenants, calendars, "other")

    first, second = desk.embed(wish(acme), PAGE), desk.embed(wish(other), PAGE)

    assert first.token.token != second.token.token
    assert [mint["subs"] for mint in upstream.mints] == [["apc_acme_a"], ["apc_other_a"]]


def test_frames_get_tokens_for_the_services_own_origin(
    desk: EmbedDesk, acme: NewTenant, upstream: Upstream
) -> None:
    desk.embed(wish(acme), PUBLIC_URL)

    assert upstream.mints[0]["origin"] == PUBLIC_URL
    with pytest.raises(OriginNotAllowed):
        desk.embed(wish(acme), "http://w.example.com")


def test_nothing_is_asked_upstream_for_what_is_refused(
    desk: EmbedDesk, tenants: TenantDirectory, calendars: CalendarDirectory, upstream: Upstream
) -> None:
    agenda_only = Policy(permissions=frozenset({Permission.AGENDA}))
    acme = create(tenants, calendars, "acme", agenda_only)

    with pytest.raises(PermissionNotAllowed):
        desk.embed(wish(acme), PAGE)
    with pytest.raises(OriginNotAllowed):
        desk.embed(wish(acme, Element.AGENDA), "https://evil.example.com")
    with pytest.raises(UnknownCalendar):
        desk.embed(wish(acme, Element.AGENDA, "a", "nope"), PAGE)
    assert (upstream.upserts, upstream.mints) == ([], [])


def test_a_strange_page_learns_nothing_but_that_it_is_one(
    desk: EmbedDesk, tenants: TenantDirectory, calendars: CalendarDirectory
) -> None:
    signed = create(tenants, calendars, "acme", Policy(access=Access.SIGNED))

    with pytest.raises(OriginNotAllowed):
        desk.embed(wish(signed, Element.AGENDA, "nope"), "https://evil.example.com")
    with pytest.raises(AssertionRequired):
        desk.embed(wish(signed, Element.AGENDA, "nope"), PAGE)


def test_an_assertion_narrows_public_access_too(desk: EmbedDesk, acme: NewTenant, clock: FakeClock) -> None:
    narrowed = replace(wish(acme), assertion=assertion(acme, clock, calendars=["b"]))

    with pytest.raises(PermissionNotAllowed, match="every calendar"):
        desk.embed(narrowed, PAGE)


def test_an_assertion_for_an_element_is_none_for_bare_permissions(
    desk: EmbedDesk, acme: NewTenant, clock: FakeClock
) -> None:
    narrowed = replace(wish(acme), element=None, assertion=assertion(acme, clock, element="slot-picker"))

    with pytest.raises(PermissionNotAllowed, match="slot-picker only"):
        desk.embed(narrowed, PAGE)


def test_an_assertion_widens_no_policy(
    desk: EmbedDesk, tenants: TenantDirectory, calendars: CalendarDirectory, clock: FakeClock
) -> None:
    acme = create(tenants, calendars, "acme", Policy(Access.SIGNED, frozenset({Permission.AGENDA})))
    generous = assertion(acme, clock, permissions=["agenda", "availability"])

    with pytest.raises(PermissionNotAllowed, match="policy"):
        desk.embed(replace(wish(acme), assertion=generous), PAGE)


def test_the_key_says_whose_assertion_it_has_to_be(
    desk: EmbedDesk,
    tenants: TenantDirectory,
    calendars: CalendarDirectory,
    acme: NewTenant,
    clock: FakeClock,
) -> None:
    other = create(tenants, calendars, "other")

    with pytest.raises(InvalidAssertion):
        desk.embed(replace(wish(acme), assertion=assertion(other, clock)), PAGE)


def test_an_assertion_of_nobody_names_no_tenant(desk: EmbedDesk, acme: NewTenant, clock: FakeClock) -> None:
    forged = assertion(acme, clock, iss="nobody")

    with pytest.raises(UnknownKey, match="slug"):
        desk.embed(replace(wish(acme), key=None, assertion=forged), PAGE)
