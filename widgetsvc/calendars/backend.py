"""The embedded backend as one object, and the Flask application that serves it."""

from dataclasses import dataclass

from flask import Flask, current_app
from sqlalchemy import Engine

from widgetsvc.calendars.element_tokens import ElementTokens
from widgetsvc.calendars.store.accounts import AccountStore
from widgetsvc.calendars.store.availability_rules import AvailabilityRuleStore
from widgetsvc.calendars.store.available_periods import AvailablePeriodStore
from widgetsvc.calendars.store.events import EventStore
from widgetsvc.calendars.store.feeds import FeedStore
from widgetsvc.calendars.store.outbox import Outbox
from widgetsvc.calendars.store.scheduling_links import SchedulingLinkStore
from widgetsvc.clock import Clock, system_clock

_EXTENSION = "widgetsvc.calendars"


@dataclass(frozen=True, slots=True)
class Backend:
    """The backend's parts. `public_url` is the origin that the outside world reaches it at."""

    accounts: AccountStore
    events: EventStore
    availability_rules: AvailabilityRuleStore
    available_periods: AvailablePeriodStore
    feeds: FeedStore
    element_tokens: ElementTokens
    outbox: Outbox
    scheduling_links: SchedulingLinkStore
    public_url: str
    clock: Clock

    @classmethod
    def over(
        cls, engine: Engine, secret_key: bytes, public_url: str, clock: Clock = system_clock
    ) -> "Backend":
        """Assemble the backend over a database whose schema is up to date."""
        return cls(
            accounts=AccountStore(engine, secret_key, clock),
            events=EventStore(engine, clock),
            availability_rules=AvailabilityRuleStore(engine, clock),
            available_periods=AvailablePeriodStore(engine),
            feeds=FeedStore(engine, secret_key),
            element_tokens=ElementTokens(secret_key, clock),
            outbox=Outbox(clock),
            scheduling_links=SchedulingLinkStore(engine, secret_key, clock),
            public_url=public_url,
            clock=clock,
        )

    def attach(self, app: Flask) -> None:
        """Make this the backend of a Flask application's views."""
        app.extensions[_EXTENSION] = self


def current_backend() -> Backend:
    """The backend of the application that handles the current request."""
    backend: Backend = current_app.extensions[_EXTENSION]
    return backend
