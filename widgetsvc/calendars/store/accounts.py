"""Applications, their accounts, and the tokens that reach them.

Source: Cronofy API, Application Calendars and OAuth; where the documentation is silent:

- A repeated upsert returns the same refresh token, and the same access token while it lives for another ten
  minutes. Refresh tokens do not rotate.
- Ids are scoped to the application: two applications may use the same `application_calendar_id`.
"""

import base64
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Connection, Engine, Row, delete, insert, select
from sqlalchemy.exc import IntegrityError

from widgetsvc.calendars.keys import (
    derive_key,
    derive_token,
    random_hex,
    random_name,
    random_secret,
    sha256,
)
from widgetsvc.calendars.records import Account, AccountKind, Application, Credentials, Grant
from widgetsvc.calendars.store import schema
from widgetsvc.clock import Clock

ACCESS_TOKEN_LIFE = 3_600
REUSE_WHILE_REMAINING = 600
_ACCOUNT_COLUMNS = (
    schema.accounts.c.sub,
    schema.accounts.c.application_id,
    schema.accounts.c.kind,
    schema.accounts.c.profile_id,
    schema.accounts.c.calendar_id,
    schema.accounts.c.application_calendar_id,
    schema.accounts.c.email,
    schema.accounts.c.name,
    schema.accounts.c.tzid,
)


AnyRow = Row[*tuple[Any, ...]]


def _account(row: AnyRow) -> Account:
    return Account(
        sub=row.sub,
        application_id=row.application_id,
        kind=AccountKind(row.kind),
        profile_id=row.profile_id,
        calendar_id=row.calendar_id,
        application_calendar_id=row.application_calendar_id,
        email=row.email,
        name=row.name,
        tzid=row.tzid,
    )


class AccountStore:
    """Applications and application calendars. `secret_key` is kept outside the database."""

    def __init__(self, engine: Engine, secret_key: bytes, clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._access_key = derive_key(secret_key, "access tokens")
        self._refresh_key = derive_key(secret_key, "refresh tokens")
        self._secrets = Fernet(base64.urlsafe_b64encode(derive_key(secret_key, "client secrets")))
        self._clock = clock

    def create_application(self, name: str) -> Credentials:
        """Register an application and return its credentials; the secret cannot be read again."""
        credentials = Credentials(client_id=f"app_{random_hex()}", client_secret=random_secret())
        self.ensure_application(credentials, name)
        return credentials

    def ensure_application(self, credentials: Credentials, name: str) -> None:
        """Make sure that an application with these very credentials exists."""
        table = schema.applications
        secret_hash = sha256(credentials.client_secret)
        with self._writer.begin() as connection:
            known = connection.execute(
                select(table.c.client_secret_hash, table.c.client_secret_encrypted).where(
                    table.c.client_id == credentials.client_id
                )
            ).one_or_none()
            if (
                known is not None
                and known.client_secret_hash == secret_hash
                and known.client_secret_encrypted
            ):
                return
            secret = {
                "client_secret_hash": secret_hash,
                "client_secret_encrypted": self._secrets.encrypt(credentials.client_secret.encode()),
            }
            if known is None:
                connection.execute(
                    insert(table).values(
                        **secret,
                        client_id=credentials.client_id,
                        name=name,
                        created_at=int(self._clock()),
                    )
                )
            else:
                connection.execute(
                    table.update().where(table.c.client_id == credentials.client_id).values(secret)
                )

    def client_secret(self, application_id: int) -> str | None:
        """The application's secret, to sign with.

        None where it was created before secrets were kept, or kept under another `secret_key`.
        """
        query = select(schema.applications.c.client_secret_encrypted).where(
            schema.applications.c.application_id == application_id
        )
        with self._reader.connect() as connection:
            encrypted = connection.execute(query).scalar_one_or_none()
        try:
            return self._secrets.decrypt(encrypted).decode() if encrypted else None
        except InvalidToken:
            return None

    def application_by_secret(self, client_secret: str, client_id: str | None = None) -> Application | None:
        """Return the application whose secret this is, and whose id, if one is given."""
        table = schema.applications
        query = select(table.c.application_id, table.c.client_id, table.c.name).where(
            table.c.client_secret_hash == sha256(client_secret)
        )
        if client_id is not None:
            query = query.where(table.c.client_id == client_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        return Application(*row) if row else None

    def upsert_application_calendar(self, application: Application, application_calendar_id: str) -> Grant:
        """Return the application's calendar of this id with valid tokens, creating it at its first use."""
        named = (schema.accounts.c.application_id == application.application_id) & (
            schema.accounts.c.application_calendar_id == application_calendar_id
        )
        query = select(*_ACCOUNT_COLUMNS, schema.accounts.c.refresh_nonce).where(named)
        with self._writer.begin() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                self._create_account(connection, application, application_calendar_id)
                row = connection.execute(query).one()
            return self._grant(connection, row)

    def _create_account(self, connection: Connection, application: Application, name: str) -> None:
        profile = random_name(10)
        nonce = secrets.token_hex(16)
        values = {
            "sub": f"apc_{random_hex()}",
            "application_id": application.application_id,
            "application_calendar_id": name,
            "profile_id": f"pro_{profile}",
            "calendar_id": f"cal_{profile}_{random_name(11)}",
            "refresh_nonce": nonce,
            "refresh_token_hash": sha256(derive_token(self._refresh_key, nonce)),
            "created_at": int(self._clock()),
        }
        # SQLite's writers queue, but elsewhere a concurrent first use may win: the caller then reads its row.
        with suppress(IntegrityError), connection.begin_nested():
            connection.execute(insert(schema.accounts).values(values))

    def _grant(self, connection: Connection, row: AnyRow) -> Grant:
        account = _account(row)
        access_token, expires_in = self._access_token(connection, account.sub)
        return Grant(account, access_token, derive_token(self._refresh_key, row.refresh_nonce), expires_in)

    def _access_token(self, connection: Connection, sub: str) -> tuple[str, int]:
        table, now = schema.access_tokens, int(self._clock())
        current = connection.execute(
            select(table.c.nonce, table.c.expires_at)
            .where(table.c.sub == sub, table.c.expires_at >= now + REUSE_WHILE_REMAINING)
            .order_by(table.c.expires_at.desc())
            .limit(1)
        ).one_or_none()
        if current is not None:
            return derive_token(self._access_key, current.nonce), current.expires_at - now
        connection.execute(delete(table).where(table.c.sub == sub, table.c.expires_at <= now))
        nonce = secrets.token_hex(16)
        token = derive_token(self._access_key, nonce)
        connection.execute(
            insert(table).values(
                token_hash=sha256(token), sub=sub, nonce=nonce, expires_at=now + ACCESS_TOKEN_LIFE
            )
        )
        return token, ACCESS_TOKEN_LIFE

    def refresh(self, application: Application, refresh_token: str) -> Grant | None:
        """Return valid tokens for the application's account with this refresh token, if there is one."""
        query = select(*_ACCOUNT_COLUMNS, schema.accounts.c.refresh_nonce).where(
            schema.accounts.c.refresh_token_hash == sha256(refresh_token),
            schema.accounts.c.application_id == application.application_id,
        )
        with self._writer.begin() as connection:
            row = connection.execute(query).one_or_none()
            return self._grant(connection, row) if row else None

    def account_by_access_token(self, access_token: str) -> Account | None:
        """Return the account that a live access token reaches."""
        query = (
            select(*_ACCOUNT_COLUMNS)
            .join(schema.access_tokens, schema.access_tokens.c.sub == schema.accounts.c.sub)
            .where(
                schema.access_tokens.c.token_hash == sha256(access_token),
                schema.access_tokens.c.expires_at > int(self._clock()),
            )
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        return _account(row) if row else None

    def accounts(self, application_id: int, subs: Iterable[str]) -> dict[str, Account]:
        """Return the application's accounts among these subs, by sub."""
        wanted: Sequence[str] = sorted(set(subs))
        query = select(*_ACCOUNT_COLUMNS).where(
            schema.accounts.c.sub.in_(wanted), schema.accounts.c.application_id == application_id
        )
        with self._reader.connect() as connection:
            return {row.sub: _account(row) for row in connection.execute(query)}
