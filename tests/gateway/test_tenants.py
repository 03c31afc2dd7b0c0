"""Tenants in the database: what is kept of their keys, and what is refused."""

import pytest
from sqlalchemy import Engine, insert

from tests.stored import everything
from widgetsvc.errors import AlreadyExists, InvalidName, InvalidOriginRule, UnknownKey, UnknownTenant
from widgetsvc.gateway import schema
from widgetsvc.gateway.origins import Origin
from widgetsvc.gateway.tenant_models import Access, Policy
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.permissions import Permission

pytestmark = pytest.mark.on_every_database

PAGE = "https://jobs.example.com"


def origin(text: str) -> Origin:
    parsed = Origin.parse(text)
    assert parsed is not None
    return parsed


def test_a_tenant_comes_back_as_it_was_created(tenants: TenantDirectory) -> None:
    policy = Policy(Access.SIGNED, frozenset({Permission.AGENDA}), "Europe/London")

    created = tenants.create("acme", "Acme & Söhne", ["https://*.example.org", PAGE], policy).tenant

    assert (created.slug, created.name, created.policy) == ("acme", "Acme & Söhne", policy)
    assert [str(rule) for rule in created.origins] == ["https://*.example.org", PAGE]
    assert not created.suspended
    assert tenants.by_slug("acme") == created
    assert tenants.by_publishable_key(created.publishable_key) == created


def test_all_are_listed_by_slug_whether_or_not_they_have_origins(tenants: TenantDirectory) -> None:
    tenants.create("zebra", "Zebra", [PAGE, "https://a.example.com"])
    tenants.create("acme", "Acme", [])

    assert [(tenant.slug, len(tenant.origins)) for tenant in tenants.all()] == [("acme", 0), ("zebra", 2)]


def test_keys_say_what_they_are_and_no_two_are_alike(tenants: TenantDirectory) -> None:
    created = [tenants.create(slug, slug, []) for slug in ("a", "b")]

    assert {new.tenant.publishable_key[:3] for new in created} == {"pk_"}
    assert {new.secret_key[:3] for new in created} == {"sk_"}
    keys = {
        key for new in created for key in (new.tenant.publishable_key, new.secret_key, new.signing_key.kid)
    }
    assert len(keys) == 6


def test_no_secret_stands_in_the_database(tenants: TenantDirectory, engine: Engine) -> None:
    created = tenants.create("acme", "Acme", [PAGE])
    kept = everything(engine)

    assert created.tenant.publishable_key.encode() in kept
    assert created.secret_key.encode() not in kept
    assert created.signing_key.secret not in kept


def test_no_secret_stands_in_a_repr(tenants: TenantDirectory) -> None:
    created = tenants.create("acme", "Acme", [])

    assert created.secret_key not in repr(created)
    assert created.signing_key.secret.decode() not in repr(created)


def test_a_slug_is_taken_once_and_what_was_there_stays(tenants: TenantDirectory) -> None:
    first = tenants.create("acme", "Acme", [PAGE])

    with pytest.raises(AlreadyExists, match="acme"):
        tenants.create("acme", "Impostor", ["https://evil.example.com"])
    assert tenants.all() == [first.tenant]


def test_a_bad_origin_creates_no_tenant(tenants: TenantDirectory) -> None:
    with pytest.raises(InvalidOriginRule):
        tenants.create("acme", "Acme", [PAGE, "https://*.com"])
    assert tenants.all() == []


@pytest.mark.parametrize(
    "slug", ["", "Acme", "acme_stores", "-acme", "acme-", "a" * 64, "a:b", "acme\n", "é"]
)
def test_a_slug_that_is_none_is_refused(tenants: TenantDirectory, slug: str) -> None:
    with pytest.raises(InvalidName, match="no slug"):
        tenants.create(slug, "Acme", [])


@pytest.mark.parametrize("name", ["", "   ", "x" * 256, "two\nlines", "\x1b[31m", "\u202e"])
def test_a_name_that_cannot_be_shown_is_refused(tenants: TenantDirectory, name: str) -> None:
    with pytest.raises(InvalidName, match="printable"):
        tenants.create("acme", name, [])


@pytest.mark.parametrize("tzid", ["", "Mars/Olympus", "America", "../UTC", "europe/london", "localtime"])
def test_a_zone_that_is_none_is_refused(tenants: TenantDirectory, tzid: str) -> None:
    with pytest.raises(InvalidName, match="time zone"):
        tenants.create("acme", "Acme", [], Policy(tzid=tzid))


@pytest.mark.parametrize("key", ["", "pk_", "acme", "%", "pk_%"])
def test_a_key_names_its_tenant_whole_or_nobody(tenants: TenantDirectory, key: str) -> None:
    tenants.create("acme", "Acme", [])

    with pytest.raises(UnknownKey):
        tenants.by_publishable_key(key)


def test_a_secret_key_is_no_publishable_key(tenants: TenantDirectory) -> None:
    created = tenants.create("acme", "Acme", [])

    with pytest.raises(UnknownKey):
        tenants.by_publishable_key(created.secret_key)


def test_an_unknown_slug_is_named(tenants: TenantDirectory) -> None:
    with pytest.raises(UnknownTenant, match="nobody"):
        tenants.by_slug("nobody")


@pytest.mark.parametrize(
    ("page", "allowed"),
    [
        (PAGE, True),
        ("https://deep.down.example.org", True),
        ("http://localhost:4000", True),
        (f"{PAGE}:8443", False),
        ("http://jobs.example.com", False),
        ("https://example.org", False),
        ("https://evil.example.com", False),
    ],
)
def test_a_preflight_may_come_from_where_some_tenant_embeds(
    tenants: TenantDirectory, page: str, allowed: bool
) -> None:
    tenants.create("acme", "Acme", [PAGE, "http://localhost:*"])
    tenants.create("other", "Other", ["https://*.example.org"])

    assert tenants.any_allows(origin(page)) == allowed


def test_a_rule_that_got_into_the_store_by_other_means_opens_nothing(
    tenants: TenantDirectory, engine: Engine
) -> None:
    acme = tenants.create("acme", "Acme", []).tenant
    with engine.execution_options(writes=True).begin() as connection:
        rule = {"tenant_id": acme.tenant_id, "position": 0, "rule": "https://*.com"}
        connection.execute(insert(schema.origin_rules), rule)

    assert tenants.by_slug("acme").origins.match(origin("https://evil.com")) is None
    assert not tenants.any_allows(origin("https://evil.com"))
