"""The bodies of real-time scheduling: a link on which somebody picks a time for an event.

Source: Cronofy API, Real-Time Scheduling. `oauth` belongs to the flow in which a person connects a calendar,
which application calendars do not have: its `redirect_uri` is where the page leads on to afterwards.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from widgetsvc.calendars.requests.availability import AvailabilityRequest, Duration
from widgetsvc.calendars.requests.base import Described, Name, Query, Request, Text, TzId, fault, parse_fields
from widgetsvc.calendars.requests.events import EventDetails
from widgetsvc.outbound import MAX_URL
from widgetsvc.urls import origin_of

MAX_TARGETS = 50
_NOT_IN_URLS = re.compile(r"[\s\x00-\x1f\x7f\\]")


def _web_url(text: str) -> str:
    # urlsplit drops line breaks where they would split a header.
    if _NOT_IN_URLS.search(text) or origin_of(text) is None:
        raise fault("errors.invalid", "must be an http or https URL")
    return text


WebUrl = Annotated[
    str,
    StringConstraints(max_length=MAX_URL),
    AfterValidator(_web_url),
    Described(
        {"pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\]+$", "examples": ["https://jobs.example.com/booked"]}
    ),
]
"""An absolute http or https URL."""


class ClientCredentials(Request):
    """What the Ruby, PHP and C# SDKs send in the body."""

    client_id: Text | None = None
    client_secret: Text | None = None


class EventToCome(EventDetails):
    """The event that is written once its time is picked."""

    event_id: Annotated[Name, StringConstraints(max_length=512)]


class OAuthRequest(Request):
    """Where people go after they have picked a time; its other members are of no use here."""

    redirect_uri: WebUrl


class TargetCalendar(Request):
    """A calendar that the event is written to."""

    sub: Name
    calendar_id: Name


class CallbackUrls(Request):
    """Who is told that a time was picked, that none suited, or that there was none to show."""

    completed_url: WebUrl | None = None
    no_times_suitable_url: WebUrl | None = None
    no_times_displayed_url: WebUrl | None = None


def callbacks_in(sent: Mapping[str, Any]) -> dict[str, str]:
    """The callback addresses of a body, checked or as it was sent, by their paths."""
    nested = sent.get("callback_urls")
    found = {"callback_url": sent.get("callback_url")}
    if isinstance(nested, dict):
        found |= {f"callback_urls.{name}": nested.get(name) for name in CallbackUrls.model_fields}
    return {path: url for path, url in found.items() if isinstance(url, str)}


class RedirectUrls(Request):
    """Where the browser is sent once a time has been picked."""

    completed_url: WebUrl | None = None


class Formatting(Request):
    """How the page writes times: `h` has twelve hours, `H` twenty-four."""

    hour_format: Literal["h", "H"] | None = None


class Notice(Duration):
    """The time that has to lie between a booking and its event, up to five weeks."""

    hours: Annotated[int, Field(ge=0, le=35 * 24)] | None = None
    minutes: Annotated[int, Field(ge=0, le=35 * 1_440)] | None = None


class RealTimeSchedulingRequest(ClientCredentials):
    """`POST /v1/real_time_scheduling`."""

    oauth: OAuthRequest
    event: EventToCome
    availability: AvailabilityRequest
    target_calendars: Annotated[list[TargetCalendar], Field(min_length=1, max_length=MAX_TARGETS)]
    tzid: TzId | None = None
    minimum_notice: Notice = Notice(minutes=0)
    event_creation: Literal["default", "single"] = "default"
    callback_url: WebUrl | None = None
    callback_urls: CallbackUrls = CallbackUrls()
    redirect_urls: RedirectUrls = RedirectUrls()
    formatting: Formatting = Formatting()
    selection_mode: Literal["confirm", "no_confirm"] = "confirm"

    def stored(self) -> dict[str, Any]:
        """The body as JSON without credentials; `restored` reads it again."""
        return self.model_dump(mode="json", exclude_unset=True, exclude={"client_id", "client_secret"})

    @classmethod
    def restored(cls, stored: dict[str, Any]) -> "RealTimeSchedulingRequest":
        """The request that `stored` was written from."""
        return parse_fields(cls, stored)

    @property
    def subs(self) -> list[str]:
        """Every account that the link is about: who takes part, and whose calendars are written."""
        return list(
            dict.fromkeys([*self.availability.subs, *(target.sub for target in self.target_calendars)])
        )

    @property
    def written(self) -> list[TargetCalendar]:
        """The calendars that get the event. `single` is one event for all, and it stands in the first."""
        return self.target_calendars[:1] if self.event_creation == "single" else self.target_calendars

    @property
    def completed_callback(self) -> str | None:
        """Who is told of a booking, under the current name or the deprecated one."""
        return self.callback_urls.completed_url or self.callback_url


class LinkQuery(Query):
    """`GET /v1/real_time_scheduling`: a link by the last part of its URL."""

    token: Name


class DisableRequest(Request):
    """`POST /v1/real_time_scheduling/{id}/disable`."""

    display_message: Annotated[Name, StringConstraints(max_length=500)]
