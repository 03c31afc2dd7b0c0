"""The signing keys in the database."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Engine

from tests.clocks import FakeClock
from tests.signing import public_jwk, public_pem
from widgetsvc.errors import AlreadyExists, Conflict, InvalidValue, UnknownResource, UnknownTenant
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.registry import TenantRegistry
from widgetsvc.gateway.signatures import SigningAlgorithm
from widgetsvc.gateway.signing_keys import MAX_SIGNING_KEYS, SigningKeyStore
from widgetsvc.gateway.tenant_models import NewTenant
from widgetsvc.gateway.tenants import TenantDirectory

EDDSA, ES256 = SigningAlgorithm.EDDSA, SigningAlgorithm.ES256
HOUR = 3_600


@pytest.fixture
def acme(tenants: TenantDirectory) -> NewTenant:
    return tenants.create("acme", "Acme", [])


def kids(store: SigningKeyStore, tenant: NewTenant) -> list[str]:
    return [key.kid for key in store.all_of(tenant.tenant)]


def test_a_new_tenants_secret_is_its_only_key(signing_keys: SigningKeyStore, acme: NewTenant) -> None:
    assert signing_keys.all_of(acme.tenant) == [acme.signing_key]


def test_a_secret_is_read_back_with_the_services_secret_alone(
    engine: Engine, trail: AuditTrail, clock: FakeClock, acme: NewTenant
) -> None:
    elsewhere = SigningKeyStore(engine, trail, Fernet(Fernet.generate_key()), clock)

    with pytest.raises(InvalidToken):
        elsewhere.all_of(acme.tenant)


def test_a_rotated_secret_stands_nowhere_in_the_database(
    signing_keys: SigningKeyStore, acme: NewTenant, engine: Engine
) -> None:
    new = signing_keys.rotate_secret(acme.tenant)
    engine.dispose()  # SQLite writes its log back into the file when the last connection closes

    kept = b"".join(file.read_bytes() for file in Path(str(engine.url.database)).parent.glob("test.sqlite3*"))

    assert new.kid.encode() in kept
    assert new.secret not in kept
    assert new.secret.decode() not in repr(new)


def test_a_public_key_is_registered_in_either_form(signing_keys: SigningKeyStore, acme: NewTenant) -> None:
    from_pem = signing_keys.add_public(acme.tenant, ES256, public_pem("ES256"))
    from_jwk = signing_keys.add_public(acme.tenant, EDDSA, json.dumps(public_jwk("EdDSA", kid="2031-06")))
    named = signing_keys.add_public(acme.tenant, EDDSA, public_pem("EdDSA"), kid="mine")

    assert from_pem.kid.startswith("key_")
    assert (from_jwk.kid, named.kid) == ("2031-06", "mine")
    assert {from_pem, from_jwk, named} < set(signing_keys.all_of(acme.tenant))


def test_keys_are_the_tenants_own(
    signing_keys: SigningKeyStore, acme: NewTenant, tenants: TenantDirectory
) -> None:
    other = tenants.create("other", "Other", [])
    for tenant in (acme, other):
        signing_keys.add_public(tenant.tenant, ES256, public_pem("ES256"), kid="same")

    signing_keys.revoke(acme.tenant, "same")

    assert "same" not in kids(signing_keys, acme)
    assert "same" in kids(signing_keys, other)


@pytest.mark.parametrize("kid", ["", "a b", "k" * 65, "café"])
def test_a_kid_that_no_header_could_hold_is_refused(
    signing_keys: SigningKeyStore, acme: NewTenant, kid: str
) -> None:
    with pytest.raises(InvalidValue, match="A kid has"):
        signing_keys.add_public(acme.tenant, ES256, public_pem("ES256"), kid=kid)


def test_a_kid_other_than_the_jwks_own_is_refused(signing_keys: SigningKeyStore, acme: NewTenant) -> None:
    with pytest.raises(InvalidValue, match="own kid is theirs"):
        signing_keys.add_public(acme.tenant, ES256, json.dumps(public_jwk("ES256", kid="theirs")), kid="mine")


def test_a_kid_is_given_once(signing_keys: SigningKeyStore, acme: NewTenant) -> None:
    with pytest.raises(AlreadyExists):
        signing_keys.add_public(acme.tenant, ES256, public_pem("ES256"), kid=acme.signing_key.kid)


def test_nobody_brings_an_hs256_secret(signing_keys: SigningKeyStore, acme: NewTenant) -> None:
    with pytest.raises(InvalidValue, match="rotate"):
        signing_keys.add_public(acme.tenant, SigningAlgorithm.HS256, public_pem("RS256"))


def test_a_tenant_has_eight_keys_at_most(signing_keys: SigningKeyStore, acme: NewTenant) -> None:
    for _ in range(MAX_SIGNING_KEYS - 1):
        signing_keys.add_public(acme.tenant, EDDSA, public_pem("EdDSA"))

    with pytest.raises(Conflict, match="revoke one"):
        signing_keys.add_public(acme.tenant, EDDSA, public_pem("EdDSA"))
    with pytest.raises(Conflict, match="revoke one"):
        signing_keys.rotate_secret(acme.tenant)
    assert len(signing_keys.all_of(acme.tenant)) == MAX_SIGNING_KEYS

    signing_keys.rotate_secret(acme.tenant, overlap=0)
    assert len(signing_keys.all_of(acme.tenant)) == MAX_SIGNING_KEYS
    assert acme.signing_key.kid not in kids(signing_keys, acme)


def test_an_old_secret_is_good_for_the_overlap(
    signing_keys: SigningKeyStore, acme: NewTenant, clock: FakeClock
) -> None:
    new = signing_keys.rotate_secret(acme.tenant, overlap=HOUR)

    clock.now += HOUR - 1
    assert set(kids(signing_keys, acme)) == {new.kid, acme.signing_key.kid}
    clock.now += 1
    assert kids(signing_keys, acme) == [new.kid]


def test_a_second_rotation_does_not_lengthen_the_first_ones_overlap(
    signing_keys: SigningKeyStore, acme: NewTenant, clock: FakeClock
) -> None:
    signing_keys.rotate_secret(acme.tenant, overlap=HOUR)
    signing_keys.rotate_secret(acme.tenant, overlap=10 * HOUR)

    clock.now += HOUR
    assert acme.signing_key.kid not in kids(signing_keys, acme)
    assert len(kids(signing_keys, acme)) == 2


@pytest.mark.parametrize("overlap", [-1, 90 * 24 * HOUR + 1])
def test_an_overlap_has_bounds(signing_keys: SigningKeyStore, acme: NewTenant, overlap: int) -> None:
    with pytest.raises(InvalidValue, match="90 days"):
        signing_keys.rotate_secret(acme.tenant, overlap=overlap)
    with pytest.raises(InvalidValue, match="90 days"):
        signing_keys.revoke(acme.tenant, acme.signing_key.kid, overlap=overlap)


def test_a_key_is_revoked_at_once_or_after_a_while(
    signing_keys: SigningKeyStore, acme: NewTenant, clock: FakeClock
) -> None:
    for kid in ("one", "two"):
        signing_keys.add_public(acme.tenant, ES256, public_pem("ES256"), kid=kid)

    signing_keys.revoke(acme.tenant, "one")
    signing_keys.revoke(acme.tenant, "two", overlap=HOUR)

    assert set(kids(signing_keys, acme)) == {"two", acme.signing_key.kid}
    clock.now += HOUR
    assert kids(signing_keys, acme) == [acme.signing_key.kid]
    for gone in ("one", "two", "never"):
        with pytest.raises(UnknownResource):
            signing_keys.revoke(acme.tenant, gone)


def test_every_change_stands_in_the_trail_without_a_secret(
    signing_keys: SigningKeyStore, acme: NewTenant, trail: AuditTrail
) -> None:
    new = signing_keys.rotate_secret(acme.tenant, by="key key_1")
    signing_keys.add_public(acme.tenant, ES256, public_pem("ES256"), kid="one", by="key key_1")
    signing_keys.revoke(acme.tenant, "one", by="key key_1")

    changes = trail.of(acme.tenant, 3)
    assert [(change.action, change.subject, change.by) for change in changes] == [
        ("signing_key.revoked", "one", "key key_1"),
        ("signing_key.added", "one", "key key_1"),
        ("signing_key.rotated", new.kid, "key key_1"),
    ]
    assert new.secret.decode() not in repr(changes)


def test_what_the_registry_knows_of_keys_ends_with_their_revocation(
    signing_keys: SigningKeyStore, acme: NewTenant, registry: TenantRegistry
) -> None:
    assert list(registry.signing_keys(registry.by_slug("acme"))) == [acme.signing_key.kid]

    signing_keys.revoke(acme.tenant, acme.signing_key.kid)

    assert registry.signing_keys(registry.by_slug("acme")) == {}


def test_a_deleted_tenant_gets_no_keys(
    signing_keys: SigningKeyStore, acme: NewTenant, tenants: TenantDirectory
) -> None:
    tenants.delete(acme.tenant)

    with pytest.raises(UnknownTenant):
        signing_keys.rotate_secret(acme.tenant)
