"""The body of an event upsert, and the draft it amounts to.

Source: Cronofy API, Create or update events. Application calendars cannot invite people, and this backend
refuses recurrence rather than dropping it.
"""

from datetime import date
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from widgetsvc.calendars import times
from widgetsvc.calendars.records import EventDraft, EventTime, Transparency
from widgetsvc.calendars.requests.base import Name, Request, Text, TzId, fault

_MAX_LENGTH_DAYS = 366


class Moment(NamedTuple):
    """A Time (Unix seconds) or a Date, and the zone that came with it."""

    value: int | date
    tzid: str | None = None


def _moment(raw: object) -> Moment:
    if isinstance(raw, str):
        return Moment(_time_or_date(raw))
    if not isinstance(raw, dict) or not isinstance(raw.get("time"), str):
        raise fault("errors.invalid", "must be a time, a date, or an object with time and tzid")
    tzid = raw.get("tzid")
    if tzid is not None and not isinstance(tzid, str):
        raise fault("errors.tzid_unrecognized", "must be the name of a zone", "tzid")
    try:
        times.zone(tzid or "Etc/UTC")
    except ValueError as error:
        raise fault("errors.tzid_unrecognized", str(error), "tzid") from None
    return Moment(_time_or_date(raw["time"]), tzid)


def _time_or_date(text: str) -> int | date:
    try:
        return times.parse_date(text) if times.looks_like_date(text) else times.parse_time(text)
    except ValueError as error:
        raise fault("errors.invalid", str(error)) from None


class Location(Request):
    """Where an event takes place; latitude and longitude are strings."""

    description: Annotated[Text, StringConstraints(max_length=1024)] | None = None
    lat: Annotated[Text, StringConstraints(max_length=32)] | None = None
    long: Annotated[Text, StringConstraints(max_length=32)] | None = None


class Reminder(Request):
    """Minutes before the event."""

    minutes: Annotated[int, Field(ge=0, le=40_320)]


class Conferencing(Request):
    """Only `explicit` conferencing can be kept: there is no provider that could create one."""

    profile_id: Text
    provider_description: Annotated[Text, StringConstraints(max_length=255)] | None = None
    join_url: Annotated[Text, StringConstraints(max_length=2048)] | None = None

    @model_validator(mode="after")
    def _has_no_provider(self) -> Self:
        if self.profile_id not in {"explicit", "default", "none"}:
            raise fault(
                "errors.integrated_conferencing_not_available",
                "application calendars have no conferencing provider; use explicit with a join_url",
                "profile_id",
            )
        return self


def _no_attendees(_value: object) -> None:
    raise fault("errors.event.cannot_set_attendees", "application calendars cannot invite people")


def _no_recurrence(_value: object) -> None:
    raise fault("errors.not_supported", "recurring events are not supported; write each occurrence")


class EventReference(Request):
    """`DELETE /v1/calendars/{calendar_id}/events`: an event by the application's id or by its uid.

    With a uid alone, `event_id` repeats it, so that one of the two is always required under one name.
    """

    event_id: Annotated[Name, StringConstraints(max_length=512)]
    event_uid: Annotated[Text, StringConstraints(max_length=64)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _either_will_do(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("event_id") is None and data.get("event_uid") is not None:
            return data | {"event_id": data["event_uid"]}
        return data


class EventDetails(EventReference):
    """All of an event but when it takes place: what real-time scheduling is given of the event to be."""

    nullable: ClassVar[frozenset[str]] = frozenset({"url", "conferencing"})

    summary: Annotated[Text, StringConstraints(max_length=1024)]
    description: Annotated[Text, StringConstraints(max_length=4096)] = ""
    tzid: TzId | None = None
    location: Location | None = None
    url: Annotated[Text, StringConstraints(max_length=2048)] | None = None
    reminders: Annotated[list[Reminder], Field(max_length=5)] | None = None
    reminders_create_only: bool | None = None
    transparency: Literal["opaque", "transparent"] | None = None
    extended_transparency: (
        Literal["opaque", "transparent", "tentative", "working_elsewhere", "out_of_office", "unknown"] | None
    ) = None
    event_private: bool = False
    color: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    conferencing: Conferencing | None = None
    attendees: Annotated[None, BeforeValidator(_no_attendees)] = None
    recurrence: Annotated[None, BeforeValidator(_no_recurrence)] = None

    def draft_at(self, time: EventTime, tzid: str | None) -> EventDraft:
        """The event to store; what was sent as null stands in the details as None, and is removed."""
        return EventDraft(
            event_id=self.event_id,
            summary=self.summary,
            description=self.description,
            time=time,
            tzid=tzid,
            transparency=self._transparency(all_day=time.days is not None),
            tentative=self.extended_transparency == "tentative",
            details=self._details(),
        )

    def _transparency(self, *, all_day: bool) -> Transparency:
        named = self.transparency or self.extended_transparency
        if named is None:
            return Transparency.TRANSPARENT if all_day else Transparency.OPAQUE
        free = named in {"transparent", "working_elsewhere"}
        return Transparency.TRANSPARENT if free else Transparency.OPAQUE

    def _explicit_conferencing(self) -> dict[str, str] | None:
        if self.conferencing is None or self.conferencing.profile_id != "explicit":
            return None
        given = {
            "provider_name": self.conferencing.provider_description,
            "join_url": self.conferencing.join_url,
        }
        return {name: value for name, value in given.items() if value is not None} or None

    def _details(self) -> dict[str, Any]:
        kept = self.model_dump(
            include={"location", "reminders", "extended_transparency", "color"}, exclude_none=True
        )
        nullable: dict[str, Any] = {"url": self.url} if "url" in self.model_fields_set else {}
        if "conferencing" in self.model_fields_set:
            nullable["conferencing"] = self._explicit_conferencing()
        private = {"event_private": True} if self.event_private else {}
        return kept | nullable | private


class EventRequest(EventDetails):
    """`POST /v1/calendars/{calendar_id}/events`."""

    start: Annotated[Moment, BeforeValidator(_moment)]
    end: Annotated[Moment, BeforeValidator(_moment)]

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        time = self._time()
        if time.end <= time.start:
            raise fault("errors.invalid_time_pair", "end must be after start", "end")
        if time.end - time.start > _MAX_LENGTH_DAYS * 86_400:
            raise fault("errors.invalid_time_pair", "an event lasts at most a year", "end")
        return self

    def _time(self) -> EventTime:
        start, end = self.start.value, self.end.value
        if isinstance(start, date) and isinstance(end, date):
            zone = times.zone(self._zone_name() or "Etc/UTC")
            return EventTime(times.start_of_day(start, zone), times.start_of_day(end, zone), (start, end))
        if isinstance(start, int) and isinstance(end, int):
            return EventTime(start, end)
        raise fault("errors.invalid_time_pair", "start and end must both be times or both be dates", "end")

    def _zone_name(self) -> str | None:
        return self.start.tzid or self.tzid

    def draft(self) -> EventDraft:
        """The event to store."""
        return self.draft_at(self._time(), self._zone_name())
