"""Applications, their accounts, and the tokens that reach them.

Source: Cronofy API, Application Calendars and OAuth; where the documentation is silent:

- A repeated upsert returns the same refresh token, and the same access token while it lives for another ten
  minutes. Refresh tokens do not rotate.
- Ids are scoped to the application: two applications may use the same `application_calendar_id`.
- Revoking deletes the account and all that it holds, whatever its kind: nothing can reach it any more. The
  next upsert of an application calendar's id makes a new account, with ids of its own.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from cryptography.fernet import InvalidToken
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Row,
    Select,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from widgetsvc.calendars.keys import (
    Cipher,
    DerivedTokens,
    Purpose,
    random_hex,
    random_name,
    random_secret,
    sha256,
)
from widgetsvc.calendars.records import (
    Account,
    AccountIdentity,
    AccountKind,
    Application,
    Credentials,
    Grant,
)
from widgetsvc.calendars.store import schema
from widgetsvc.clock import Clock

ACCESS_TOKEN_LIFE = 3_600
REUSE_WHILE_REMAINING = 600
_SUB_PREFIXES = {
    AccountKind.APPLICATION_CALENDAR: "apc",
    AccountKind.RESOURCE: "res",
    AccountKind.USER: "acc",
}
_APPLICATION_COLUMNS = (
    schema.applications.c.application_id,
    schema.applications.c.client_id,
    schema.applications.c.name,
)
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
    schema.accounts.c.profile_revoked_at,
)
_GRANT_COLUMNS = (
    *_ACCOUNT_COLUMNS,
    schema.accounts.c.refresh_nonce,
    schema.accounts.c.refresh_token_hash,
)


# Most requests begin with this one: made once, since putting it together takes longer than carrying it out.
_BY_ACCESS_TOKEN = (
    select(*_ACCOUNT_COLUMNS)
    .join(schema.access_tokens, schema.access_tokens.c.sub == schema.accounts.c.sub)
    .where(
        schema.access_tokens.c.token_hash == bindparam("hash"),
        schema.access_tokens.c.expires_at > bindparam("now"),
    )
)

AnyRow = Row[*tuple[Any, ...]]


def _upsert_application(statement: postgresql.Insert | sqlite.Insert) -> Insert:
    # Several processes may start at once, and each makes sure that the gateway's application is there.
    given = statement.excluded
    secret = {name: given[name] for name in ("client_secret_hash", "client_secret_encrypted")}
    return statement.on_conflict_do_update(index_elements=[schema.applications.c.client_id], set_=secret)


_UPSERT_APPLICATION = {
    "sqlite": _upsert_application(sqlite.insert(schema.applications)),
    "postgresql": _upsert_application(postgresql.insert(schema.applications)),
}


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
        connected=row.profile_revoked_at is None,
    )


def _locked(connection: Connection, which: ColumnElement[bool]) -> AnyRow | None:
    # Held until the tokens are written, so that no revocation comes between; SQLite has one writer anyway.
    query = select(*_GRANT_COLUMNS).where(which).with_for_update()
    return connection.execute(query).one_or_none()


class AccountStore:
    """Applications and their accounts. `secret_keys` are kept outside the database."""

    def __init__(self, engine: Engine, secret_keys: Sequence[bytes], clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._access_tokens = DerivedTokens(secret_keys, Purpose.ACCESS_TOKENS)
        self._refresh_tokens = DerivedTokens(secret_keys, Purpose.REFRESH_TOKENS)
        self._secrets = Cipher(secret_keys, Purpose.CLIENT_SECRETS).fernet
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
            connection.execute(
                _UPSERT_APPLICATION[connection.dialect.name],
                {
                    "client_id": credentials.client_id,
                    "client_secret_hash": secret_hash,
                    "client_secret_encrypted": self._secrets.encrypt(credentials.client_secret.encode()),
                    "name": name,
                    "created_at": int(self._clock()),
                },
            )

    def client_secret(self, application_id: int) -> str | None:
        """The application's secret, to sign with.

        None where it was created before secrets were kept, or kept under a secret that is lost.
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
        query = select(*_APPLICATION_COLUMNS).where(
            schema.applications.c.client_secret_hash == sha256(client_secret)
        )
        if client_id is not None:
            query = query.where(schema.applications.c.client_id == client_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        return Application(*row) if row else None

    def application_by_client_id(self, client_id: str) -> Application | None:
        """Return the application of this id, for an operator, who shows no secret."""
        query = select(*_APPLICATION_COLUMNS).where(schema.applications.c.client_id == client_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        return Application(*row) if row else None

    def applications(self) -> list[Application]:
        """All applications, the oldest first."""
        query = select(*_APPLICATION_COLUMNS).order_by(schema.applications.c.application_id)
        with self._reader.connect() as connection:
            return [Application(*row) for row in connection.execute(query)]

    def upsert_application_calendar(self, application: Application, application_calendar_id: str) -> Grant:
        """Return the application's calendar of this id with valid tokens, creating it at its first use."""
        identity = AccountIdentity(
            AccountKind.APPLICATION_CALENDAR, application_calendar_id=application_calendar_id
        )
        named = (schema.accounts.c.application_id == application.application_id) & (
            schema.accounts.c.application_calendar_id == application_calendar_id
        )
        with self._writer.begin() as connection:
            row = _locked(connection, named)
            while row is None:
                # SQLite's writers queue. Elsewhere a concurrent first use may win, and a revocation may
                # delete what it made before it is read here.
                with suppress(IntegrityError), connection.begin_nested():
                    self._create(connection, application, identity)
                row = _locked(connection, named)
            return self._grant(connection, row)

    def create_account(self, application: Application, identity: AccountIdentity) -> Grant:
        """Create an account that stands for a person or a resource, and return it with tokens."""
        with self._writer.begin() as connection:
            sub = self._create(connection, application, identity)
            created = select(*_GRANT_COLUMNS).where(schema.accounts.c.sub == sub)
            return self._grant(connection, connection.execute(created).one())

    def _create(self, connection: Connection, application: Application, identity: AccountIdentity) -> str:
        sub = f"{_SUB_PREFIXES[identity.kind]}_{random_hex()}"
        profile = random_name(10)
        nonce, refresh_token = self._refresh_tokens.issue()
        values = {
            "sub": sub,
            "application_id": application.application_id,
            "kind": identity.kind.value,
            "application_calendar_id": identity.application_calendar_id,
            "email": identity.email,
            "name": identity.name,
            "tzid": identity.tzid,
            "profile_id": f"pro_{profile}",
            "calendar_id": f"cal_{profile}_{random_name(11)}",
            "refresh_nonce": nonce,
            "refresh_token_hash": sha256(refresh_token),
            "created_at": int(self._clock()),
        }
        connection.execute(insert(schema.accounts).values(values))
        return sub

    def _grant(self, connection: Connection, row: AnyRow) -> Grant:
        account = _account(row)
        access_token, expires_in = self._access_token(connection, account.sub)
        refresh_token = self._refresh_tokens.find(row.refresh_nonce, row.refresh_token_hash)
        if refresh_token is None:
            refresh_token = self._renew_refresh_token(connection, account.sub)
        return Grant(account, access_token, refresh_token, expires_in)

    def _renew_refresh_token(self, connection: Connection, sub: str) -> str:
        """Replace a refresh token that cannot be handed out again, because its secret is lost."""
        nonce, token = self._refresh_tokens.issue()
        values = {"refresh_nonce": nonce, "refresh_token_hash": sha256(token)}
        connection.execute(update(schema.accounts).where(schema.accounts.c.sub == sub).values(values))
        return token

    def _access_token(self, connection: Connection, sub: str) -> tuple[str, int]:
        table, now = schema.access_tokens, int(self._clock())
        live = connection.execute(
            select(table.c.nonce, table.c.token_hash, table.c.expires_at)
            .where(table.c.sub == sub, table.c.expires_at >= now + REUSE_WHILE_REMAINING)
            .order_by(table.c.expires_at.desc())
        )
        for row in live.all():
            token = self._access_tokens.find(row.nonce, row.token_hash)
            if token is not None:
                return token, row.expires_at - now
        connection.execute(delete(table).where(table.c.sub == sub, table.c.expires_at <= now))
        nonce, token = self._access_tokens.issue()
        connection.execute(
            insert(table).values(
                token_hash=sha256(token), sub=sub, nonce=nonce, expires_at=now + ACCESS_TOKEN_LIFE
            )
        )
        return token, ACCESS_TOKEN_LIFE

    def refresh(self, application_id: int, refresh_token: str) -> Grant | None:
        """Return valid tokens for the application's account with this refresh token, if there is one."""
        held = (schema.accounts.c.refresh_token_hash == sha256(refresh_token)) & (
            schema.accounts.c.application_id == application_id
        )
        with self._writer.begin() as connection:
            row = _locked(connection, held)
            return self._grant(connection, row) if row else None

    def revoke(self, application_id: int, sub: str) -> bool:
        """Delete the application's account of this sub and all that it holds; say whether it was there."""
        return self._delete(application_id, schema.accounts.c.sub == sub)

    def revoke_profile(self, account: Account) -> None:
        """Take an account's profile from it, and with the profile its calendar and all events.

        A person or a resource goes on without, and keeps its tokens and rules: the Calendar Sync Element
        reads the account again. An application calendar is nothing without its calendar, and is revoked as a
        whole.
        """
        if account.kind is AccountKind.APPLICATION_CALENDAR:
            self.revoke(account.application_id, account.sub)
            return
        mine = schema.accounts.c.sub == account.sub
        with self._writer.begin() as connection:
            connection.execute(
                update(schema.accounts).where(mine).values(profile_revoked_at=int(self._clock()))
            )
            connection.execute(
                delete(schema.events).where(schema.events.c.calendar_id == account.calendar_id)
            )

    def revoke_by_token(self, application_id: int, token: str) -> bool:
        """Delete the application's account that this refresh or live access token reaches.

        Says whether there was one.
        """
        token_hash = sha256(token)
        reached = select(schema.access_tokens.c.sub).where(
            schema.access_tokens.c.token_hash == token_hash,
            schema.access_tokens.c.expires_at > int(self._clock()),
        )
        return self._delete(
            application_id,
            or_(schema.accounts.c.refresh_token_hash == token_hash, schema.accounts.c.sub.in_(reached)),
        )

    def _delete(self, application_id: int, which: ColumnElement[bool]) -> bool:
        statement = delete(schema.accounts).where(schema.accounts.c.application_id == application_id, which)
        with self._writer.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def account_by_access_token(self, access_token: str) -> Account | None:
        """Return the account that a live access token reaches."""
        shown = {"hash": sha256(access_token), "now": int(self._clock())}
        with self._reader.connect() as connection:
            row = connection.execute(_BY_ACCESS_TOKEN, shown).one_or_none()
        return _account(row) if row else None

    def accounts(self, application_id: int, subs: Iterable[str]) -> dict[str, Account]:
        """Return the application's accounts among these subs, by sub."""
        with self._reader.connect() as connection:
            return {row.sub: _account(row) for row in connection.execute(_among(application_id, subs))}

    def lock(self, connection: Connection, application_id: int, subs: Iterable[str]) -> dict[str, Account]:
        """Return what `accounts` does, and keep others that lock them waiting until the transaction's end.

        SQLite's writers queue anyway; elsewhere this is what makes two bookings of one time queue.
        """
        query = _among(application_id, subs).order_by(schema.accounts.c.sub).with_for_update(key_share=True)
        return {row.sub: _account(row) for row in connection.execute(query)}

    def account_by_sub(self, sub: str) -> Account | None:
        """Return an account of any application: for the operator, who looks after all of them."""
        query = select(*_ACCOUNT_COLUMNS).where(schema.accounts.c.sub == sub)
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        return _account(row) if row else None

    def all_accounts(self, application_id: int) -> list[Account]:
        """Every account of the application, the oldest first."""
        query = (
            select(*_ACCOUNT_COLUMNS)
            .where(schema.accounts.c.application_id == application_id)
            .order_by(schema.accounts.c.created_at, schema.accounts.c.sub)
        )
        with self._reader.connect() as connection:
            return [_account(row) for row in connection.execute(query)]


def _among(application_id: int, subs: Iterable[str]) -> Select[*tuple[Any, ...]]:
    return select(*_ACCOUNT_COLUMNS).where(
        schema.accounts.c.sub.in_(sorted(set(subs))), schema.accounts.c.application_id == application_id
    )
