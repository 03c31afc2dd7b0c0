"""Calendars' own tokens: kept encrypted, refreshed when due, and never by more than one at a time."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, select

from tests.clocks import FakeClock
from tests.gateway.conftest import API_URL, Upstream
from widgetsvc.cronofy.breaker import CircuitBreaker
from widgetsvc.cronofy.budget import Budget
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.cronofy.guard import Guard
from widgetsvc.errors import CalendarRevoked, UpstreamRejected, UpstreamUnavailable
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.schema import tenant_calendars
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.tenants import TenantDirectory

FIRST = "access.1.apc_acme_store-42"
RENEWED = "renewed.1.apc_acme_store-42"
REFRESH = "refresh.apc_acme_store-42"
HOUR = 3_600


@pytest.fixture
def acme(tenants: TenantDirectory, calendars: CalendarDirectory) -> Tenant:
    tenant = tenants.create("acme", "Acme", []).tenant
    calendars.add(tenant, "store-42")
    return tenant


@pytest.fixture
def token(calendars: CalendarDirectory, acme: Tenant) -> Callable[..., str]:
    return lambda **kwargs: calendars.access(acme, "store-42", **kwargs).access_token


def test_a_valid_token_is_given_out_without_asking(
    token: Callable[..., str],
    upstream: Upstream,
    clock: FakeClock,
    calendars: CalendarDirectory,
    acme: Tenant,
) -> None:
    token()
    asked = len(upstream.requests)
    clock.advance(HOUR - 301)

    assert token() == FIRST
    assert calendars.access(acme, "store-42").expires_in == 301
    assert len(upstream.requests) == asked


def test_a_token_near_its_end_is_refreshed_and_kept(
    token: Callable[..., str], upstream: Upstream, clock: FakeClock
) -> None:
    token()
    clock.advance(HOUR - 300)

    assert [token(), token()] == [RENEWED] * 2
    assert upstream.refreshes == [REFRESH]
    assert upstream.upserts == ["acme:store-42"]


def test_tokens_are_not_readable_in_the_database(
    token: Callable[..., str], clock: FakeClock, engine: Engine
) -> None:
    def stored() -> bytes:
        with engine.connect() as connection:
            return connection.execute(select(tenant_calendars.c.credentials_encrypted)).scalar_one()

    token()
    upserted = stored()
    clock.advance(HOUR)
    token()

    assert stored() != upserted
    for sealed in (upserted, stored()):
        assert b"access" not in sealed
        assert b"refresh" not in sealed


def test_a_dead_refresh_token_leads_to_a_new_upsert(
    token: Callable[..., str], upstream: Upstream, clock: FakeClock
) -> None:
    token()
    upstream.dead.add(REFRESH)
    clock.advance(HOUR)

    assert token() == "access.2.apc_acme_store-42"
    assert upstream.upserts == ["acme:store-42"] * 2


def test_a_refused_token_is_replaced_once_for_all_who_met_the_refusal(
    token: Callable[..., str], upstream: Upstream
) -> None:
    refused = token()

    assert [token(refused=refused) for _ in range(3)] == [RENEWED] * 3
    assert upstream.refreshes == [REFRESH]


def test_a_token_refused_again_and_again_is_not_asked_for_again_and_again(
    token: Callable[..., str], upstream: Upstream, clock: FakeClock
) -> None:
    refused = token()
    upstream.status = 403
    for _ in range(5):
        with pytest.raises(UpstreamRejected):
            token(refused=refused)
        clock.advance(10)
    assert len(upstream.refreshes) == 1

    clock.advance(11)
    upstream.status = 200

    assert token(refused=refused) == "renewed.2.apc_acme_store-42"


def test_one_that_is_the_same_again_is_refused_with_what_to_do(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    refused = calendars.access(acme, "store-42").access_token
    upstream.dead.add(REFRESH)
    upstream.upserts.clear()

    with pytest.raises(UpstreamRejected, match="revoke the calendar and add it again"):
        calendars.access(acme, "store-42", refused=refused)


def test_a_token_that_still_lasts_is_served_while_it_cannot_be_renewed(
    token: Callable[..., str], upstream: Upstream, clock: FakeClock
) -> None:
    token()
    upstream.status = 503
    clock.advance(HOUR - 300)

    assert [token(), token()] == [FIRST] * 2
    assert len(upstream.refreshes) == 1

    clock.advance(270)
    with pytest.raises(UpstreamUnavailable):
        token()


def test_a_failure_is_told_with_the_time_to_the_next_attempt(
    token: Callable[..., str], upstream: Upstream, clock: FakeClock
) -> None:
    token()
    upstream.status = 503
    clock.advance(HOUR)
    with pytest.raises(UpstreamUnavailable):
        token()
    clock.advance(20)

    with pytest.raises(UpstreamUnavailable) as caught:
        token()

    assert caught.value.retry_after == 40
    assert len(upstream.refreshes) == 1


def test_what_was_never_sent_is_no_reason_to_wait(
    engine: Engine, trail: AuditTrail, upstream: Upstream, acme: Tenant, clock: FakeClock
) -> None:
    guard = Guard(CircuitBreaker(clock), Budget("app_1", [], monotonic=clock), sleep=clock.advance)
    http = http_client(API_URL, transport=httpx.MockTransport(upstream))
    client = CronofyClient(http, client_id="app_1", client_secret="secret", guard=guard, monotonic=clock)
    cipher = Fernet(Fernet.generate_key())
    calendars = CalendarDirectory(engine, trail, client, clock, cipher=cipher, monotonic=clock)
    upstream.status = 500
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            client.list_calendars("any")
    asked = len(upstream.requests)
    with pytest.raises(UpstreamUnavailable, match="left alone"):
        calendars.access(acme, "store-42")
    assert len(upstream.requests) == asked
    upstream.status = 200
    clock.advance(15)

    assert calendars.access(acme, "store-42").access_token == FIRST


def test_many_at_once_cause_one_refresh(
    token: Callable[..., str], upstream: Upstream, clock: FakeClock
) -> None:
    token()
    clock.advance(HOUR)
    together = threading.Barrier(8)

    def ask(_: int) -> str:
        together.wait()
        return token()

    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(ask, range(8)))

    assert tokens == [RENEWED] * 8
    assert upstream.refreshes == [REFRESH]


def test_without_the_key_that_they_were_sealed_with_tokens_are_got_anew(
    token: Callable[..., str],
    engine: Engine,
    trail: AuditTrail,
    cronofy: CronofyClient,
    acme: Tenant,
    clock: FakeClock,
) -> None:
    token()
    cipher = Fernet(Fernet.generate_key())
    elsewhere = CalendarDirectory(engine, trail, cronofy, clock, cipher=cipher)

    assert elsewhere.access(acme, "store-42").access_token == "access.2.apc_acme_store-42"


def test_the_first_use_brings_the_tokens_along(
    token: Callable[..., str], calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.subs(acme, ["store-42"])

    assert token() == FIRST
    assert upstream.upserts == ["acme:store-42"]


def test_a_revoked_calendars_tokens_are_forgotten(
    token: Callable[..., str], calendars: CalendarDirectory, engine: Engine, acme: Tenant
) -> None:
    token()
    calendars.revoke(acme, "store-42")

    with engine.connect() as connection:
        assert connection.execute(select(tenant_calendars.c.credentials_encrypted)).scalar_one() is None
    with pytest.raises(CalendarRevoked):
        token()


def test_a_calendar_made_anew_upstream_has_another_calendar_id(
    calendars: CalendarDirectory, upstream: Upstream, cronofy: CronofyClient, acme: Tenant
) -> None:
    first = calendars.access(acme, "store-42")
    cronofy.revoke(first.sub)
    upstream.calendar_id = "cal_2"

    access = calendars.access(acme, "store-42", refused=first.access_token)

    assert (first.calendar_id, access.calendar_id) == ("cal_1", "cal_2")
    assert access.sub == "apc_acme_store-42_2"


def test_no_token_shows_where_access_is_printed(calendars: CalendarDirectory, acme: Tenant) -> None:
    assert FIRST not in repr(calendars.access(acme, "store-42"))
