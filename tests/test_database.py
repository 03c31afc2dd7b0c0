"""The schema in the code and the one that the migrations make are the same."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from cryptography.fernet import Fernet
from sqlalchemy import Engine, MetaData, text

from tests.clocks import FakeClock
from tests.conftest import DATABASES
from widgetsvc import database
from widgetsvc.calendars.store.schema import metadata as calendars
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.keys import KeyKind
from widgetsvc.gateway.origins import OriginRules
from widgetsvc.gateway.schema import metadata as gateway
from widgetsvc.gateway.signing_keys import SigningKeyStore
from widgetsvc.gateway.tenant_models import Access, Policy
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.permissions import Permission

PUBLISHABLE_KEY, SECRET_KEY = "pk_written-by-the-first", "sk_written-by-the-first"
WRITTEN_OF_A_TENANT = (
    """INSERT INTO tenants (tenant_id, slug, name, publishable_key, secret_key_hash, access, permissions,
    tzid, suspended, created_at) VALUES (7, 'acme', 'Acme', :publishable_key, :digest, 'signed', '["agenda"]',
    'Europe/London', false, 1700000000)""",
    "INSERT INTO origin_rules (tenant_id, position, rule) VALUES (7, 0, 'https://jobs.example.com')",
    """INSERT INTO signing_keys (tenant_id, kid, alg, secret_encrypted, created_at)
    VALUES (7, 'key_1', 'HS256', :secret, 1700000000)""",
    """INSERT INTO tenant_calendars (tenant_id, application_calendar_id, upstream_id, sub, created_at)
    VALUES (7, 'store-42', 'acme:store-42', 'apc_1', 1700000000)""",
)

pytestmark = pytest.mark.on_every_database

WRITTEN_BY_THE_FIRST_REVISION = (
    "INSERT INTO applications VALUES (1, 'app_1', :one, 'App', 0)",
    "INSERT INTO accounts VALUES ('apc_1', 1, 'store-42', 'pro_1', 'cal_1', 'nonce', :two, 0)",
    "INSERT INTO access_tokens VALUES (:three, 'apc_1', 'nonce', 3600)",
    *(
        f"INSERT INTO events VALUES ('evt_{name}', 'cal_1', '{name}', '{name}', '', 0, {end}, "
        "NULL, NULL, NULL, 'opaque', FALSE, '{}', FALSE, 0, 0)"
        for name, end in (("short", 3_600), ("long", 604_800))
    ),
    "INSERT INTO tenants VALUES (1, 'acme', 'Acme', 'public', '[]', 'Etc/UTC', FALSE, 'pk_abcd', :one, 0)",
)
BYTES = {"one": b"1", "two": b"2", "three": b"3"}


def test_the_migrations_make_what_the_code_expects(engine: Engine) -> None:
    expected = MetaData()
    for table in (*calendars.tables.values(), *gateway.tables.values()):
        table.to_metadata(expected)

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), expected)

    assert differences == []


def test_an_upgrade_of_what_is_current_changes_nothing(engine: Engine) -> None:
    database.upgrade(engine)

    assert database.is_current(engine)


@pytest.mark.sqlite_only
def test_writes_are_durable(engine: Engine) -> None:
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.sqlite_only
def test_whoever_writes_has_the_database_to_themselves_from_the_start(engine: Engine, writes: bool) -> None:
    other = sqlite3.connect(str(engine.url.database), timeout=0, isolation_level=None)
    begun = engine.execution_options(writes=writes)

    with closing(other), begun.begin() as connection:
        assert connection.connection.driver_connection.in_transaction
        refused = pytest.raises(sqlite3.OperationalError, match="locked") if writes else nullcontext()
        with refused:
            other.execute("BEGIN IMMEDIATE")


@pytest.fixture(params=DATABASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without any table."""
    if request.param == "sqlite":
        url, server = f"sqlite:///{tmp_path / 'old.sqlite3'}", None
    else:
        server = request.getfixturevalue("postgres_server")
        server.create_empty_database("old")
        url = server.patient_url("old")
    engine = database.connect(url)
    yield engine
    engine.dispose()
    if server is not None:
        server.drop_database("old")


def test_an_upgrade_keeps_what_was_written_before(old: Engine) -> None:
    database.upgrade(old, "0001")
    with old.execution_options(writes=True).begin() as connection:
        for statement in WRITTEN_BY_THE_FIRST_REVISION:
            connection.execute(text(statement), {n: b for n, b in BYTES.items() if f":{n}" in statement})

    database.upgrade(old)

    with old.connect() as connection:
        events = connection.exec_driver_sql(
            "SELECT a.kind, a.application_calendar_id, e.summary, e.length_class FROM accounts a "
            "JOIN access_tokens t ON t.sub = a.sub JOIN events e ON e.calendar_id = a.calendar_id ORDER BY 3"
        ).all()
        keys = connection.exec_driver_sql(
            "SELECT t.slug, k.kind, k.publishable_key FROM tenants t "
            "JOIN tenant_keys k ON k.tenant_id = t.tenant_id ORDER BY 2"
        ).all()
        enforced = old.dialect.name != "sqlite" or connection.exec_driver_sql("PRAGMA foreign_keys").scalar()
    assert events == [
        ("application_calendar", "store-42", "long", 2),
        ("application_calendar", "store-42", "short", 0),
    ]
    assert keys == [("acme", "publishable", "pk_abcd"), ("acme", "secret", None)]
    assert enforced


@pytest.mark.parametrize("revision", ["0001", "0004"])
def test_an_upgrade_keeps_tenants_and_their_keys_working(
    old: Engine, clock: FakeClock, revision: str
) -> None:
    database.upgrade(old, revision)
    cipher = Fernet(Fernet.generate_key())
    values = {
        "publishable_key": PUBLISHABLE_KEY,
        "digest": hashlib.sha256(SECRET_KEY.encode()).digest(),
        "secret": cipher.encrypt(b"a secret of the tenant, 32 bytes!"),
    }
    with old.execution_options(writes=True).begin() as connection:
        for statement in WRITTEN_OF_A_TENANT:
            connection.execute(text(statement), values)

    database.upgrade(old)

    trail = AuditTrail(old, clock)
    tenants = TenantDirectory(old, trail, cipher, clock)
    signing_keys = SigningKeyStore(old, trail, cipher, clock)
    acme = tenants.by_publishable_key(PUBLISHABLE_KEY)
    named, key = tenants.by_secret_key(SECRET_KEY)
    assert named == acme
    assert (key.kind, key.created_at, key.hint) == (KeyKind.SECRET, 1_700_000_000, "")
    assert (acme.tenant_id, acme.slug, acme.name, acme.version) == (7, "acme", "Acme", 1)
    assert acme.policy == Policy(Access.SIGNED, frozenset({Permission.AGENDA}), "Europe/London")
    assert acme.origins == OriginRules.of(["https://jobs.example.com"])
    assert [key.kid for key in signing_keys.all_of(acme)] == ["key_1"]
    with old.connect() as connection:
        kept = connection.exec_driver_sql("SELECT application_calendar_id, sub FROM tenant_calendars").all()
    assert kept == [("store-42", "apc_1")]
    tenants.rotate_key(acme, KeyKind.SECRET)
    assert tenants.by_secret_key(SECRET_KEY)[0].slug == "acme"
    tenants.delete(acme)
    assert tenants.create("other", "Other", []).tenant.tenant_id != acme.tenant_id
