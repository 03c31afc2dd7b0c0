"""What is counted of each tenant's requests."""

import threading
from datetime import date

import pytest
from sqlalchemy import Engine

from tests.clocks import FakeClock
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.gateway.usage import Usage, UsageCount
from widgetsvc.permissions import Element

pytestmark = pytest.mark.on_every_database

SUNDAY, MONDAY, TUESDAY = date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture
def usage(engine: Engine, clock: FakeClock) -> Usage:
    return Usage(engine, clock)


@pytest.fixture
def acme(tenants: TenantDirectory) -> Tenant:
    return tenants.create("acme", "Acme", []).tenant


def test_requests_are_counted_by_day_element_and_outcome(
    usage: Usage, acme: Tenant, clock: FakeClock
) -> None:
    usage.count(acme, Element.AGENDA, "miss")
    usage.count(acme, Element.AGENDA, "hit")
    usage.count(acme, Element.AGENDA, "hit")
    usage.count(acme, None, "origin_not_allowed")
    clock.advance(12 * 3_600)
    usage.count(acme, Element.AGENDA, "hit")

    assert usage.between(acme, SUNDAY, TUESDAY) == [
        UsageCount(SUNDAY, None, "origin_not_allowed", 1),
        UsageCount(SUNDAY, Element.AGENDA, "hit", 2),
        UsageCount(SUNDAY, Element.AGENDA, "miss", 1),
        UsageCount(MONDAY, Element.AGENDA, "hit", 1),
    ]


def test_only_the_days_asked_for_are_counted(usage: Usage, acme: Tenant, clock: FakeClock) -> None:
    for _ in range(3):
        usage.count(acme, None, "hit")
        clock.advance(86_400)

    assert [count.day for count in usage.between(acme, MONDAY, MONDAY)] == [MONDAY]


def test_a_tenant_sees_its_own_usage_only(usage: Usage, acme: Tenant, tenants: TenantDirectory) -> None:
    globex = tenants.create("globex", "Globex", []).tenant
    usage.count(acme, None, "hit")

    assert usage.between(globex, SUNDAY, SUNDAY) == []


def test_counts_of_threads_and_processes_add_up(
    usage: Usage, engine: Engine, acme: Tenant, clock: FakeClock
) -> None:
    other = Usage(engine, clock)

    def count() -> None:
        for number in range(500):
            (usage if number % 2 else other).count(acme, None, "hit")
            if number % 100 == 0:
                other.flush()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.flush()

    assert [count.count for count in usage.between(acme, SUNDAY, SUNDAY)] == [2_000]


def test_what_is_counted_is_written_when_the_service_ends(
    usage: Usage, engine: Engine, acme: Tenant, clock: FakeClock
) -> None:
    with usage.flushing():
        usage.count(acme, None, "hit")

    assert [count.count for count in Usage(engine, clock).between(acme, SUNDAY, SUNDAY)] == [1]


def test_a_deleted_tenants_counts_are_dropped(usage: Usage, acme: Tenant, tenants: TenantDirectory) -> None:
    globex = tenants.create("globex", "Globex", []).tenant
    usage.count(globex, None, "hit")
    usage.count(acme, None, "hit")
    tenants.delete(globex, by="operator")

    assert [count.count for count in usage.between(acme, SUNDAY, SUNDAY)] == [1]
