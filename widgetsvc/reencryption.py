"""Brings what is stored under an older secret of the service under the current one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Engine, Row, Table, select, tuple_, update

from widgetsvc.calendars.keys import Cipher, DerivedTokens, LostSecret, Purpose
from widgetsvc.calendars.store import schema as calendars
from widgetsvc.gateway import schema as gateway

_ROWS_A_TIME = 500

_AnyRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Reencrypted:
    """What has been done to one kind of thing, so far.

    `lost` are those that none of the secrets can read; they stay as they are.
    """

    what: str
    rewritten: int = 0
    current: int = 0
    lost: int = 0
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """A column that depends on the secret, and those that `rewritten` has to be given beside it."""

    what: str
    column: Column[Any]
    others: tuple[Column[Any], ...]
    rewritten: Callable[..., object]

    @property
    def table(self) -> Table:
        return self.column.table


def reencrypt(engine: Engine, secret_keys: Sequence[bytes]) -> Iterator[Reencrypted]:
    """Rewrite all that is stored under another secret than the first, a few hundred rows a transaction.

    Yields how far it is after each transaction. It may run beside the service, break off, and be repeated:
    what is current already is left alone, and what somebody else writes meanwhile is not overwritten.
    """
    for kind in _kinds(secret_keys):
        yield from _reencrypt(engine, kind)


def _kinds(secret_keys: Sequence[bytes]) -> Iterator[_Kind]:
    for what, column, purpose in (
        ("signing keys", gateway.signing_keys.c.secret_encrypted, Purpose.SIGNING_SECRETS),
        ("calendars' tokens", gateway.tenant_calendars.c.credentials_encrypted, Purpose.SIGNING_SECRETS),
        ("client secrets", calendars.applications.c.client_secret_encrypted, Purpose.CLIENT_SECRETS),
    ):
        yield _Kind(what, column, (), Cipher(secret_keys, purpose).rewritten)
    accounts, tokens, links = calendars.accounts.c, calendars.access_tokens.c, calendars.scheduling_links.c
    for what, nonce, token_hash, purpose in (
        ("refresh tokens", accounts.refresh_nonce, accounts.refresh_token_hash, Purpose.REFRESH_TOKENS),
        ("calendar feeds", accounts.feed_nonce, accounts.feed_token_hash, Purpose.CALENDAR_FEEDS),
        ("access tokens", tokens.nonce, tokens.token_hash, Purpose.ACCESS_TOKENS),
        ("scheduling links", links.nonce, links.token_hash, Purpose.SCHEDULING_LINKS),
    ):
        yield _Kind(what, nonce, (token_hash,), DerivedTokens(secret_keys, purpose).rewritten)


def _reencrypt(engine: Engine, kind: _Kind) -> Iterator[Reencrypted]:
    key = list(kind.table.primary_key.columns)
    query = (
        select(*key, kind.column.label("kept"), *kind.others)
        .where(kind.column.is_not(None))
        .order_by(*key)
        .limit(_ROWS_A_TIME)
    )
    rewritten = current = lost = 0
    last: Sequence[object] | None = None
    while True:
        with engine.connect() as connection:
            rows = connection.execute(query if last is None else query.where(tuple_(*key) > last)).all()
        if not rows:
            break
        last = rows[-1][: len(key)]
        changed = []
        for row in rows:
            try:
                value = kind.rewritten(*row[len(key) :])
            except LostSecret:
                lost += 1
                continue
            if value is None:
                current += 1
            else:
                changed.append((row, value))
        rewritten += _write(engine, kind, key, changed)
        yield Reencrypted(kind.what, rewritten, current, lost)
    yield Reencrypted(kind.what, rewritten, current, lost, is_done=True)


def _write(
    engine: Engine, kind: _Kind, key: Sequence[Column[Any]], changed: Sequence[tuple[_AnyRow, object]]
) -> int:
    if not changed:
        return 0
    written = 0
    with engine.execution_options(writes=True).begin() as connection:
        for row, value in changed:
            same = [column == part for column, part in zip(key, row[: len(key)], strict=True)]
            statement = update(kind.table).where(*same, kind.column == row.kept)
            written += connection.execute(statement.values({kind.column: value})).rowcount
    return written
