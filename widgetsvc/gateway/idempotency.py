"""Requests that can be repeated without a second effect, because their answers are kept under a key.

Source: draft-ietf-httpapi-idempotency-key-header-07. A key belongs to a tenant and an endpoint, and is
kept for a day. Answers may hold a secret that is shown once, so they are encrypted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import InvalidToken
from sqlalchemy import ColumnElement, Connection, Engine, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from widgetsvc.clock import Clock
from widgetsvc.errors import Conflict, IdempotencyKeyReused, RequestInFlight, UnknownTenant
from widgetsvc.gateway.schema import idempotency_keys
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.tenant_rows import Cipher

KEPT_SECONDS = 24 * 3_600
"""How long a key is remembered."""

TAKEOVER_SECONDS = 60
"""After how long a request without an answer counts as dead, and its key may be used again."""

_SWEEP_SECONDS = 3_600
# What is returned tells whether the row is new; drivers do not agree on what they count.
_INSERT = {
    name: insert(idempotency_keys).on_conflict_do_nothing().returning(idempotency_keys.c.created_at)
    for name, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer to the first request with a key."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer the first request with a key, since `at` (Unix seconds)."""

    tenant_id: int
    endpoint: str
    key: str
    at: int


class IdempotencyKeys:
    """The keys in the database, and the answers under them, which `cipher` encrypts."""

    def __init__(self, engine: Engine, cipher: Cipher, clock: Clock) -> None:
        self._writer = engine.execution_options(writes=True)
        self._cipher = cipher
        self._clock = clock
        self._sweep_at = 0.0

    def begin(self, tenant: Tenant, endpoint: str, key: str, digest: bytes) -> Claim | KeptAnswer:
        """Return the answer under this key or, to the first who asks, the claim to give it.

        `digest` is the SHA-256 of what is asked for. Whoever has the claim ends it with `keep` or `abandon`.
        Raises IdempotencyKeyReused, RequestInFlight, UnknownTenant, or Conflict where the answer was
        encrypted with a secret that is gone.
        """
        now = int(self._clock())
        claim = Claim(tenant.tenant_id, endpoint, key, now)
        row = {
            "tenant_id": tenant.tenant_id,
            "endpoint": endpoint,
            "idempotency_key": key,
            "request_digest": digest,
            "created_at": now,
        }
        with self._writer.begin() as connection:
            self._sweep(connection, now)
            try:
                if connection.execute(_INSERT[connection.dialect.name], row).one_or_none() is not None:
                    return claim
            except IntegrityError as error:
                raise UnknownTenant(f"The tenant {tenant.slug} has been deleted.") from error
            table = idempotency_keys
            kept = connection.execute(select(table).where(*_named(claim)).with_for_update()).one()
            if kept.created_at <= now - (KEPT_SECONDS if kept.status is not None else TAKEOVER_SECONDS):
                fresh = {"request_digest": digest, "status": None, "answer": None, "created_at": now}
                connection.execute(update(table).where(*_named(claim)).values(fresh))
                return claim
        if kept.request_digest != digest:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was sent with another request before. "
                "Make a new one for each request, and keep it for repetitions of the same."
            )
        if kept.status is None:
            raise RequestInFlight(
                "The first request with this Idempotency-Key is still under way. Repeat it in a moment."
            )
        return self._opened(kept.status, kept.answer)

    def keep(self, claim: Claim, answer: KeptAnswer) -> None:
        """Keep the answer for whoever repeats the request."""
        text = json.dumps({"headers": dict(answer.headers), "body": answer.body})
        sealed = self._cipher.encrypt(text.encode()).decode("ascii")
        with self._writer.begin() as connection:
            connection.execute(
                update(idempotency_keys).where(*_own(claim)).values(status=answer.status, answer=sealed)
            )

    def abandon(self, claim: Claim) -> None:
        """Let the request be made anew under its key: it had no effect that is known of."""
        with self._writer.begin() as connection:
            connection.execute(delete(idempotency_keys).where(*_own(claim)))

    def _opened(self, status: int, sealed: Any) -> KeptAnswer:
        try:
            opened = json.loads(self._cipher.decrypt(sealed))
        except InvalidToken:
            raise Conflict(
                "The request with this Idempotency-Key was carried out, but its answer can be read no more. "
                "See what is there, and send a new key."
            ) from None
        return KeptAnswer(status, opened["headers"], opened["body"])

    def _sweep(self, connection: Connection, now: float) -> None:
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_SECONDS
            old = idempotency_keys.c.created_at <= now - KEPT_SECONDS
            connection.execute(delete(idempotency_keys).where(old))


def _named(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    table = idempotency_keys.c
    return (
        table.tenant_id == claim.tenant_id,
        table.endpoint == claim.endpoint,
        table.idempotency_key == claim.key,
    )


def _own(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The row of a claim, unless another request has taken it over."""
    table = idempotency_keys.c
    return *_named(claim), table.created_at == claim.at, table.status.is_(None)
