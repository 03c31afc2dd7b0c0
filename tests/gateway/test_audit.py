"""The trail of changes: one entry each, in order, and nothing in it that is a secret."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, insert

from tests.clocks import FakeClock
from widgetsvc.gateway import schema
from widgetsvc.gateway.audit import Action, AuditTrail, Change
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.keys import KeyKind
from widgetsvc.gateway.tenant_models import Tenant, TenantUpdate
from widgetsvc.gateway.tenants import TenantDirectory

pytestmark = pytest.mark.on_every_database

BY = "key key_abc"


@pytest.fixture
def acme(tenants: TenantDirectory) -> Tenant:
    return tenants.create("acme", "Acme", ["https://jobs.example.com"], by=BY).tenant


MUTATIONS: dict[Action, Callable[[TenantDirectory, Tenant], object]] = {
    Action.TENANT_UPDATED: lambda tenants, acme: tenants.update(acme, TenantUpdate(name="x"), by=BY),
    Action.TENANT_SUSPENDED: lambda tenants, acme: tenants.suspend(acme, by=BY),
    Action.TENANT_DELETED: lambda tenants, acme: tenants.delete(acme, by=BY),
    Action.KEY_ROTATED: lambda tenants, acme: tenants.rotate_key(acme, KeyKind.SECRET, by=BY),
}


@pytest.mark.parametrize("action", MUTATIONS)
def test_a_change_makes_one_entry_with_who_and_what(
    tenants: TenantDirectory, trail: AuditTrail, acme: Tenant, clock: FakeClock, action: Action
) -> None:
    clock.advance(5.5)
    MUTATIONS[action](tenants, acme)

    entry, created = trail.of(acme, 10)
    assert (entry.action, entry.by, entry.tenant_id, entry.tenant, entry.at) == (
        action,
        BY,
        acme.tenant_id,
        "acme",
        int(clock()),
    )
    assert (created.action, created.details) == (
        Action.TENANT_CREATED,
        {"origins": ["https://jobs.example.com"]},
    )


def test_the_other_changes_make_one_entry_each_too(
    tenants: TenantDirectory, calendars: CalendarDirectory, trail: AuditTrail, acme: Tenant
) -> None:
    tenants.suspend(acme)
    tenants.resume(acme, by=BY)
    key = tenants.rotate_key(acme, KeyKind.PUBLISHABLE, by=BY).key
    tenants.revoke_key(acme, key.key_id, by=BY)
    calendars.add(acme, "store-42", by=BY)
    calendars.revoke(acme, "store-42", by=BY)

    newest_first = [(entry.action, entry.by, entry.subject) for entry in trail.of(acme, 6)]
    assert newest_first == [
        (Action.CALENDAR_REVOKED, BY, "store-42"),
        (Action.CALENDAR_ADDED, BY, "store-42"),
        (Action.KEY_REVOKED, BY, key.key_id),
        (Action.KEY_ROTATED, BY, key.key_id),
        (Action.TENANT_RESUMED, BY, None),
        (Action.TENANT_SUSPENDED, "operator", None),
    ]


def test_no_entry_holds_a_secret(
    tenants: TenantDirectory, calendars: CalendarDirectory, trail: AuditTrail
) -> None:
    new = tenants.create("acme", "Acme", [])
    rotated = [tenants.rotate_key(new.tenant, kind) for kind in KeyKind]
    calendars.add(new.tenant, "store-42")
    calendars.subs(new.tenant, ["store-42"])
    tenants.delete(new.tenant)

    written = json.dumps([(entry.subject, entry.details) for entry in trail.since(0, 100)])
    secrets = [new.secret_key, new.signing_key.secret.decode(), *(key.text for key in rotated)]
    assert not any(secret in written for secret in [*secrets, "access", "refresh"])


def test_a_change_that_fails_leaves_no_entry_and_tells_nobody(
    tenants: TenantDirectory, trail: AuditTrail, acme: Tenant
) -> None:
    heard: list[object] = []
    trail.listen(heard.extend)

    class Fault(Exception):
        pass

    def fail() -> None:
        with trail.transaction(BY) as change:
            change.record(acme, Action.TENANT_SUSPENDED)
            raise Fault

    with pytest.raises(Fault):
        fail()

    assert [entry.action for entry in trail.of(acme, 9)] == [Action.TENANT_CREATED]
    assert heard == []


def test_listeners_hear_of_a_change_once_others_can_see_it(
    tenants: TenantDirectory, trail: AuditTrail, acme: Tenant
) -> None:
    heard: list[tuple[str, bool]] = []

    def listen(changes: object) -> None:
        heard.append((trail.of(acme, 1)[0].action, tenants.by_slug("acme").suspended))

    trail.listen(listen)
    tenants.suspend(acme)

    assert heard == [(Action.TENANT_SUSPENDED, True)]


def test_what_is_heard_is_what_is_written(tenants: TenantDirectory, trail: AuditTrail, acme: Tenant) -> None:
    heard: list[Change] = []
    trail.listen(heard.extend)

    tenants.update(acme, TenantUpdate(name="Acme Stores"), by=BY)

    assert heard == trail.since(heard[0].entry_id - 1, 10)


def test_entries_are_paged_from_the_newest_back(
    tenants: TenantDirectory, trail: AuditTrail, acme: Tenant
) -> None:
    other = tenants.create("other", "Other", []).tenant
    for number in range(6):
        tenants.update(acme if number % 2 else other, TenantUpdate(name=f"name {number}"))

    pages: list[list[int]] = []
    before = None
    while page := trail.of(None, 3, before):
        pages.append([entry.entry_id for entry in page])
        before = page[-1].entry_id

    assert [len(page) for page in pages] == [3, 3, 2]
    entries = [entry_id for page in pages for entry_id in page]
    assert entries == sorted(entries, reverse=True)
    assert {entry.tenant for entry in trail.of(acme, 10)} == {"acme"}
    assert len(trail.of(acme, 10)) == 4
    assert [entry.entry_id for entry in trail.since(pages[1][0], 10)] == pages[0][::-1]


def test_a_slug_finds_the_entries_of_all_who_had_it(
    tenants: TenantDirectory, trail: AuditTrail, acme: Tenant
) -> None:
    tenants.delete(acme)
    again = tenants.create("acme", "Acme", []).tenant

    assert len(trail.of("acme", 10)) == 3
    assert [entry.tenant_id for entry in trail.of(again, 10)] == [again.tenant_id]
    assert trail.of("nobody", 10) == []


def test_what_a_newer_version_did_is_read_all_the_same(
    trail: AuditTrail, acme: Tenant, engine: Engine
) -> None:
    values = {"at": 1, "tenant_id": acme.tenant_id, "tenant": "acme", "by": BY, "details": {}}
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(insert(schema.audit_trail).values(**values, action="tenant.painted"))

    assert [entry.action for entry in trail.of(acme, 2)] == ["tenant.painted", "tenant.created"]


def test_the_newest_entry_of_an_empty_trail_is_none(trail: AuditTrail, tenants: TenantDirectory) -> None:
    assert trail.newest() == 0
    tenants.create("acme", "Acme", [])
    assert trail.newest() == trail.of(None, 1)[0].entry_id
