"""The bodies of event writes, and the draft that an upsert amounts to.

Source: Cronofy API, Create or update events. An update replaces the whole event, but for what stands in
`_KEPT_WHEN_OMITTED`. Application calendars cannot invite people, and recurrence is refused: whatever is
accepted is kept and given back. Where the documentation is silent:

- `attendees` is a change, and an empty one changes nothing.
- An `explicit` conferencing needs its `join_url`; `default` and `none` leave an event without conferencing.
- `subscriptions` are kept, though they have nothing to report: their interactions come from conferencing
  providers, of which there are none.
"""

import json
import re
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from widgetsvc.calendars import times
from widgetsvc.calendars.records import EventDraft, EventTime, Transparency
from widgetsvc.calendars.requests.base import (
    Described,
    Flag,
    Name,
    Query,
    Request,
    Text,
    TzId,
    either_is_required,
    fault,
)
from widgetsvc.calendars.requests.moments import EventStartOrEnd, ZonedTimeOrDate, end_after_start
from widgetsvc.localtime import first_of_day

_LONGEST = timedelta(days=366)

_KEPT_WHEN_OMITTED = frozenset({"url", "conferencing"})
"""Members that an update leaves as they are when it does not name them; null removes them."""

_IMPORTED_ONLY = frozenset(
    {
        "attendees",
        "categories",
        "meeting_url",
        "organizer",
        "participation_status",
        "recurring",
        "series_identifier",
    }
)
"""Details of external events that an upsert cannot say anything about."""

_DETAILS = {
    "location",
    "url",
    "reminders",
    "extended_transparency",
    "event_private",
    "color",
    "subscriptions",
    "attachments",
    "event_classes",
    "locale",
    "tags",
}
"""Members that are kept as they were sent."""

_LOCALE = r"^[A-Za-z0-9]+([-_][A-Za-z0-9]+)*$"

# RFC 3986: a scheme, and then none of the characters that a URI has to escape.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f<>\"{}|\\^`]+")


def _uri(text: str) -> str:
    if _URI.fullmatch(text) is None:
        raise fault("errors.invalid", "must be a URI such as https://example.com/")
    return text


Uri = Annotated[
    Text,
    StringConstraints(max_length=2048),
    AfterValidator(_uri),
    Described({"pattern": f"^{_URI.pattern}$", "examples": ["https://example.com/meeting"]}),
]
"""An absolute URI."""


class Location(Request):
    """Where an event takes place; latitude and longitude are strings."""

    description: Annotated[Text, StringConstraints(max_length=1024)] | None = None
    lat: Annotated[Text, StringConstraints(max_length=32)] | None = None
    long: Annotated[Text, StringConstraints(max_length=32)] | None = None


class Reminder(Request):
    """Minutes before the event."""

    minutes: Annotated[int, Field(ge=0, le=40_320)]


_NOT_INTEGRATED = ("explicit", "default", "none")


def _explicit_needs_its_url(schema: dict[str, Any]) -> None:
    schema["if"] = {"properties": {"profile_id": {"const": "explicit"}}, "required": ["profile_id"]}
    schema["then"] = {"required": ["join_url"], "properties": {"join_url": {"type": "string"}}}


class Conferencing(Request):
    """Only `explicit` conferencing can be kept: there is no provider that could create one."""

    model_config = ConfigDict(json_schema_extra=_explicit_needs_its_url)

    profile_id: Annotated[Text, WithJsonSchema({"enum": list(_NOT_INTEGRATED)})]
    provider_description: Annotated[Text, StringConstraints(max_length=255)] | None = None
    join_url: Uri | None = None

    @model_validator(mode="after")
    def _has_no_provider(self) -> Self:
        if self.profile_id not in _NOT_INTEGRATED:
            raise fault(
                "errors.integrated_conferencing_not_available",
                "application calendars have no conferencing provider; use explicit with a join_url",
                "profile_id",
            )
        if self.profile_id == "explicit" and self.join_url is None:
            raise fault("errors.required", "explicit conferencing needs one", "join_url")
        return self


class Interaction(Request):
    """What a subscription is about."""

    type: Annotated[Name, StringConstraints(max_length=64)]


class Subscription(Request):
    """A webhook of one event."""

    type: Annotated[Name, StringConstraints(max_length=64)]
    uri: Uri
    interactions: Annotated[list[Interaction], Field(max_length=10)] | None = None


class Tag(Request):
    """A word of the application's own, by which availability constraints tell events apart."""

    value: Annotated[Name, StringConstraints(max_length=255)]


def _tag(raw: object) -> object:
    return {"value": raw} if isinstance(raw, str) else raw


_MAX_ATTACHMENTS = 16_384


def _small(value: JsonValue) -> JsonValue:
    try:
        length = len(json.dumps(value, allow_nan=False))
    except ValueError:
        raise fault("errors.invalid", "must not contain numbers that JSON has no form for") from None
    if length > _MAX_ATTACHMENTS:
        raise fault("errors.too_long", f"must take at most {_MAX_ATTACHMENTS} characters")
    return value


TagOrText = Annotated[Tag, BeforeValidator(_tag, json_schema_input_type=Name | Tag)]


def _no_attendees(value: object) -> None:
    # PHP cannot tell an empty object from an empty list.
    if value not in ({}, []):
        raise fault("errors.event.cannot_set_attendees", "application calendars cannot invite people")


def _no_recurrence(_value: object) -> None:
    raise fault("errors.not_supported", "recurring events are not supported; write each occurrence")


def _unless_uid(event_id: str | None, info: ValidationInfo) -> str | None:
    # A faulty uid is missing from the data, and one fault is enough.
    if event_id is None and "event_uid" in info.data and info.data["event_uid"] is None:
        raise fault("errors.required", "required")
    return event_id


class EventReference(Request):
    """`DELETE /v1/calendars/{calendar_id}/events`: by the application's id or by the uid, which wins."""

    model_config = ConfigDict(json_schema_extra=either_is_required("event_id", "event_uid"))

    event_uid: Annotated[Name, StringConstraints(max_length=64)] | None = None
    event_id: Annotated[
        Annotated[Name, StringConstraints(max_length=512)] | None,
        AfterValidator(_unless_uid),
        Field(validate_default=True),
    ] = None


class EventDetails(Request):
    """An event without its name and its time: what real-time scheduling is given of an event to come."""

    nullable: ClassVar[frozenset[str]] = _KEPT_WHEN_OMITTED

    summary: Annotated[Text, StringConstraints(max_length=1024)]
    description: Annotated[Text, StringConstraints(max_length=4096)] = ""
    tzid: TzId | None = None
    location: Location | None = None
    url: Uri | None = None
    reminders: Annotated[list[Reminder], Field(max_length=5)] | None = None
    reminders_create_only: bool = False
    transparency: Literal["opaque", "transparent"] | None = None
    extended_transparency: (
        Literal["opaque", "transparent", "tentative", "working_elsewhere", "out_of_office", "unknown"] | None
    ) = None
    event_private: bool | None = None
    color: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    conferencing: Conferencing | None = None
    attendees: Annotated[None, BeforeValidator(_no_attendees), WithJsonSchema({"enum": [None, {}, []]})] = (
        None
    )
    recurrence: Annotated[None, BeforeValidator(_no_recurrence)] = None
    subscriptions: Annotated[list[Subscription], Field(max_length=10)] | None = None
    attachments: Annotated[JsonValue, AfterValidator(_small)] = None
    event_classes: (
        Annotated[list[Annotated[Name, StringConstraints(max_length=255)]], Field(max_length=50)] | None
    ) = None
    locale: Annotated[str, StringConstraints(max_length=35, pattern=_LOCALE)] | None = None
    tags: Annotated[list[TagOrText], Field(max_length=50)] | None = None

    def draft_at(self, time: EventTime, tzid: str | None, event_id: str | None) -> EventDraft:
        """The event to store, as it takes place at a time."""
        return EventDraft(
            event_id=event_id,
            summary=self.summary,
            description=self.description,
            time=time,
            tzid=tzid,
            transparency=self._transparency(all_day=time.days is not None),
            tentative=self.extended_transparency == "tentative",
            details=self._details(),
            kept=self._kept(),
        )

    def _transparency(self, *, all_day: bool) -> Transparency:
        named = self.transparency or self.extended_transparency
        if named is None:
            return Transparency.TRANSPARENT if all_day else Transparency.OPAQUE
        free = named in {"transparent", "working_elsewhere"}
        return Transparency.TRANSPARENT if free else Transparency.OPAQUE

    def _kept(self) -> frozenset[str]:
        reminders = {"reminders"} if self.reminders_create_only else set()
        return _IMPORTED_ONLY | (_KEPT_WHEN_OMITTED - self.model_fields_set) | reminders

    def _details(self) -> dict[str, Any]:
        details = self.model_dump(include=_DETAILS, exclude_none=True)
        if self.conferencing is not None and self.conferencing.profile_id == "explicit":
            given = {
                "provider_name": self.conferencing.provider_description,
                "join_url": self.conferencing.join_url,
            }
            details["conferencing"] = {name: value for name, value in given.items() if value is not None}
        return details


def _after_start(end: ZonedTimeOrDate, info: ValidationInfo) -> ZonedTimeOrDate:
    start: ZonedTimeOrDate | None = info.data.get("start")
    if start is not None:
        end_after_start(end.time, start.time, _LONGEST, "an event")
    return end


class EventRequest(EventDetails, EventReference):
    """`POST /v1/calendars/{calendar_id}/events`."""

    start: EventStartOrEnd
    end: Annotated[EventStartOrEnd, AfterValidator(_after_start)]

    def _time(self) -> EventTime:
        start, end = self.start.time, self.end.time
        if isinstance(start, date) and isinstance(end, date):
            zone = times.zone(self._zone_name() or "Etc/UTC")
            return EventTime(first_of_day(start, zone), first_of_day(end, zone), (start, end))
        assert isinstance(start, int) and isinstance(end, int)  # noqa: S101, PT018 - `_after_start` has looked
        return EventTime(start, end)

    def _zone_name(self) -> str | None:
        return self.start.tzid or self.tzid

    def draft(self) -> EventDraft:
        """The event to store; one that is named by its uid keeps the id that it has."""
        return self.draft_at(
            self._time(), self._zone_name(), event_id=None if self.event_uid else self.event_id
        )


class BulkDeleteRequest(Request):
    """`DELETE /v1/events`, in the body; `delete_all` and `calendar_ids` exclude each other."""

    delete_all: bool | None = None
    calendar_ids: Annotated[list[Text], Field(max_length=50)] | None = None


class BulkDeleteQuery(Query):
    """`DELETE /v1/events`, in the query, which is where pycronofy puts it."""

    several: ClassVar[frozenset[str]] = frozenset({"calendar_ids"})

    delete_all: Flag | None = None
    calendar_ids: Annotated[list[Text], Field(max_length=50)] | None = None


class ParticipationRequest(Request):
    """`POST /v1/calendars/{calendar_id}/events/{event_uid}/participation_status`."""

    status: Literal["accepted", "tentative", "declined"]
