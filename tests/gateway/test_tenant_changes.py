"""Changing tenants: policy, suspension, deletion, and keys that replace each other."""

import pytest
from sqlalchemy import Engine, func, select

from tests.clocks import FakeClock
from tests.gateway.conftest import Upstream
from widgetsvc.errors import (
    Conflict,
    InvalidName,
    InvalidOriginRule,
    InvalidValue,
    PreconditionFailed,
    UnknownKey,
    UnknownResource,
    UnknownTenant,
)
from widgetsvc.gateway import schema
from widgetsvc.gateway.audit import Action, AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.keys import MAX_OVERLAP, KeyKind
from widgetsvc.gateway.tenant_models import Access, NewTenant, Policy, Tenant, TenantUpdate
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.permissions import Element, Permission

pytestmark = pytest.mark.on_every_database

PAGE, OTHER_PAGE = "https://jobs.example.com", "https://*.example.org"
HOUR = 3_600
KINDS = pytest.mark.parametrize("kind", list(KeyKind))


@pytest.fixture
def new(tenants: TenantDirectory) -> NewTenant:
    return tenants.create("acme", "Acme", [PAGE])


@pytest.fixture
def acme(new: NewTenant) -> Tenant:
    return new.tenant


def actions(trail: AuditTrail) -> list[str]:
    return [change.action for change in trail.since(0, 100)]


def text_of(new: NewTenant, kind: KeyKind) -> str:
    return new.secret_key if kind is KeyKind.SECRET else new.tenant.publishable_key


def is_known(tenants: TenantDirectory, kind: KeyKind, text: str) -> bool:
    find = tenants.by_secret_key if kind is KeyKind.SECRET else tenants.by_publishable_key
    try:
        find(text)
    except UnknownKey:
        return False
    return True


def ids(tenants: TenantDirectory, kind: KeyKind) -> list[str]:
    return [key.key_id for key in tenants.by_slug("acme").keys if key.kind is kind]


# Policy


UPDATES = [
    (TenantUpdate(name="Acme Stores"), {"name": ["Acme", "Acme Stores"]}),
    (
        TenantUpdate(allowed_origins=[OTHER_PAGE, f"{PAGE}/"]),
        {"allowed_origins": [[PAGE], [OTHER_PAGE, PAGE]]},
    ),
    (TenantUpdate(allowed_origins=[]), {"allowed_origins": [[PAGE], []]}),
    (TenantUpdate(access=Access.SIGNED), {"access": ["public", "signed"]}),
    (
        TenantUpdate(permissions=frozenset(Permission)),
        {"permissions": [["agenda", "availability"], sorted(Permission)]},
    ),
    (TenantUpdate(elements=frozenset({Element.AGENDA})), {"elements": [None, ["agenda"]]}),
    (TenantUpdate(tzid="Europe/London"), {"tzid": ["Etc/UTC", "Europe/London"]}),
    (TenantUpdate(lazy_calendars=True), {"lazy_calendars": [False, True]}),
    (TenantUpdate(single_use_assertions=True), {"single_use_assertions": [False, True]}),
    (TenantUpdate(test_mode=True), {"test_mode": [False, True]}),
    (
        TenantUpdate(jwks_url="https://acme.example.com/jwks.json"),
        {"jwks_url": [None, "https://acme.example.com/jwks.json"]},
    ),
]


@pytest.mark.parametrize(("wanted", "difference"), UPDATES, ids=[next(iter(each[1])) for each in UPDATES])
def test_an_update_changes_what_is_given_and_records_the_difference(
    tenants: TenantDirectory,
    trail: AuditTrail,
    acme: Tenant,
    wanted: TenantUpdate,
    difference: dict[str, object],
) -> None:
    changed = tenants.update(acme, wanted, by="key key_1")

    (entry,) = trail.of(acme, 1)
    assert (entry.action, entry.by, entry.details) == (Action.TENANT_UPDATED, "key key_1", difference)
    assert changed == tenants.by_slug("acme")
    assert changed != acme
    assert changed.version == acme.version + 1


def test_restrictions_are_lifted_again(tenants: TenantDirectory, acme: Tenant) -> None:
    tenants.update(
        acme, TenantUpdate(elements=frozenset({Element.AGENDA}), jwks_url="https://acme.example.com/jwks")
    )

    lifted = tenants.update(acme, TenantUpdate(every_element=True, no_jwks_url=True))

    assert (lifted.policy, lifted.jwks_url) == (Policy(), None)


def test_an_update_that_changes_nothing_is_not_recorded(
    tenants: TenantDirectory, trail: AuditTrail, acme: Tenant
) -> None:
    same = TenantUpdate(name="Acme", allowed_origins=[f"{PAGE}:443"], access=Access.PUBLIC, no_jwks_url=True)

    assert tenants.update(acme, same) == acme
    assert actions(trail) == [Action.TENANT_CREATED]


def test_an_update_is_for_one_version(tenants: TenantDirectory, acme: Tenant) -> None:
    newer = tenants.update(acme, TenantUpdate(name="Acme Stores"), version=acme.version)

    with pytest.raises(PreconditionFailed, match="version 2"):
        tenants.update(acme, TenantUpdate(name="Other"), version=acme.version)
    assert tenants.by_slug("acme") == newer


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        (TenantUpdate(name="\n"), InvalidName),
        (TenantUpdate(tzid="Mars/Olympus"), InvalidName),
        (TenantUpdate(name="Fine", allowed_origins=[OTHER_PAGE, "https://*.com"]), InvalidOriginRule),
    ],
)
def test_a_bad_update_changes_nothing(
    tenants: TenantDirectory,
    trail: AuditTrail,
    acme: Tenant,
    wanted: TenantUpdate,
    refusal: type[Exception],
) -> None:
    with pytest.raises(refusal):
        tenants.update(acme, wanted)

    assert tenants.by_slug("acme") == acme
    assert actions(trail) == [Action.TENANT_CREATED]


# Suspension and deletion


def test_a_suspension_is_recorded_once_and_ends(
    tenants: TenantDirectory, trail: AuditTrail, acme: Tenant
) -> None:
    assert tenants.suspend(acme).suspended
    assert tenants.suspend(acme).suspended
    resumed = tenants.resume(acme)
    tenants.resume(acme)

    assert not resumed.suspended
    assert resumed == tenants.by_slug("acme")
    assert actions(trail)[1:] == [Action.TENANT_SUSPENDED, Action.TENANT_RESUMED]


def test_a_deleted_tenant_leaves_nothing_but_its_trail(
    tenants: TenantDirectory, calendars: CalendarDirectory, trail: AuditTrail, new: NewTenant, engine: Engine
) -> None:
    calendars.add(new.tenant, "store-42")

    tenants.delete(new.tenant)

    assert tenants.all() == []
    assert not is_known(tenants, KeyKind.SECRET, new.secret_key)
    with engine.connect() as connection:
        for table in schema.metadata.sorted_tables:
            left = connection.execute(select(func.count()).select_from(table)).scalar_one()
            assert (left > 0) == (table is schema.audit_trail), table.name
    assert [change.tenant for change in trail.of(new.tenant, 9)] == ["acme"] * 3


CHANGES = {
    "update": lambda tenants, acme: tenants.update(acme, TenantUpdate(name="x")),
    "suspend": TenantDirectory.suspend,
    "resume": TenantDirectory.resume,
    "delete": TenantDirectory.delete,
    "rotate": lambda tenants, acme: tenants.rotate_key(acme, KeyKind.SECRET),
    "revoke": lambda tenants, acme: tenants.revoke_key(acme, acme.keys[0].key_id),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_deleted_tenant_cannot_be_changed(
    tenants: TenantDirectory, trail: AuditTrail, acme: Tenant, change
) -> None:
    tenants.delete(acme)

    with pytest.raises(UnknownTenant, match="acme"):
        change(tenants, acme)
    assert len(actions(trail)) == 2


def test_a_slug_may_come_again_but_its_tenant_is_another(tenants: TenantDirectory, acme: Tenant) -> None:
    tenants.delete(acme)

    again = tenants.create("acme", "Acme", []).tenant

    assert again.tenant_id > acme.tenant_id
    with pytest.raises(UnknownTenant):
        tenants.suspend(acme)


def test_a_new_tenant_does_not_get_the_calendars_of_a_deleted_one(
    tenants: TenantDirectory, calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")
    calendars.add(acme, "mapped", "another-name")
    calendars.subs(acme, ["store-42", "mapped"])
    tenants.delete(acme)

    with pytest.raises(Conflict, match=r"left 1 calendars upstream.*--upstream-id acme:ID"):
        tenants.create("acme", "Impostor", [])
    other = tenants.create("acme-2", "Acme again", []).tenant
    calendars.add(other, "store-42", "acme:store-42")
    assert calendars.subs(other, ["store-42"]) == ("apc_acme_store-42",)


def test_a_slug_is_free_again_where_its_calendars_were_revoked(
    tenants: TenantDirectory, calendars: CalendarDirectory, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")
    calendars.subs(acme, ["store-42"])
    calendars.revoke(acme, "store-42")
    tenants.delete(acme)

    assert tenants.create("acme", "Acme", []).tenant.slug == "acme"


# Keys


@KINDS
def test_a_new_key_is_good_at_once_and_the_old_one_until_the_overlap_ends(
    tenants: TenantDirectory, new: NewTenant, clock: FakeClock, kind: KeyKind
) -> None:
    old = text_of(new, kind)

    rotated = tenants.rotate_key(new.tenant, kind, overlap=HOUR)

    assert rotated.old_ends_at == clock() + HOUR
    clock.advance(HOUR - 1)
    assert is_known(tenants, kind, old)
    assert is_known(tenants, kind, rotated.text)
    clock.advance(1)
    assert not is_known(tenants, kind, old)
    assert is_known(tenants, kind, rotated.text)
    assert ids(tenants, kind) == [rotated.key.key_id]


@KINDS
def test_the_new_key_stands_first_even_if_it_was_made_in_the_same_second(
    tenants: TenantDirectory, acme: Tenant, kind: KeyKind
) -> None:
    (first,) = ids(tenants, kind)
    for _ in range(8):
        rotated = tenants.rotate_key(acme, kind, overlap=HOUR)
        old = tenants.by_slug("acme")

        assert ids(tenants, kind) == [rotated.key.key_id, first]
        if kind is KeyKind.PUBLISHABLE:
            assert old.publishable_key == rotated.text
        tenants.revoke_key(acme, first)
        first = rotated.key.key_id


@KINDS
def test_without_an_overlap_the_old_keys_are_dead_at_once(
    tenants: TenantDirectory, new: NewTenant, kind: KeyKind
) -> None:
    second = tenants.rotate_key(new.tenant, kind, overlap=HOUR)

    third = tenants.rotate_key(new.tenant, kind, overlap=0)

    assert not is_known(tenants, kind, text_of(new, kind))
    assert not is_known(tenants, kind, second.text)
    assert ids(tenants, kind) == [third.key.key_id]


@KINDS
def test_two_keys_of_a_kind_are_the_most(
    tenants: TenantDirectory, new: NewTenant, clock: FakeClock, kind: KeyKind
) -> None:
    (first,) = ids(tenants, kind)
    tenants.rotate_key(new.tenant, kind, overlap=HOUR)

    with pytest.raises(Conflict, match=first):
        tenants.rotate_key(new.tenant, kind, overlap=HOUR)
    clock.advance(HOUR)
    tenants.rotate_key(new.tenant, kind, overlap=HOUR)
    assert len(ids(tenants, kind)) == 2


def test_the_keys_of_the_other_kind_stay(tenants: TenantDirectory, new: NewTenant) -> None:
    tenants.rotate_key(new.tenant, KeyKind.PUBLISHABLE, overlap=0)

    assert is_known(tenants, KeyKind.SECRET, new.secret_key)


@pytest.mark.parametrize("overlap", [-1, MAX_OVERLAP + 1, 10**30])
def test_an_overlap_that_is_none_is_refused(tenants: TenantDirectory, acme: Tenant, overlap: int) -> None:
    with pytest.raises(InvalidValue, match="90 days") as refused:
        tenants.rotate_key(acme, KeyKind.SECRET, overlap=overlap)
    assert refused.value.field == "overlap"


@KINDS
def test_a_revoked_key_is_dead_at_once(tenants: TenantDirectory, new: NewTenant, kind: KeyKind) -> None:
    (first,) = ids(tenants, kind)
    rotated = tenants.rotate_key(new.tenant, kind, overlap=HOUR)

    tenants.revoke_key(new.tenant, first)

    assert not is_known(tenants, kind, text_of(new, kind))
    assert ids(tenants, kind) == [rotated.key.key_id]


@KINDS
def test_an_old_key_whose_successor_is_revoked_stays_for_good(
    tenants: TenantDirectory, new: NewTenant, clock: FakeClock, kind: KeyKind
) -> None:
    rotated = tenants.rotate_key(new.tenant, kind, overlap=HOUR)

    tenants.revoke_key(new.tenant, rotated.key.key_id)
    clock.advance(2 * HOUR)

    assert not is_known(tenants, kind, rotated.text)
    assert is_known(tenants, kind, text_of(new, kind))


@KINDS
def test_the_last_key_of_a_kind_cannot_be_revoked(
    tenants: TenantDirectory, new: NewTenant, clock: FakeClock, kind: KeyKind
) -> None:
    rotated = tenants.rotate_key(new.tenant, kind, overlap=HOUR)
    clock.advance(HOUR)

    with pytest.raises(Conflict, match="rotate it"):
        tenants.revoke_key(new.tenant, rotated.key.key_id)
    assert is_known(tenants, kind, rotated.text)


def test_only_the_tenants_own_valid_keys_can_be_revoked(
    tenants: TenantDirectory, acme: Tenant, clock: FakeClock
) -> None:
    other = tenants.create("other", "Other", []).tenant
    (first,) = ids(tenants, KeyKind.SECRET)
    tenants.rotate_key(acme, KeyKind.SECRET, overlap=HOUR)
    clock.advance(HOUR)

    for key_id in (first, other.keys[0].key_id, "key_\x1b[31m", ""):
        with pytest.raises(UnknownResource) as refused:
            tenants.revoke_key(acme, key_id)
        assert str(refused.value).isprintable()


def test_keys_that_are_over_do_not_pile_up(
    tenants: TenantDirectory, acme: Tenant, clock: FakeClock, engine: Engine
) -> None:
    for _ in range(5):
        tenants.rotate_key(acme, KeyKind.SECRET, overlap=HOUR)
        clock.advance(HOUR)

    with engine.connect() as connection:
        kept = connection.execute(select(func.count()).select_from(schema.tenant_keys)).scalar_one()
    assert kept == 3


def test_a_key_change_makes_a_new_version(tenants: TenantDirectory, acme: Tenant) -> None:
    rotated = tenants.rotate_key(acme, KeyKind.SECRET)
    tenants.revoke_key(acme, rotated.key.key_id)

    assert tenants.by_slug("acme").version == acme.version + 2
