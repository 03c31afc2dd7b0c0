"""Push notification channels, and what changes owe them.

Source: Cronofy API, Push Notifications; where the documentation is silent:

- While a change notification waits in a channel's outbox, further changes are covered by it: its
  `changes_since` is the moment of the first of them.
- A channel that is just like another of its account is that other one, and is not verified again.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, insert, select

from widgetsvc.calendars.errors import InvalidParameters
from widgetsvc.calendars.keys import random_hex
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.store.outbox import Outbox
from widgetsvc.calendars.store.schema import accounts, channels, deliveries
from widgetsvc.calendars.times import format_time
from widgetsvc.clock import Clock

MAX_CHANNELS = 128
"""Of one account."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where changes to an account's events are told. `calendar_ids` is None for all calendars."""

    channel_id: str
    callback_url: str
    calendar_ids: tuple[str, ...] | None
    only_managed: bool

    def as_document(self) -> dict[str, object]:
        """Cronofy's channel; its filters are those that are not the default."""
        filters: dict[str, object] = {}
        if self.calendar_ids is not None:
            filters["calendar_ids"] = list(self.calendar_ids)
        if self.only_managed:
            filters["only_managed"] = True
        return {"channel_id": self.channel_id, "callback_url": self.callback_url, "filters": filters}

    def covers(self, calendar_id: str, *, managed: bool) -> bool:
        """Whether a change to this calendar is one that the channel is told."""
        if self.calendar_ids is not None and calendar_id not in self.calendar_ids:
            return False
        return managed or not self.only_managed


class ChannelStore:
    """The channels of all accounts."""

    def __init__(self, engine: Engine, outbox: Outbox, clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._outbox = outbox
        self._clock = clock

    def create(
        self,
        account: Account,
        callback_url: str,
        calendar_ids: Collection[str] | None,
        *,
        only_managed: bool,
    ) -> Channel:
        """Return the account's channel to this URL with these filters; a new one is owed a verification.

        Raises InvalidParameters where the account has as many channels as it may have.
        """
        named = tuple(sorted(set(calendar_ids))) if calendar_ids is not None else None
        channel = Channel(f"chn_{random_hex()}", callback_url, named, only_managed)
        filters = channel.as_document()["filters"]
        with self._writer.begin() as connection:
            connection.execute(_LOCK_ACCOUNT, {"sub": account.sub})
            known = connection.execute(_OF_ACCOUNT, {"sub": account.sub}).all()
            for row in known:
                if row.callback_url == callback_url and row.filters == filters:
                    return _channel(row)
            if len(known) >= MAX_CHANNELS:
                raise InvalidParameters.single(
                    "base", "errors.too_many", f"an account has at most {MAX_CHANNELS} channels"
                )
            connection.execute(
                insert(channels).values(
                    channel_id=channel.channel_id,
                    sub=account.sub,
                    callback_url=callback_url,
                    filters=filters,
                    created_at=int(self._clock()),
                )
            )
            self._owe(connection, account.application_id, channel, {"type": "verification"})
        return channel

    def all_of(self, account: Account) -> list[Channel]:
        """The account's channels, the oldest first."""
        with self._reader.connect() as connection:
            return [_channel(row) for row in connection.execute(_OF_ACCOUNT, {"sub": account.sub})]

    def delete(self, account: Account, channel_id: str) -> bool:
        """Delete a channel and what is owed to it; False where the account has none such."""
        statement = delete(channels).where(channels.c.channel_id == channel_id, channels.c.sub == account.sub)
        with self._writer.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def changed(self, connection: Connection, calendar_id: str, managed: bool, at: int) -> None:
        """Owe each channel that covers the change a notification, unless one waits already."""
        for row in connection.execute(_OF_CALENDAR, {"calendar": calendar_id}).all():
            channel = _channel(row)
            if channel.covers(calendar_id, managed=managed) and not _waits(connection, channel):
                notification = {"type": "change", "changes_since": format_time(at)}
                self._owe(connection, row.application_id, channel, notification)

    def _owe(
        self, connection: Connection, application_id: int, channel: Channel, notification: dict[str, str]
    ) -> None:
        body = json.dumps({"notification": notification, "channel": channel.as_document()})
        self._outbox.put(connection, application_id, channel.callback_url, body, channel.channel_id)


_COLUMNS = (channels.c.channel_id, channels.c.callback_url, channels.c.filters)
_LOCK_ACCOUNT = select(accounts.c.sub).where(accounts.c.sub == bindparam("sub")).with_for_update()
_OF_ACCOUNT = (
    select(*_COLUMNS)
    .where(channels.c.sub == bindparam("sub"))
    .order_by(channels.c.created_at, channels.c.channel_id)
)
_OF_CALENDAR = (
    select(*_COLUMNS, accounts.c.application_id)
    .join(accounts, accounts.c.sub == channels.c.sub)
    .where(accounts.c.calendar_id == bindparam("calendar"))
)

# The lock makes whoever is about to claim the notification wait until the change can be seen; one that is
# claimed by now is not waited for, since its receiver may be reading events at this moment. It is shared, so
# that others who change something neither wait nor run into a deadlock.
_WAITING = (
    select(deliveries.c.delivery_id)
    .where(
        deliveries.c.channel_id == bindparam("channel"),
        deliveries.c.claimed_until.is_(None),
        deliveries.c.body.startswith('{"notification": {"type": "change"'),
    )
    .limit(1)
    .with_for_update(read=True)
)


def _waits(connection: Connection, channel: Channel) -> bool:
    return connection.execute(_WAITING, {"channel": channel.channel_id}).first() is not None


def _channel(row: Row[*tuple[Any, ...]]) -> Channel:
    calendar_ids = row.filters.get("calendar_ids")
    return Channel(
        channel_id=row.channel_id,
        callback_url=row.callback_url,
        calendar_ids=tuple(calendar_ids) if calendar_ids is not None else None,
        only_managed=row.filters.get("only_managed", False),
    )
