"""The secret addresses at which calendars can be read as files.

An address lives until it is withdrawn. It is derived from a nonce, so that the operator can be shown it
again, and looked up by its hash.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, select, update

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.keys import DerivedTokens, Purpose, sha256
from widgetsvc.calendars.store.schema import accounts, events


class Version(NamedTuple):
    """What changes when any event of a time is written, deleted or moved; `latest` in Unix seconds."""

    events: int
    sum_of_updates: int
    latest: int


class FeedStore:
    """The feeds of all accounts. `secret_keys` are kept outside the database."""

    def __init__(self, engine: Engine, secret_keys: Sequence[bytes]) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._tokens = DerivedTokens(secret_keys, Purpose.CALENDAR_FEEDS)

    def token(self, sub: str) -> str:
        """The token of an account's feed, made at the first time. The account has to be there."""
        query = select(accounts.c.feed_nonce, accounts.c.feed_token_hash)
        with self._writer.begin() as connection:
            kept = connection.execute(query.where(accounts.c.sub == sub).with_for_update()).one()
            token = self._tokens.find(*kept) if kept.feed_nonce else None
            return token or self._issue(connection, sub)

    def rotate(self, sub: str) -> str:
        """Another token for an account's feed; the one it had is dead at once."""
        with self._writer.begin() as connection:
            return self._issue(connection, sub)

    def _issue(self, connection: Connection, sub: str) -> str:
        nonce, token = self._tokens.issue()
        connection.execute(
            update(accounts)
            .where(accounts.c.sub == sub)
            .values(feed_nonce=nonce, feed_token_hash=sha256(token))
        )
        return token

    def revoke(self, sub: str) -> bool:
        """Withdraw an account's feed; False where it had none."""
        with self._writer.begin() as connection:
            revoked = connection.execute(
                update(accounts)
                .where(accounts.c.sub == sub, accounts.c.feed_token_hash.is_not(None))
                .values(feed_nonce=None, feed_token_hash=None)
            )
        return revoked.rowcount > 0

    def sub(self, token: str) -> str | None:
        """The account whose feed has this token."""
        query = select(accounts.c.sub).where(accounts.c.feed_token_hash == sha256(token))
        with self._reader.connect() as connection:
            return connection.execute(query).scalar_one_or_none()

    def version(self, calendar_id: str, within: Timespan) -> Version:
        """The version of what touches a time.

        The sum, and not only the latest: of two transactions the one that began first may end last.
        """
        query = select(
            func.count(),
            func.coalesce(func.sum(events.c.updated_at), 0),
            func.coalesce(func.max(events.c.updated_at), 0),
        ).where(
            events.c.calendar_id == calendar_id,
            events.c.start_at < within.end,
            events.c.end_at > within.start,
            events.c.deleted.is_(False),
        )
        with self._reader.connect() as connection:
            number, total, latest = connection.execute(query).one()
        return Version(number, int(total), latest)
