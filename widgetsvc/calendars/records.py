"""What the backend stores, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any


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


class AccountKind(StrEnum):
    """What an account stands for; its sub begins with a prefix of its own."""

    APPLICATION_CALENDAR = "application_calendar"
    """A calendar without a person, named and created by its application (`apc_…`)."""
    RESOURCE = "resource"
    """A room or a machine, created by the operator (`res_…`)."""
    USER = "account"
    """A person, created by the operator (`acc_…`)."""


@dataclass(frozen=True, slots=True)
class AccountIdentity:
    """What an account is known by, before it has ids: see `Account`."""

    kind: AccountKind
    application_calendar_id: str | None = None
    email: str | None = None
    name: str | None = None
    tzid: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account with exactly one profile and one calendar.

    `application_calendar_id` is the application's own name for an application calendar, unique within the
    application; other kinds have none, and an `email` and a `name` instead. `tzid` is the zone its owner
    reads times in, where it is known. An account that is not `connected` has had its profile revoked, and has
    no calendar any more.
    """

    sub: str
    application_id: int
    kind: AccountKind
    profile_id: str
    calendar_id: str
    application_calendar_id: str | None = None
    email: str | None = None
    name: str | None = None
    tzid: str | None = None
    connected: bool = True

    @property
    def profile_name(self) -> str:
        """The e-mail address it was connected with, or else the profile's id without its prefix."""
        return self.email or self.profile_id.removeprefix("pro_")

    def has_calendar(self, calendar_id: str) -> bool:
        """Whether this is its calendar, and still there."""
        return self.connected and calendar_id == self.calendar_id

    @property
    def label(self) -> str:
        """What people know the account by."""
        return self.application_calendar_id or self.name or self.email or self.profile_name


@dataclass(frozen=True, slots=True)
class Grant:
    """Tokens for one account; `expires_in` is the access token's remaining life in seconds."""

    account: Account
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class WeeklyPeriod:
    """A stretch of one weekday, as its application wrote it.

    `day` is a lower-case English weekday, the times are `HH:mm` on the wall; an end of `24:00` or `00:00` is
    the midnight that ends the day.
    """

    day: str
    start_time: str
    end_time: str


@dataclass(frozen=True, slots=True)
class AvailabilityRule:
    """Hours of the week, in a zone, at which an account is available; no `calendar_ids` means all it has."""

    availability_rule_id: str
    tzid: str
    weekly_periods: tuple[WeeklyPeriod, ...]
    calendar_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AvailablePeriod:
    """A single stretch of time, in Unix seconds, at which an account is available; `tzid` is its own zone."""

    available_period_id: str
    start: int
    end: int
    tzid: str | None = None


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
    """An event as it is to be written.

    It is managed if it has an `event_id`, the application's own, and external otherwise. `details` holds the
    further members by Cronofy's names; they are kept and given back but never searched. Those named in `kept`
    stay as they are when the event is there already: only a new event takes them from here.
    """

    event_id: str | None
    summary: str
    description: str
    time: EventTime
    tzid: str | None
    transparency: Transparency
    tentative: bool
    details: Mapping[str, object]
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ImportedEvent:
    """An event of somebody else's calendar: it has no `event_id`, and `ics_uid` tells it from the others.

    An occurrence of a recurring event has the event's `ics_uid`, a `#`, and what tells it from the others.
    """

    ics_uid: str
    draft: EventDraft


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What became of the events of an import."""

    created: int
    updated: int
    unchanged: int
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event; `created` and `updated` are Unix seconds."""

    calendar_id: str
    event_uid: str
    draft: EventDraft
    deleted: bool
    created: int
    updated: int


class SchedulingStatus(StrEnum):
    """How far a real-time scheduling link has come."""

    OPEN = "open"
    """Nobody has picked a time."""
    COMPLETED = "completed"
    """A time was picked, and the event written."""
    DISABLED = "disabled"
    """The application closed it, with a message for whoever comes."""


class Telling(StrEnum):
    """What an application is told of a link no more than once."""

    NO_TIMES_DISPLAYED = "no_times_displayed"
    """A visitor came, and there was no time to show."""
    NO_TIMES_SUITABLE = "no_times_suitable"
    """A visitor says that none of the times suits."""


@dataclass(frozen=True, slots=True)
class SchedulingLink:
    """A real-time scheduling link.

    `request` is the body that created it, as JSON. `slot` is the (start, end) that was picked, and
    `completed_at` when; both are Unix seconds.
    """

    real_time_scheduling_id: str
    application_id: int
    token: str = field(repr=False)
    status: SchedulingStatus
    request: dict[str, Any]
    display_message: str | None
    slot: tuple[int, int] | None
    completed_at: int | None
    told: frozenset[Telling]
