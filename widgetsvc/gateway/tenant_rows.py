"""Tenants as rows of the database: read whole, written part by part."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from widgetsvc.gateway import schema
from widgetsvc.gateway.audit import Transaction
from widgetsvc.gateway.keys import KeyKind, NewKey, TenantKey, digest_of
from widgetsvc.gateway.origins import OriginRules
from widgetsvc.gateway.signatures import SharedSecret
from widgetsvc.gateway.tenant_models import Access, Policy, Tenant
from widgetsvc.permissions import Element, Permission

Cipher = Fernet | MultiFernet
_AnyRow = Row[*tuple[Any, ...]]


def read_tenants(connection: Connection, now: float, *conditions: ColumnElement[bool]) -> list[Tenant]:
    """Read tenants with their rules and valid keys, in order of slug."""
    tenants = connection.execute(
        select(schema.tenants).where(*conditions).order_by(schema.tenants.c.slug)
    ).all()
    ids = select(schema.tenants.c.tenant_id).where(*conditions)
    rules, keys = schema.origin_rules, schema.tenant_keys
    texts = _by_tenant(
        connection.execute(
            select(rules.c.tenant_id, rules.c.rule)
            .where(rules.c.tenant_id.in_(ids))
            .order_by(rules.c.tenant_id, rules.c.position)
        )
    )
    held = _by_tenant(
        connection.execute(
            select(keys)
            .where(keys.c.tenant_id.in_(ids))
            .order_by(keys.c.expires_at.is_not(None), keys.c.created_at.desc(), keys.c.key_id)
        )
    )
    return [_tenant(row, texts.get(row.tenant_id, []), held.get(row.tenant_id, []), now) for row in tenants]


def _by_tenant(rows: Iterable[_AnyRow]) -> Mapping[int, list[_AnyRow]]:
    grouped: dict[int, list[_AnyRow]] = {}
    for row in rows:
        grouped.setdefault(row.tenant_id, []).append(row)
    return grouped


def _tenant(row: _AnyRow, rules: Sequence[_AnyRow], keys: Sequence[_AnyRow], now: float) -> Tenant:
    all_keys = (
        TenantKey(
            key.key_id, KeyKind(key.kind), key.publishable_key, key.hint, key.created_at, key.expires_at
        )
        for key in keys
    )
    return Tenant(
        tenant_id=row.tenant_id,
        slug=row.slug,
        name=row.name,
        policy=Policy(
            access=Access(row.access),
            permissions=frozenset(map(Permission, row.permissions)),
            tzid=row.tzid,
            elements=None if row.elements is None else frozenset(map(Element, row.elements)),
            lazy_calendars=row.lazy_calendars,
            single_use_assertions=row.single_use_assertions,
            test_mode=row.test_mode,
        ),
        suspended=row.suspended,
        keys=tuple(key for key in all_keys if key.is_valid(now)),
        origins=OriginRules.from_store(rule.rule for rule in rules),
        jwks_url=row.jwks_url,
        version=row.version,
    )


def policy_columns(policy: Policy) -> dict[str, Any]:
    """The columns that hold a policy."""
    return {
        "access": policy.access.value,
        "permissions": sorted(policy.permissions),
        "elements": None if policy.elements is None else sorted(policy.elements),
        "tzid": policy.tzid,
        "lazy_calendars": policy.lazy_calendars,
        "single_use_assertions": policy.single_use_assertions,
        "test_mode": policy.test_mode,
    }


def insert_rules(connection: Connection, tenant_id: int, rules: OriginRules) -> None:
    """Keep the rules, in their order."""
    rows = [
        {"tenant_id": tenant_id, "position": position, "rule": str(rule)}
        for position, rule in enumerate(rules)
    ]
    if rows:
        connection.execute(insert(schema.origin_rules), rows)


def insert_key(connection: Connection, tenant_id: int, new: NewKey) -> None:
    """Keep a key; of its text, its digest."""
    connection.execute(
        insert(schema.tenant_keys).values(
            key_id=new.key.key_id,
            tenant_id=tenant_id,
            kind=new.key.kind.value,
            digest=digest_of(new.text),
            publishable_key=new.key.publishable_key,
            hint=new.key.hint,
            created_at=new.key.created_at,
        )
    )


def end_key(change: Transaction, key: TenantKey, at: int | None) -> None:
    """Have a key end at this moment, in Unix seconds; with None it stays good."""
    table = schema.tenant_keys
    change.connection.execute(update(table).where(table.c.key_id == key.key_id).values(expires_at=at))


def delete_key(change: Transaction, tenant: Tenant, key: TenantKey) -> None:
    """End a key at once."""
    # Rather than end it now: other processes' clocks may be behind.
    delete_keys(change, tenant, schema.tenant_keys.c.key_id == key.key_id)


def delete_keys(change: Transaction, tenant: Tenant, which: ColumnElement[bool]) -> None:
    """End those of the tenant's keys at once."""
    table = schema.tenant_keys
    change.connection.execute(delete(table).where(table.c.tenant_id == tenant.tenant_id, which))


def insert_secret(change: Transaction, tenant_id: int, key: SharedSecret, cipher: Cipher) -> None:
    """Keep a tenant's new signing secret, encrypted."""
    change.connection.execute(
        insert(schema.signing_keys).values(
            tenant_id=tenant_id,
            kid=key.kid,
            alg=key.alg.value,
            secret_encrypted=cipher.encrypt(key.secret),
            created_at=key.created_at,
        )
    )
