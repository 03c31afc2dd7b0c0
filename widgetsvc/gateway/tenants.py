"""The tenants in the database: found by slug or key, created, changed, deleted."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from widgetsvc.clock import Clock
from widgetsvc.errors import AlreadyExists, Conflict, PreconditionFailed, UnknownResource, UnknownTenant
from widgetsvc.gateway import schema
from widgetsvc.gateway.audit import OPERATOR, Action, AuditTrail, Transaction
from widgetsvc.gateway.keys import (
    DEFAULT_OVERLAP,
    KeyKind,
    NewKey,
    TenantKey,
    check_overlap,
    digest_of,
    make_key,
    unknown_key,
)
from widgetsvc.gateway.origins import Origin, OriginRules, candidate_rules, printable
from widgetsvc.gateway.signatures import generate_secret
from widgetsvc.gateway.tenant_models import NewTenant, Policy, Tenant, TenantUpdate, check_names, check_slug
from widgetsvc.gateway.tenant_rows import (
    Cipher,
    delete_key,
    delete_keys,
    end_key,
    insert_key,
    insert_rules,
    insert_secret,
    policy_columns,
    read_tenants,
)

MAX_KEYS = 2
"""Keys of one kind that a tenant can have at a time: the new one, and the old one until it ends."""


class TenantDirectory:
    """The tenants in the database. `cipher` encrypts the signing secrets at rest."""

    def __init__(self, engine: Engine, trail: AuditTrail, cipher: Cipher, clock: Clock) -> None:
        self._reader = _reading_snapshots(engine)
        self._trail = trail
        self._cipher = cipher
        self._clock = clock

    # Reading

    def by_publishable_key(self, key: str) -> Tenant:
        """Return the tenant that a publishable key names. Raises UnknownKey."""
        return self._by_key(KeyKind.PUBLISHABLE, key)[0]

    def by_secret_key(self, key: str) -> tuple[Tenant, TenantKey]:
        """Return the tenant that a secret key names, and what is kept of the key. Raises UnknownKey."""
        return self._by_key(KeyKind.SECRET, key)

    def by_slug(self, slug: str) -> Tenant:
        """Return a tenant by its slug. Raises UnknownTenant."""
        found = self._find(schema.tenants.c.slug == slug)
        if not found:
            raise UnknownTenant(f"There is no tenant called {slug}; `widgetsvc tenant list` shows all.")
        return found[0]

    def all(self) -> list[Tenant]:
        """Every tenant, in order of slug."""
        return self._find()

    def any_allows(self, origin: Origin) -> bool:
        """Whether some tenant's rules match an origin: all that a preflight, which names no key, can ask."""
        query = select(schema.origin_rules.c.rule).where(
            schema.origin_rules.c.rule.in_(candidate_rules(origin))
        )
        with self._reader.connect() as connection:
            return connection.execute(query.limit(1)).one_or_none() is not None

    def _by_key(self, kind: KeyKind, text: str) -> tuple[Tenant, TenantKey]:
        table, digest = schema.tenant_keys, digest_of(text)
        query = select(table.c.tenant_id, table.c.key_id).where(
            table.c.digest == digest, table.c.kind == kind.value
        )
        with self._reader.connect() as connection:
            named = connection.execute(query).one_or_none()
            found = (
                read_tenants(connection, self._clock(), schema.tenants.c.tenant_id == named[0])
                if named
                else []
            )
        for tenant in found:
            for key in tenant.keys:
                if named is not None and key.key_id == named.key_id:
                    return tenant, key
        raise unknown_key(kind)

    def _find(self, *conditions: ColumnElement[bool]) -> list[Tenant]:
        with self._reader.connect() as connection:
            return read_tenants(connection, self._clock(), *conditions)

    # Changing

    def create(
        self,
        slug: str,
        name: str,
        origins: Sequence[str],
        policy: Policy | None = None,
        *,
        by: str = OPERATOR,
    ) -> NewTenant:
        """Create a tenant. Raises AlreadyExists, InvalidName, InvalidOriginRule.

        Raises Conflict where a deleted tenant of this slug has left calendars upstream: they would be the
        new one's, under whose ids they are found there.
        """
        policy = policy or Policy()
        check_slug(slug)
        check_names(name, policy)
        rules = OriginRules.of(origins)
        try:
            with self._trail.transaction(by) as change:
                _check_nothing_is_inherited(change.connection, slug)
                values = {"slug": slug, "name": name, "suspended": False, "version": 1}
                stamps = {"created_at": change.at, "updated_at": change.at}
                tenant_id = change.connection.execute(
                    insert(schema.tenants)
                    .values(**values, **stamps, **policy_columns(policy))
                    .returning(schema.tenants.c.tenant_id)
                ).scalar_one()
                insert_rules(change.connection, tenant_id, rules)
                signing_key = generate_secret(f"key_{secrets.token_hex(6)}", secrets.token_bytes, change.at)
                insert_secret(change, tenant_id, signing_key, self._cipher)
                publishable, secret = (make_key(kind, change.at) for kind in KeyKind)
                for new in (publishable, secret):
                    insert_key(change.connection, tenant_id, new)
                (tenant,) = read_tenants(
                    change.connection, change.at, schema.tenants.c.tenant_id == tenant_id
                )
                change.record(tenant, Action.TENANT_CREATED, origins=[str(rule) for rule in rules])
        except IntegrityError as error:
            raise AlreadyExists(f"A tenant called {slug} exists already; choose another slug.") from error
        return NewTenant(tenant, secret.text, signing_key)

    def update(
        self, tenant: Tenant, wanted: TenantUpdate, *, version: int | None = None, by: str = OPERATOR
    ) -> Tenant:
        """Change what is given and return the tenant as it is now; nothing is recorded where nothing differs.

        `version` is the one that the change was made for. Raises PreconditionFailed where it is over,
        InvalidName, InvalidOriginRule, UnknownTenant.
        """
        rules = None if wanted.allowed_origins is None else OriginRules.of(wanted.allowed_origins)
        with self._trail.transaction(by) as change:
            old = self._current(change, tenant, version)
            new = replace(
                old,
                name=old.name if wanted.name is None else wanted.name,
                policy=wanted.policy(old.policy),
                origins=old.origins if rules is None else rules,
                jwks_url=None if wanted.no_jwks_url else (wanted.jwks_url or old.jwks_url),
            )
            check_names(new.name, new.policy)
            differences = _differences(old, new)
            if not differences:
                return old
            if rules is not None:
                table = schema.origin_rules
                change.connection.execute(delete(table).where(table.c.tenant_id == old.tenant_id))
                insert_rules(change.connection, old.tenant_id, rules)
            values = {"name": new.name, "jwks_url": new.jwks_url, **policy_columns(new.policy)}
            self._write(change, old, **values)
            change.record(old, Action.TENANT_UPDATED, **differences)
            return self._current(change, old)

    def suspend(self, tenant: Tenant, *, by: str = OPERATOR) -> Tenant:
        """Refuse the tenant's embeds and its servers until it is resumed. Raises UnknownTenant."""
        return self._set_suspended(tenant, Action.TENANT_SUSPENDED, by, suspended=True)

    def resume(self, tenant: Tenant, *, by: str = OPERATOR) -> Tenant:
        """End the suspension. Raises UnknownTenant."""
        return self._set_suspended(tenant, Action.TENANT_RESUMED, by, suspended=False)

    def _set_suspended(self, tenant: Tenant, action: Action, by: str, *, suspended: bool) -> Tenant:
        with self._trail.transaction(by) as change:
            old = self._current(change, tenant)
            if old.suspended == suspended:
                return old
            self._write(change, old, suspended=suspended)
            change.record(old, action)
            return self._current(change, old)

    def delete(self, tenant: Tenant, *, by: str = OPERATOR) -> None:
        """Delete the tenant with all that is its own; the trail of it stays. Raises UnknownTenant.

        Its calendars go from here, but not from upstream: whoever wants that revokes them before.
        """
        with self._trail.transaction(by) as change:
            old = self._current(change, tenant)
            left = _calendars_upstream(change.connection, old)
            change.connection.execute(
                delete(schema.tenants).where(schema.tenants.c.tenant_id == old.tenant_id)
            )
            change.record(old, Action.TENANT_DELETED, calendars_left=left)

    def rotate_key(
        self, tenant: Tenant, kind: KeyKind, *, overlap: int = DEFAULT_OVERLAP, by: str = OPERATOR
    ) -> NewKey:
        """Make a new key of a kind; the old one stays good for `overlap` more seconds, with 0 not at all.

        Raises Conflict where two are good already, InvalidValue where the overlap is too long or negative,
        UnknownTenant.
        """
        check_overlap(overlap)
        with self._trail.transaction(by) as change:
            old = self._current(change, tenant)
            delete_keys(change, old, schema.tenant_keys.c.expires_at <= change.at)
            valid = [key for key in old.keys if key.kind is kind]
            if overlap > 0 and len(valid) >= MAX_KEYS:
                raise Conflict(
                    f"{old.name} has {len(valid)} {kind.value} keys already; "
                    f"revoke {valid[-1].key_id} (…{valid[-1].hint}) first, or rotate without an overlap."
                )
            ends = change.at + overlap
            for key in valid:
                if overlap == 0:
                    delete_key(change, old, key)
                elif key.expires_at is None:
                    end_key(change, key, ends)
            new = replace(make_key(kind, change.at), old_ends_at=ends)
            insert_key(change.connection, old.tenant_id, new)
            self._write(change, old)
            change.record(old, Action.KEY_ROTATED, new.key.key_id, kind=kind.value, old_ends_at=ends)
            return new

    def revoke_key(self, tenant: Tenant, key_id: str, *, by: str = OPERATOR) -> None:
        """End a key at once; where it was to replace another one, that one stays.

        Raises UnknownResource, Conflict for the last one of its kind, UnknownTenant.
        """
        with self._trail.transaction(by) as change:
            old = self._current(change, tenant)
            key = next((key for key in old.keys if key.key_id == key_id), None)
            if key is None:
                raise UnknownResource(f"{old.name} has no valid key {printable(key_id[:64])}.")
            others = [other for other in old.keys if other.kind is key.kind and other is not key]
            if not others:
                raise Conflict(f"It is the only {key.kind.value} key of {old.name}; rotate it instead.")
            delete_key(change, old, key)
            if key.expires_at is None:
                # Without it the tenant would be left without any key when the old one ends.
                end_key(change, others[0], None)
            self._write(change, old)
            change.record(old, Action.KEY_REVOKED, key_id, kind=key.kind.value)

    def _current(self, change: Transaction, tenant: Tenant, version: int | None = None) -> Tenant:
        """Return the tenant as it is now, and until the transaction ends."""
        found = read_tenants(change.connection, change.at, schema.tenants.c.tenant_id == tenant.tenant_id)
        if not found:
            raise UnknownTenant(f"The tenant {tenant.slug} has been deleted.")
        now = found[0]
        if version is not None and version != now.version:
            raise PreconditionFailed(
                f"{now.name} was changed meanwhile: it is at version {now.version}, and the change was made "
                f"for version {version}. Read it again, and repeat the change."
            )
        return now

    @staticmethod
    def _write(change: Transaction, tenant: Tenant, **values: Any) -> None:
        table = schema.tenants
        stamps = {"version": tenant.version + 1, "updated_at": change.at}
        change.connection.execute(
            update(table).where(table.c.tenant_id == tenant.tenant_id).values(**values, **stamps)
        )


def _reading_snapshots(engine: Engine) -> Engine:
    """The engine, whose transactions see the database as it was at one moment: a tenant is three queries."""
    # SQLite's see it so anyway.
    return (
        engine.execution_options(isolation_level="REPEATABLE READ")
        if engine.dialect.name == "postgresql"
        else engine
    )


def _calendars_upstream(connection: Connection, tenant: Tenant) -> int:
    """How many of the tenant's calendars there are upstream under names that begin with its slug."""
    table = schema.tenant_calendars
    query = select(func.count()).where(
        table.c.tenant_id == tenant.tenant_id,
        table.c.sub.is_not(None),
        table.c.upstream_id.startswith(f"{tenant.slug}:", autoescape=True),
    )
    return connection.execute(query).scalar_one()


def _check_nothing_is_inherited(connection: Connection, slug: str) -> None:
    table = schema.audit_trail
    deleted = (table.c.tenant == slug) & (table.c.action == Action.TENANT_DELETED)
    left = sum(
        details.get("calendars_left", 0)
        for details in connection.execute(select(table.c.details).where(deleted)).scalars()
    )
    if left:
        raise Conflict(
            f"A deleted tenant called {slug} has left {left} calendars upstream, which a new one of "
            f"that slug would take over. Choose another slug; `widgetsvc calendar add` has --upstream-id "
            f"{slug}:ID for such a calendar."
        )


def _differences(old: Tenant, new: Tenant) -> dict[str, Any]:
    """What an update changes, by name, as it was and as it is."""
    before, after = _described(old), _described(new)
    return {name: [before[name], after[name]] for name in before if before[name] != after[name]}


def _described(tenant: Tenant) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "allowed_origins": [str(rule) for rule in tenant.origins],
        "jwks_url": tenant.jwks_url,
        **policy_columns(tenant.policy),
    }
