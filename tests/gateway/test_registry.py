"""What a process knows of tenants: right at once for its own changes, within a second for others'."""

from collections.abc import Callable, Sequence
from threading import Event
from time import monotonic, sleep

import pytest
from sqlalchemy import Engine, delete, event, text

from tests.clocks import FakeClock
from widgetsvc.errors import TenantSuspended, UnknownCalendar, UnknownKey, UnknownTenant
from widgetsvc.gateway import registry as module
from widgetsvc.gateway import schema
from widgetsvc.gateway.audit import Action, AuditTrail, Change
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.keys import KeyKind
from widgetsvc.gateway.origins import Origin
from widgetsvc.gateway.registry import STALE_SECONDS, TenantRegistry
from widgetsvc.gateway.signing_keys import SigningKeyStore
from widgetsvc.gateway.tenant_models import Tenant, TenantUpdate
from widgetsvc.gateway.tenants import TenantDirectory

PAGE = "https://jobs.example.com"
ORIGIN = Origin("https", "jobs.example.com")
HOUR = 3_600


@pytest.fixture
def acme(tenants: TenantDirectory) -> Tenant:
    return tenants.create("acme", "Acme", [PAGE]).tenant


@pytest.fixture
def uptime() -> FakeClock:
    return FakeClock(50.0)


@pytest.fixture
def elsewhere(engine: Engine, clock: FakeClock, tenants: TenantDirectory) -> TenantDirectory:
    """The tenants as another process changes them, of which this one's registry is not told."""
    return TenantDirectory(engine, AuditTrail(engine, clock), tenants._cipher, clock)


@pytest.fixture
def registry(
    *,
    acme: Tenant,
    tenants: TenantDirectory,
    calendars: CalendarDirectory,
    signing_keys: SigningKeyStore,
    trail: AuditTrail,
    clock: FakeClock,
    uptime: FakeClock,
) -> TenantRegistry:
    return TenantRegistry(tenants, calendars, signing_keys, trail, clock, uptime)


class Statements:
    """Counts what the database is asked, and can keep it from answering."""

    def __init__(self, engine: Engine) -> None:
        self.count = 0
        self.is_down = False
        event.listen(engine, "before_cursor_execute", self._before)

    def _before(self, *_args: object) -> None:
        self.count += 1
        if self.is_down:
            # What SQLite says for a table that is gone: any error of the database will do.
            raise module.SQLAlchemyError("down")


@pytest.fixture
def statements(engine: Engine) -> Statements:
    return Statements(engine)


# What is known is not asked for again


def test_what_is_known_costs_no_query(registry: TenantRegistry, acme: Tenant, statements: Statements) -> None:
    known = registry.by_publishable_key(acme.publishable_key)
    registry.any_allows(ORIGIN)
    asked = statements.count

    for _ in range(3):
        assert registry.by_publishable_key(acme.publishable_key) is known
        assert registry.any_allows(ORIGIN)

    assert statements.count == asked


# Changes made here


CHANGES: dict[str, Callable[[TenantDirectory, Tenant], object]] = {
    "updated": lambda tenants, acme: tenants.update(acme, TenantUpdate(allowed_origins=[])),
    "suspended": TenantDirectory.suspend,
    "deleted": TenantDirectory.delete,
}


def is_refused(registry: TenantRegistry, acme: Tenant) -> bool:
    try:
        tenant = registry.by_publishable_key(acme.publishable_key).tenant
        tenant.check_active()
    except (UnknownKey, TenantSuspended):
        return True
    return tenant.origins.match(ORIGIN) is None


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_in_this_process_is_seen_at_once(
    registry: TenantRegistry,
    tenants: TenantDirectory,
    acme: Tenant,
    change: Callable[[TenantDirectory, Tenant], object],
) -> None:
    assert not is_refused(registry, acme)

    change(tenants, acme)

    assert is_refused(registry, acme)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_in_another_process_is_seen_within_a_second(
    registry: TenantRegistry,
    elsewhere: TenantDirectory,
    acme: Tenant,
    uptime: FakeClock,
    change: Callable[[TenantDirectory, Tenant], object],
) -> None:
    assert not is_refused(registry, acme)

    change(elsewhere, acme)
    uptime.advance(1)

    assert is_refused(registry, acme)


def test_the_thread_sees_the_changes_of_others_without_a_request(
    registry: TenantRegistry, elsewhere: TenantDirectory, acme: Tenant
) -> None:
    heard = Event()
    registry.on_change(lambda _changes: heard.set())

    with registry.following():
        elsewhere.suspend(acme)
        assert heard.wait(60)

    assert is_refused(registry, acme)


def test_other_tenants_stay_known(
    registry: TenantRegistry, tenants: TenantDirectory, acme: Tenant, uptime: FakeClock
) -> None:
    other = tenants.create("other", "Other", []).tenant
    uptime.advance(1)
    known = registry.by_slug("other")

    tenants.suspend(acme)
    uptime.advance(1)

    assert registry.by_slug("other") is known
    assert known.tenant == other


def test_a_new_tenants_pages_may_preflight_at_once(
    registry: TenantRegistry, tenants: TenantDirectory
) -> None:
    page = Origin("https", "www.example.org")
    assert not registry.any_allows(page)

    tenants.create("other", "Other", [str(page)])

    assert registry.any_allows(page)


def test_a_deleted_tenant_is_unknown_by_any_name(
    registry: TenantRegistry, elsewhere: TenantDirectory, acme: Tenant, uptime: FakeClock
) -> None:
    registry.by_slug("acme")
    registry.any_allows(ORIGIN)

    elsewhere.delete(acme)
    uptime.advance(1)

    with pytest.raises(UnknownTenant):
        registry.by_slug("acme")
    assert not registry.any_allows(ORIGIN)


def test_subs_are_the_known_tenants_until_one_is_revoked(
    registry: TenantRegistry, calendars: CalendarDirectory, acme: Tenant, statements: Statements
) -> None:
    calendars.add(acme, "store-42")
    known = registry.by_slug("acme")
    subs = registry.subs(known, ["store-42"])
    asked = statements.count

    assert registry.subs(known, ["store-42", "store-42"]) == subs * 2
    assert statements.count == asked
    calendars.revoke(acme, "store-42")
    with pytest.raises(Exception, match="revoked"):
        registry.subs(registry.by_slug("acme"), ["store-42"])
    with pytest.raises(UnknownCalendar):
        registry.subs(registry.by_slug("acme"), ["store-43"])


# Keys


def test_a_key_past_its_overlap_is_unknown_though_its_tenant_is_known(
    registry: TenantRegistry, tenants: TenantDirectory, acme: Tenant, clock: FakeClock
) -> None:
    new = tenants.rotate_key(acme, KeyKind.PUBLISHABLE, overlap=HOUR)
    clock.advance(HOUR - 1)
    registry.by_publishable_key(acme.publishable_key)

    clock.advance(1)

    with pytest.raises(UnknownKey):
        registry.by_publishable_key(acme.publishable_key)
    assert registry.by_publishable_key(new.text).tenant.slug == "acme"


def test_a_revoked_key_is_dead_in_another_process_within_a_second(
    registry: TenantRegistry, elsewhere: TenantDirectory, acme: Tenant, uptime: FakeClock
) -> None:
    elsewhere.rotate_key(acme, KeyKind.PUBLISHABLE, overlap=HOUR)
    uptime.advance(1)
    registry.by_publishable_key(acme.publishable_key)

    (old,) = [key for key in elsewhere.by_slug("acme").keys if key.publishable_key == acme.publishable_key]
    elsewhere.revoke_key(acme, old.key_id)
    uptime.advance(1)

    with pytest.raises(UnknownKey):
        registry.by_publishable_key(acme.publishable_key)


# Races and trouble


class Interrupted(TenantDirectory):
    """Lets something happen after a tenant has been read and before it is handed out."""

    meanwhile: Callable[[], object] | None = None

    def by_slug(self, slug: str) -> Tenant:
        found = super().by_slug(slug)
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        return found


def test_what_was_read_before_a_change_is_not_kept_after_it(
    *,
    engine: Engine,
    acme: Tenant,
    tenants: TenantDirectory,
    calendars: CalendarDirectory,
    signing_keys: SigningKeyStore,
    trail: AuditTrail,
    clock: FakeClock,
) -> None:
    slow = Interrupted(engine, trail, tenants._cipher, clock)
    registry = TenantRegistry(slow, calendars, signing_keys, trail, clock, clock)
    slow.meanwhile = lambda: tenants.suspend(acme)

    assert not registry.by_slug("acme").tenant.suspended
    assert registry.by_slug("acme").tenant.suspended


def test_without_a_database_what_is_known_is_served_for_a_while(
    registry: TenantRegistry,
    acme: Tenant,
    statements: Statements,
    uptime: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = registry.by_slug("acme")
    statements.is_down = True
    for _ in range(5):
        uptime.advance(1)
        assert registry.by_slug("acme") is known
    assert [record.levelname for record in caplog.records] == ["WARNING"]

    uptime.advance(STALE_SECONDS)
    with pytest.raises(module.SQLAlchemyError):
        registry.by_slug("acme")

    statements.is_down = False
    uptime.advance(1)
    assert registry.by_slug("acme").tenant == acme


def test_a_database_that_is_down_is_not_asked_by_every_request(
    registry: TenantRegistry, acme: Tenant, statements: Statements, uptime: FakeClock
) -> None:
    registry.by_slug("acme")
    statements.is_down = True
    uptime.advance(1)
    asked = statements.count

    for _ in range(10):
        registry.by_slug("acme")

    assert statements.count == asked + 1


def test_a_change_during_an_outage_is_seen_after_it(
    registry: TenantRegistry,
    elsewhere: TenantDirectory,
    acme: Tenant,
    statements: Statements,
    uptime: FakeClock,
) -> None:
    registry.by_slug("acme")
    statements.is_down = True
    uptime.advance(30)
    registry.by_slug("acme")
    statements.is_down = False

    elsewhere.suspend(acme)
    uptime.advance(1)

    assert registry.by_slug("acme").tenant.suspended


def test_a_database_put_back_from_a_backup_is_read_anew(
    registry: TenantRegistry, tenants: TenantDirectory, acme: Tenant, engine: Engine, uptime: FakeClock
) -> None:
    heard: list[Sequence[Change]] = []
    tenants.update(acme, TenantUpdate(name="Later"))
    uptime.advance(1)
    assert registry.by_slug("acme").tenant.name == "Later"
    registry.on_change(heard.append)

    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(delete(schema.audit_trail).where(schema.audit_trail.c.entry_id > 1))
        connection.execute(text("UPDATE tenants SET name = 'Earlier', version = 1"))
    uptime.advance(1)

    assert registry.by_slug("acme").tenant.name == "Earlier"
    assert heard == [()]


@pytest.mark.parametrize("number", [3, 1_000, 2_500])
def test_many_changes_at_once_are_all_seen(
    registry: TenantRegistry,
    elsewhere: TenantDirectory,
    acme: Tenant,
    engine: Engine,
    uptime: FakeClock,
    number,
) -> None:
    registry.by_slug("acme")
    entry = {"at": 1, "tenant_id": 0, "tenant": "x", "by": "operator", "action": Action.TENANT_UPDATED}
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(schema.audit_trail.insert(), [{**entry, "details": {}}] * number)
    elsewhere.suspend(acme)
    uptime.advance(1)

    assert registry.by_slug("acme").tenant.suspended


def test_what_a_newer_version_did_does_not_stop_the_following(
    registry: TenantRegistry, elsewhere: TenantDirectory, acme: Tenant, engine: Engine
) -> None:
    entry = {"at": 1, "tenant_id": acme.tenant_id, "tenant": "acme", "by": "operator", "details": {}}
    registry.by_slug("acme")
    with registry.following():
        with engine.execution_options(writes=True).begin() as connection:
            connection.execute(schema.audit_trail.insert().values(**entry, action="tenant.painted"))
        elsewhere.suspend(acme)
        deadline = monotonic() + 60
        while not registry.by_slug("acme").tenant.suspended:
            assert monotonic() < deadline
            sleep(0.02)
