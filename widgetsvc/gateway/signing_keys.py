"""The keys with which tenants' servers sign assertions, in the database.

Secrets are encrypted at rest. What ends is deleted, not kept: the trail of changes remembers it.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, insert, select, update

from widgetsvc.clock import Clock
from widgetsvc.errors import AlreadyExists, Conflict, InvalidValue, UnknownResource, UnknownTenant
from widgetsvc.gateway import schema
from widgetsvc.gateway.audit import OPERATOR, Action, AuditTrail, Transaction
from widgetsvc.gateway.keys import DEFAULT_OVERLAP, check_overlap
from widgetsvc.gateway.signatures import (
    FIELD,
    PUBLIC_ALGORITHMS,
    PublicKey,
    SharedSecret,
    SigningAlgorithm,
    SigningKey,
    check_kid,
    generate_secret,
    read_public_key,
)
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.tenant_rows import Cipher, insert_secret

MAX_SIGNING_KEYS = 8
"""How many keys a tenant can have registered at a time."""

_TABLE = schema.signing_keys


class SigningKeyStore:
    """The tenants' signing keys. `cipher` encrypts the secrets."""

    def __init__(self, engine: Engine, trail: AuditTrail, cipher: Cipher, clock: Clock) -> None:
        self._reader = engine
        self._trail = trail
        self._cipher = cipher
        self._clock = clock

    def all_of(self, tenant: Tenant) -> list[SigningKey]:
        """Return the tenant's keys, the newest first, those that have ended not among them."""
        query = select(_TABLE).where(_TABLE.c.tenant_id == tenant.tenant_id)
        with self._reader.connect() as connection:
            rows = connection.execute(query.order_by(_TABLE.c.created_at.desc(), _TABLE.c.kid)).all()
        now = self._clock()
        return [key for key in map(self._key, rows) if key.is_valid(now)]

    def add_public(
        self,
        tenant: Tenant,
        alg: SigningAlgorithm,
        public_key: str,
        *,
        kid: str | None = None,
        by: str = OPERATOR,
    ) -> PublicKey:
        """Register a public key, PEM or JWK as JSON; without a `kid` it has the JWK's, or one of ours.

        Raises InvalidValue, AlreadyExists, Conflict where there are too many keys, UnknownTenant.
        """
        if alg not in PUBLIC_ALGORITHMS:
            raise InvalidValue("HS256 has no public key; rotate the secret to get a new one.", field="alg")
        jwk, named = read_public_key(public_key, alg)
        if kid is not None:
            check_kid(kid)
            if named not in (None, kid):
                raise InvalidValue(f"The JWK's own kid is {named}, not {kid}.", field=FIELD)
        with self._trail.transaction(by) as change:
            held = self._held(change, tenant)
            _check_room(tenant, held)
            chosen = kid or named or _new_kid()
            if any(row.kid == chosen for row in held):
                raise AlreadyExists(f"{tenant.name} has a signing key {chosen} already; revoke it first.")
            key = PublicKey(kid=chosen, algorithm=alg, jwk=jwk, created_at=change.at)
            change.connection.execute(
                insert(_TABLE).values(
                    tenant_id=tenant.tenant_id,
                    kid=key.kid,
                    alg=key.alg.value,
                    public_key=key.jwk,
                    created_at=key.created_at,
                )
            )
            change.record(tenant, Action.SIGNING_KEY_ADDED, key.kid, alg=key.alg.value)
        return key

    def rotate_secret(
        self, tenant: Tenant, *, overlap: int = DEFAULT_OVERLAP, by: str = OPERATOR
    ) -> SharedSecret:
        """Make a new HS256 secret; older ones stay good for `overlap` more seconds, with 0 not at all.

        Raises InvalidValue, Conflict where there are too many keys, UnknownTenant.
        """
        check_overlap(overlap)
        with self._trail.transaction(by) as change:
            held = self._held(change, tenant)
            secrets_held = [row for row in held if row.alg == SigningAlgorithm.HS256]
            for row in secrets_held:
                _end(change, tenant, row, overlap)
            _check_room(tenant, held if overlap else [row for row in held if row not in secrets_held])
            key = generate_secret(_new_kid(), secrets.token_bytes, change.at)
            insert_secret(change, tenant.tenant_id, key, self._cipher)
            ends = {"old_ends_at": change.at + overlap} if secrets_held else {}
            change.record(tenant, Action.SIGNING_KEY_ROTATED, key.kid, alg=key.alg.value, **ends)
        return key

    def revoke(self, tenant: Tenant, kid: str, *, overlap: int = 0, by: str = OPERATOR) -> None:
        """End a key at once, or in `overlap` seconds. Raises UnknownResource, InvalidValue, UnknownTenant."""
        check_overlap(overlap)
        with self._trail.transaction(by) as change:
            row = next((row for row in self._held(change, tenant) if row.kid == kid), None)
            if row is None:
                raise UnknownResource(f"{tenant.name} has no signing key {kid[:64]!a}.")
            _end(change, tenant, row, overlap)
            change.record(tenant, Action.SIGNING_KEY_REVOKED, kid, alg=row.alg, ends_at=change.at + overlap)

    def _held(self, change: Transaction, tenant: Tenant) -> Sequence[Any]:
        """Return the tenant's keys as they are, without those that have ended, until the transaction ends."""
        owner = schema.tenants
        query = select(owner.c.tenant_id).where(owner.c.tenant_id == tenant.tenant_id)
        if change.connection.execute(query).one_or_none() is None:
            raise UnknownTenant(f"The tenant {tenant.slug} has been deleted.")
        _delete(change, tenant, _TABLE.c.expires_at <= change.at)
        held = select(_TABLE.c.kid, _TABLE.c.alg, _TABLE.c.expires_at)
        return change.connection.execute(held.where(_TABLE.c.tenant_id == tenant.tenant_id)).all()

    def _key(self, row: Any) -> SigningKey:
        if row.secret_encrypted is not None:
            key: SigningKey = SharedSecret(kid=row.kid, secret=self._cipher.decrypt(row.secret_encrypted))
        else:
            key = PublicKey(kid=row.kid, algorithm=SigningAlgorithm(row.alg), jwk=row.public_key)
        return replace(key, created_at=row.created_at, expires_at=row.expires_at)


def _new_kid() -> str:
    return f"key_{secrets.token_hex(6)}"


def _check_room(tenant: Tenant, held: Sequence[Any]) -> None:
    if len(held) >= MAX_SIGNING_KEYS:
        raise Conflict(f"{tenant.name} has {len(held)} signing keys already; revoke one of them first.")


def _end(change: Transaction, tenant: Tenant, row: Any, overlap: int) -> None:
    """Let a key end in `overlap` seconds, unless it ends before anyway."""
    which = _TABLE.c.kid == row.kid
    if overlap == 0:
        _delete(change, tenant, which)
        return
    ends = change.at + overlap
    if row.expires_at is None or row.expires_at > ends:
        change.connection.execute(
            update(_TABLE).where(_TABLE.c.tenant_id == tenant.tenant_id, which).values(expires_at=ends)
        )


def _delete(change: Transaction, tenant: Tenant, which: ColumnElement[bool]) -> None:
    change.connection.execute(delete(_TABLE).where(_TABLE.c.tenant_id == tenant.tenant_id, which))
