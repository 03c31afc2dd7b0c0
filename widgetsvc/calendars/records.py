"""What the backend stores, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Transparency(StrEnum):
    """Whether an event takes up its owner's time."""

    OPAQUE = "opaque"
    """The time is taken."""
    TRANSPARENT = "transparent"
    """The time stays free."""


@dataclass(frozen=True, slots=True)
class Application:
    """A client of the API: it owns accounts and sees nobody else's."""

    application_id: int
    client_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """An application's client credentials; the secret is shown once and stored as a hash."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """An application calendar: an account with exactly one profile and one calendar.

    `application_calendar_id` is the application's own name for it, unique within the application.
    """

    sub: str
    application_id: int
    application_calendar_id: str
    profile_id: str
    calendar_id: str

    @property
    def profile_name(self) -> str:
        """The profile's id without its prefix, as Cronofy names it."""
        return self.profile_id.removeprefix("pro_")


@dataclass(frozen=True, slots=True)
class Grant:
    """Tokens for one account; `expires_in` is the access token's remaining life in seconds."""

    account: Account
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class EventTime:
    """When an event takes place, half-open.

    `start` and `end` are Unix seconds. An all-day event also has its `days`, the second one exclusive; its
    instants are those days' first moments in its zone.
    """

    start: int
    end: int
    days: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event as an application writes it; `details` is kept and given back but never searched."""

    event_id: str
    summary: str
    description: str
    time: EventTime
    tzid: str | None
    transparency: Transparency
    tentative: bool
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event; `created` and `updated` are Unix seconds."""

    calendar_id: str
    event_uid: str
    draft: EventDraft
    deleted: bool
    created: int
    updated: int
