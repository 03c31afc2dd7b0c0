"""The embedded backend as one object, and the Flask application that serves it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from flask import Flask, current_app, g
from sqlalchemy import Connection, Engine

from widgetsvc.calendars.delivery import Courier
from widgetsvc.calendars.element_tokens import ElementTokens
from widgetsvc.calendars.rate_limits import RateLimits
from widgetsvc.calendars.store.accounts import AccountStore
from widgetsvc.calendars.store.availability_rules import AvailabilityRuleStore
from widgetsvc.calendars.store.available_periods import AvailablePeriodStore
from widgetsvc.calendars.store.channels import ChannelStore
from widgetsvc.calendars.store.events import EventStore
from widgetsvc.calendars.store.feeds import FeedStore
from widgetsvc.calendars.store.outbox import Outbox
from widgetsvc.calendars.store.scheduling_links import SchedulingLinkStore
from widgetsvc.clock import Clock, system_clock
from widgetsvc.outbound import Outbound

_EXTENSION = "widgetsvc.calendars"


@dataclass(frozen=True, slots=True)
class Backend:
    """The backend's parts. `public_url` is the origin that the outside world reaches it at.

    Transactions that write are those of `writer`.
    """

    writer: Engine
    accounts: AccountStore
    events: EventStore
    availability_rules: AvailabilityRuleStore
    available_periods: AvailablePeriodStore
    feeds: FeedStore
    element_tokens: ElementTokens
    channels: ChannelStore
    outbox: Outbox
    outbound: Outbound
    rate_limits: RateLimits
    scheduling_links: SchedulingLinkStore
    public_url: str
    clock: Clock

    @classmethod
    def over(  # noqa: PLR0913 - what it stands on, and how it is set
        cls,
        engine: Engine,
        secret_key: bytes,
        public_url: str,
        clock: Clock = system_clock,
        *,
        secret_key_fallbacks: Sequence[bytes] = (),
        outbound: Outbound | None = None,
        rate_limits: RateLimits | None = None,
    ) -> "Backend":
        """Assemble the backend over a database whose schema is up to date.

        `secret_key_fallbacks` are older secrets: what they made is still read. By default callbacks go to the
        public internet only, and requests are not limited.
        """
        secret_keys = (secret_key, *secret_key_fallbacks)
        outbox = Outbox(engine, clock)
        channels = ChannelStore(engine, outbox, clock)
        return cls(
            writer=engine.execution_options(writes=True),
            accounts=AccountStore(engine, secret_keys, clock),
            events=EventStore(engine, clock, channels.changed),
            availability_rules=AvailabilityRuleStore(engine, clock),
            available_periods=AvailablePeriodStore(engine),
            feeds=FeedStore(engine, secret_keys),
            element_tokens=ElementTokens(secret_keys, clock),
            channels=channels,
            outbox=outbox,
            outbound=outbound or Outbound(),
            rate_limits=rate_limits or RateLimits(),
            scheduling_links=SchedulingLinkStore(engine, secret_keys, clock),
            public_url=public_url,
            clock=clock,
        )

    def within(self, connection: Connection) -> "Backend":
        """The same backend, whose events and available periods are those of the connection's transaction."""
        return replace(
            self,
            events=self.events.within(connection),
            available_periods=self.available_periods.within(connection),
        )

    def courier(self) -> Courier:
        """What makes the deliveries that the outbox holds."""
        return Courier(self.outbox, self.accounts.client_secret, self.outbound.send, self.clock)

    def attach(self, app: Flask) -> None:
        """Make this the backend of a Flask application's views."""
        app.extensions[_EXTENSION] = self


def current_backend() -> Backend:
    """The backend of the application that handles the current request."""
    backend: Backend = g.get(_EXTENSION) or current_app.extensions[_EXTENSION]
    return backend


@contextmanager
def one_transaction() -> Iterator[Connection]:
    """Let all that the current request does in the context be `within` one transaction.

    Leaving the context commits it, and an exception undoes it as a whole. Use `undoing` for a part of it.
    """
    backend = current_backend()
    with backend.writer.begin() as connection:
        setattr(g, _EXTENSION, backend.within(connection))
        try:
            yield connection
        finally:
            g.pop(_EXTENSION)


@contextmanager
def undoing(connection: Connection, *refusals: type[Exception]) -> Iterator[None]:
    """Undo what is done in the context, a part of `one_transaction`, where it raises one of these."""
    # In place of `begin_nested`, which takes longer than the write.
    connection.exec_driver_sql("SAVEPOINT part")
    try:
        yield
    except refusals:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
        connection.exec_driver_sql("RELEASE SAVEPOINT part")
        raise
    connection.exec_driver_sql("RELEASE SAVEPOINT part")
