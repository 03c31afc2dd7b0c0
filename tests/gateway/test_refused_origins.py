"""What is remembered of the origins that a tenant refused."""

import logging

import pytest
from sqlalchemy import Engine, text

from tests.clocks import FakeClock
from tests.conftest import NOON
from widgetsvc.errors import UnknownResource
from widgetsvc.gateway.refused_origins import MAX_ORIGINS, NO_ORIGIN, RefusedOrigin, RefusedOrigins
from widgetsvc.gateway.tenant_models import Tenant, TenantUpdate
from widgetsvc.gateway.tenants import TenantDirectory

pytestmark = pytest.mark.on_every_database

STAGE = "https://stage.example.com"


@pytest.fixture
def refused(engine: Engine, clock: FakeClock) -> RefusedOrigins:
    return RefusedOrigins(engine, clock)


@pytest.fixture
def acme(tenants: TenantDirectory) -> Tenant:
    return tenants.create("acme", "Acme", ["https://jobs.example.com"]).tenant


def note(refused: RefusedOrigins, tenant: Tenant, header: str | None = STAGE, referer: str = "") -> None:
    refused.note(tenant, header, nearest_rule="https://jobs.example.com", referer=referer)


def test_refusals_are_counted_with_first_and_last_time_page_and_rule(
    refused: RefusedOrigins, acme: Tenant, clock: FakeClock
) -> None:
    note(refused, acme, referer=f"{STAGE}/apply")
    clock.advance(60)
    note(refused, acme)

    seen = RefusedOrigin(STAGE, 2, int(NOON), int(NOON) + 60, f"{STAGE}/apply", "https://jobs.example.com")
    assert refused.all_of(acme) == [seen]


def test_counts_of_several_processes_add_up(
    refused: RefusedOrigins, engine: Engine, acme: Tenant, clock: FakeClock
) -> None:
    other = RefusedOrigins(engine, clock)
    note(other, acme, referer=f"{STAGE}/apply")
    clock.advance(5)
    note(refused, acme)
    refused.flush()
    other.flush()

    (seen,) = refused.all_of(acme)
    assert (seen.count, seen.last_seen_at) == (2, int(NOON) + 5)
    assert seen.page == f"{STAGE}/apply"


def test_nothing_is_written_before_the_flush(refused: RefusedOrigins, engine: Engine, acme: Tenant) -> None:
    note(refused, acme)

    def rows() -> int:
        with engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM refused_origins")).scalar_one()

    assert rows() == 0
    with refused.flushing():
        pass
    assert rows() == 1


def test_the_last_seen_comes_first(refused: RefusedOrigins, acme: Tenant, clock: FakeClock) -> None:
    for name in ("a", "b", "a"):
        note(refused, acme, f"https://{name}.test")
        clock.advance(1)

    assert [each.origin for each in refused.all_of(acme)] == ["https://a.test", "https://b.test"]


def test_a_tenant_sees_its_own_only(refused: RefusedOrigins, acme: Tenant, tenants: TenantDirectory) -> None:
    globex = tenants.create("globex", "Globex", []).tenant
    note(refused, acme)

    assert refused.all_of(globex) == []


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("null", "null"),
        (None, NO_ORIGIN),
        ("", ""),
        ("https://x.test/path", "https://x.test/path"),
        ("https://x.test/\x1b[31m", "https://x.test/\\x1b[31m"),
    ],
)
def test_what_is_no_origin_is_counted_as_printable_text(
    refused: RefusedOrigins, acme: Tenant, header: str | None, shown: str
) -> None:
    note(refused, acme, header)

    assert [each.origin for each in refused.all_of(acme)] == [shown]


@pytest.mark.parametrize("header", ["https://x.test/" + "\x00" * 5_000, "https://" + "é" * 5_000])
def test_an_endless_header_is_cut(refused: RefusedOrigins, acme: Tenant, header: str) -> None:
    note(refused, acme, header)

    (seen,) = refused.all_of(acme)
    assert len(seen.origin) <= 300


@pytest.mark.parametrize(
    ("referer", "page"),
    [
        (f"{STAGE}/apply?token=geheim#part", f"{STAGE}/apply"),
        ("https://user:pass@stage.example.com:8443/", "https://stage.example.com:8443/"),
        ("about:srcdoc", None),
        ("//stage.example.com/", None),
        ("https://[bad", None),
        ("nonsense", None),
        ("https://x.test/\x85\u202e", "https://x.test/\ufffd\ufffd"),
    ],
)
def test_a_page_is_remembered_without_what_may_be_private(
    refused: RefusedOrigins, acme: Tenant, referer: str, page: str | None
) -> None:
    note(refused, acme, referer=referer)

    assert [each.page for each in refused.all_of(acme)] == [page]


def test_a_page_of_endless_length_is_cut(refused: RefusedOrigins, acme: Tenant) -> None:
    note(refused, acme, referer=f"{STAGE}/{'x' * 9_000}")

    (seen,) = refused.all_of(acme)
    assert seen.page is not None
    assert len(seen.page) == 500


def test_what_was_allowed_since_is_not_listed(
    refused: RefusedOrigins, acme: Tenant, tenants: TenantDirectory
) -> None:
    note(refused, acme)
    allowing = tenants.update(acme, TenantUpdate(allowed_origins=[STAGE]), by="operator")

    assert refused.all_of(allowing) == []


def test_an_origin_can_be_forgotten(refused: RefusedOrigins, acme: Tenant) -> None:
    note(refused, acme)
    refused.forget(acme, STAGE)

    assert refused.all_of(acme) == []
    with pytest.raises(UnknownResource, match=STAGE):
        refused.forget(acme, STAGE)


def test_another_tenants_origin_cannot_be_forgotten(
    refused: RefusedOrigins, acme: Tenant, tenants: TenantDirectory
) -> None:
    globex = tenants.create("globex", "Globex", []).tenant
    note(refused, acme)

    with pytest.raises(UnknownResource):
        refused.forget(globex, STAGE)
    assert len(refused.all_of(acme)) == 1


def test_of_very_many_origins_the_last_seen_are_kept(
    refused: RefusedOrigins, acme: Tenant, clock: FakeClock
) -> None:
    for number in range(MAX_ORIGINS + 50):
        note(refused, acme, f"https://h{number}.test")
        clock.advance(1)
        if number == 100:
            refused.flush()

    kept = [each.origin for each in refused.all_of(acme)]
    assert len(kept) == MAX_ORIGINS
    assert kept[0] == f"https://h{MAX_ORIGINS + 49}.test"


def test_a_flood_on_one_tenant_is_bounded_and_hides_nothing_from_another(
    refused: RefusedOrigins, acme: Tenant, tenants: TenantDirectory, clock: FakeClock
) -> None:
    globex = tenants.create("globex", "Globex", []).tenant
    note(refused, acme)
    for number in range(5_000):
        note(refused, acme, f"https://h{number}.test")
    clock.advance(1)
    note(refused, acme)
    note(refused, globex)

    kept = refused.all_of(acme)
    assert (len(kept), sum(each.count for each in kept)) == (MAX_ORIGINS, MAX_ORIGINS + 1)
    assert (kept[0].origin, kept[0].count) == (STAGE, 2)
    assert [each.count for each in refused.all_of(globex)] == [1]


def test_a_deleted_tenants_notes_are_dropped_and_others_written(
    refused: RefusedOrigins, acme: Tenant, tenants: TenantDirectory
) -> None:
    globex = tenants.create("globex", "Globex", []).tenant
    note(refused, globex)
    note(refused, acme)
    tenants.delete(globex, by="operator")

    assert [each.origin for each in refused.all_of(acme)] == [STAGE]


def test_what_a_broken_database_did_not_take_is_kept(
    tenants: TenantDirectory, acme: Tenant, engine: Engine, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    refused = RefusedOrigins(engine, clock)
    note(refused, acme)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("ALTER TABLE refused_origins RENAME TO gone"))
    with caplog.at_level(logging.WARNING):
        refused.flush()
    note(refused, acme)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO refused_origins"))

    assert [each.count for each in refused.all_of(acme)] == [2]
    assert "cannot write refused origins, kept for later" in caplog.text
