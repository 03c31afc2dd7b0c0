"""Tenants: who they are, what their policy is, and the keys that name them."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import ColumnElement, Connection, Engine, Row, insert, select
from sqlalchemy.exc import IntegrityError

from widgetsvc.clock import Clock
from widgetsvc.errors import AlreadyExists, InvalidName, TenantSuspended, UnknownKey, UnknownTenant
from widgetsvc.gateway import schema
from widgetsvc.gateway.assertions import SigningAlgorithm, SigningKey, generate_signing_key
from widgetsvc.gateway.origins import Origin, OriginRules, candidate_rules
from widgetsvc.permissions import EMBEDDABLE_PERMISSIONS, Permission
from widgetsvc.timezones import is_zone

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAX_NAME = 255
_TENANTS_AND_RULES = (
    select(schema.tenants, schema.origin_rules.c.rule)
    .join_from(schema.tenants, schema.origin_rules, isouter=True)
    .order_by(schema.tenants.c.slug, schema.origin_rules.c.position)
)

_AnyRow = Row[*tuple[Any, ...]]


class Access(StrEnum):
    """What a visitor's page has to show before it gets a token."""

    PUBLIC = "public"
    """The publishable key and an allowed origin suffice."""
    SIGNED = "signed"
    """An assertion signed by the tenant's server is required."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How access is granted, what may be embedded, and the zone of the tenant's office hours."""

    access: Access = Access.PUBLIC
    permissions: frozenset[Permission] = EMBEDDABLE_PERMISSIONS
    tzid: str = "Etc/UTC"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the operator."""

    tenant_id: int
    slug: str
    name: str
    policy: Policy
    suspended: bool
    publishable_key: str
    origins: OriginRules

    def check_active(self) -> None:
        """Raise TenantSuspended if the operator has suspended the tenant."""
        if self.suspended:
            raise TenantSuspended(f"{self.name} is suspended. Its operator can say why.")


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant with the secrets that are shown once."""

    tenant: Tenant
    secret_key: str = field(repr=False)
    signing_key: SigningKey = field(repr=False)


class TenantDirectory:
    """The tenants in the database. `cipher` encrypts the signing secrets at rest."""

    def __init__(self, engine: Engine, cipher: Fernet, clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._cipher = cipher
        self._clock = clock

    def create(self, slug: str, name: str, origins: Sequence[str], policy: Policy | None = None) -> NewTenant:
        """Create a tenant. Raises AlreadyExists, InvalidName, InvalidOriginRule."""
        policy = policy or Policy()
        _check_names(slug, name, policy)
        rules = OriginRules.of(origins)
        secret_key = f"sk_{secrets.token_urlsafe(32)}"
        signing_key = generate_signing_key(f"key_{secrets.token_hex(6)}", secrets.token_bytes)
        values = {
            "slug": slug,
            "name": name,
            "access": policy.access.value,
            "permissions": sorted(policy.permissions),
            "tzid": policy.tzid,
            "suspended": False,
            "publishable_key": f"pk_{secrets.token_urlsafe(24)}",
            "secret_key_hash": hashlib.sha256(secret_key.encode()).digest(),
            "created_at": int(self._clock()),
        }
        try:
            with self._writer.begin() as connection:
                tenant_id = connection.execute(
                    insert(schema.tenants).values(values).returning(schema.tenants.c.tenant_id)
                ).scalar_one()
                self._insert_rules(connection, tenant_id, rules)
                self._insert_signing_key(connection, tenant_id, signing_key)
        except IntegrityError as error:
            raise AlreadyExists(f"A tenant called {slug} exists already; choose another slug.") from error
        return NewTenant(self.by_slug(slug), secret_key, signing_key)

    def _insert_rules(self, connection: Connection, tenant_id: int, rules: OriginRules) -> None:
        rows = [
            {"tenant_id": tenant_id, "position": position, "rule": str(rule)}
            for position, rule in enumerate(rules)
        ]
        if rows:
            connection.execute(insert(schema.origin_rules), rows)

    def _insert_signing_key(self, connection: Connection, tenant_id: int, key: SigningKey) -> None:
        connection.execute(
            insert(schema.signing_keys).values(
                tenant_id=tenant_id,
                kid=key.kid,
                alg=key.alg.value,
                secret_encrypted=self._cipher.encrypt(key.secret),
                created_at=int(self._clock()),
            )
        )

    def by_publishable_key(self, key: str) -> Tenant:
        """Return the tenant that a publishable key names. Raises UnknownKey."""
        found = self._find(schema.tenants.c.publishable_key == key)
        if not found:
            raise UnknownKey(
                "No tenant has this publishable key. Keys begin with pk_; "
                "`widgetsvc tenant list` shows the operator each tenant's."
            )
        return found[0]

    def by_slug(self, slug: str) -> Tenant:
        """Return a tenant by its slug. Raises UnknownTenant."""
        found = self._find(schema.tenants.c.slug == slug)
        if not found:
            raise UnknownTenant(f"There is no tenant called {slug}; `widgetsvc tenant list` shows all.")
        return found[0]

    def all(self) -> list[Tenant]:
        """Every tenant, in order of slug."""
        return self._find()

    def _find(self, *conditions: ColumnElement[bool]) -> list[Tenant]:
        by_id: dict[int, list[_AnyRow]] = {}
        with self._reader.connect() as connection:
            for row in connection.execute(_TENANTS_AND_RULES.where(*conditions)):
                by_id.setdefault(row.tenant_id, []).append(row)
        return [_tenant(rows) for rows in by_id.values()]

    def any_allows(self, origin: Origin) -> bool:
        """Whether some tenant's rules match an origin: all that a preflight, which names no key, can ask."""
        query = select(schema.origin_rules.c.rule).where(
            schema.origin_rules.c.rule.in_(candidate_rules(origin))
        )
        with self._reader.connect() as connection:
            return connection.execute(query.limit(1)).one_or_none() is not None

    def signing_keys(self, tenant: Tenant) -> dict[str, SigningKey]:
        """The keys with which a tenant's server may sign assertions, by kid."""
        table = schema.signing_keys
        query = select(table.c.kid, table.c.alg, table.c.secret_encrypted).where(
            table.c.tenant_id == tenant.tenant_id
        )
        with self._reader.connect() as connection, closing(connection.execute(query)) as rows:
            return {
                row.kid: SigningKey(
                    row.kid, SigningAlgorithm(row.alg), self._cipher.decrypt(row.secret_encrypted)
                )
                for row in rows
            }


def _check_names(slug: str, name: str, policy: Policy) -> None:
    if not _SLUG.fullmatch(slug):
        raise InvalidName(
            f"{slug!r} is no slug: 1 to 63 lower-case letters, digits and hyphens, such as acme-stores."
        )
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidName(f"The name must be 1 to {_MAX_NAME} printable characters.")
    if not is_zone(policy.tzid):
        raise InvalidName(f"{policy.tzid!r} is no time zone; use an IANA name such as Europe/London.")
    if not policy.permissions <= EMBEDDABLE_PERMISSIONS:
        raise InvalidName(f"Permissions that can be embedded: {', '.join(sorted(EMBEDDABLE_PERMISSIONS))}.")


def _tenant(rows: Sequence[_AnyRow]) -> Tenant:
    first = rows[0]
    texts: Iterable[str] = (row.rule for row in rows if row.rule is not None)
    return Tenant(
        tenant_id=first.tenant_id,
        slug=first.slug,
        name=first.name,
        policy=Policy(
            access=Access(first.access),
            permissions=frozenset(Permission(name) for name in first.permissions),
            tzid=first.tzid,
        ),
        suspended=first.suspended,
        publishable_key=first.publishable_key,
        origins=OriginRules.from_store(texts),
    )
