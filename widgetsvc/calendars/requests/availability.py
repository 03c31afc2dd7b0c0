"""The body of an availability query.

Source: Cronofy API, Availability; the deviations of the SDKs and the UI Elements are accepted. What this
backend cannot honour is refused, never dropped in silence.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.requests.base import Instant, Name, Request, Text, TzId, either_is_required, fault

MAX_MEMBERS = 50
MAX_PERIODS = 50
MAX_SPAN = 35 * 86_400
MAX_RESULTS = 512
# The Availability Viewer draws a week of whole days in quarter hours from one answer and names no maximum.
RESULTS_WHEN_UNSAID = 672
START_INTERVALS = (5, 10, 15, 20, 30, 60)
_MINUTE = 60


class Duration(Request):
    """`{"minutes": 90}`, `{"hours": 2}` or `{"hours": 1, "minutes": 30}`."""

    model_config = ConfigDict(json_schema_extra=either_is_required("hours", "minutes"))

    hours: Annotated[int, Field(ge=0, le=24)] | None = None
    minutes: Annotated[int, Field(ge=0, le=1_440)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.hours is None and self.minutes is None:
            raise fault("errors.required", "must have hours or minutes")
        if self.hours is not None and (self.minutes or 0) >= 60:
            raise fault("errors.invalid", "must be less than 60 beside hours", "minutes")
        return self

    @property
    def seconds(self) -> int:
        """The duration in seconds."""
        return ((self.hours or 0) * 60 + (self.minutes or 0)) * _MINUTE


def _within(lowest: int, highest: int, duration: Duration, path: str) -> None:
    if not lowest * _MINUTE <= duration.seconds <= highest * _MINUTE:
        raise fault("errors.invalid", f"must be {lowest} to {highest} minutes", path)


class Period(Request):
    """A stretch of time, half-open."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end <= self.start:
            raise fault("errors.invalid_time_pair", "end must be after start", "end")
        return self

    @property
    def span(self) -> Timespan:
        """The period as a value of the engine."""
        return Timespan(self.start, self.end)


class Slot(Request):
    """An exact start."""

    start: Instant


class DurationRange(Request):
    """A buffer in the SDKs' grammar; its maximum changes nothing, and without a minimum it is none."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["minimum"], "properties": {"minimum": {"not": {"type": "null"}}}},
                {
                    "properties": {"minimum": {"type": "null"}, "maximum": True},
                    "additionalProperties": {"type": "null"},
                },
            ]
        }
    )

    minimum: Duration | None = None
    maximum: Duration | None = None


def _buffer_side(raw: object) -> object:
    # {"minutes": 30} in the current grammar, {"minimum": {"minutes": 30}, "maximum": …} in the SDKs'.
    if not isinstance(raw, dict):
        return raw
    given = {name for name, value in raw.items() if value is not None}
    if "minimum" in given:
        return raw["minimum"]
    return raw if given - {"maximum"} else {"minutes": 0}


BufferSide = Annotated[
    Duration, BeforeValidator(_buffer_side, json_schema_input_type=Duration | DurationRange)
]


class BufferRequest(Request):
    """Time to keep free around a meeting."""

    before: BufferSide = Duration(minutes=0)
    after: BufferSide = Duration(minutes=0)

    @model_validator(mode="after")
    def _is_short(self) -> Self:
        _within(0, 720, self.before, "before")
        _within(0, 720, self.after, "after")
        return self


_NOTHING = WithJsonSchema({"enum": [None, False, [], {}]})


def _refused(feature: str) -> BeforeValidator:
    def refuse(value: object) -> object:
        if value is False or value in ([], {}):
            return None
        raise fault("errors.not_supported", f"{feature} cannot be honoured by this server")

    return BeforeValidator(refuse)


class MemberRequest(Request):
    """One account of a group."""

    sub: Name
    calendar_ids: Annotated[list[Text], Field(min_length=1, max_length=50)] | None = None
    available_periods: Annotated[list[Period], Field(max_length=MAX_PERIODS)] | None = None
    managed_availability: bool = False
    buffer: BufferRequest | None = None
    only_managed_events: bool = False
    ignore_tentative: bool = False
    availability_rule_ids: list[Text] | None = None
    availability_constraints: Annotated[None, _refused("availability constraints"), _NOTHING] = None


def _member(raw: object) -> object:
    return {"sub": raw} if isinstance(raw, str) else raw


Member = Annotated[MemberRequest, BeforeValidator(_member, json_schema_input_type=Name | MemberRequest)]


def _required(raw: object) -> object:
    if raw == "all":
        return None
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 1:
        raise fault("errors.invalid", 'must be "all" or a whole number from 1')
    return raw


Required = Annotated[
    int | None,
    BeforeValidator(_required, json_schema_input_type=Literal["all"] | Annotated[int, Field(ge=1)] | None),
]


class GroupRequest(Request):
    """Members of whom `required` have to be available; None stands for all."""

    members: Annotated[list[Member], Field(min_length=1)]
    required: Required = None

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.required is not None and self.required > len(self.members):
            raise fault(
                "errors.invalid", f"must be at most {len(self.members)}, the number of members", "required"
            )
        return self


class ExcludedEvent(Request):
    """An event that makes nobody busy."""

    event_id: Text | None = None
    event_uid: Text | None = None


ResponseFormat = Literal["periods", "slots", "overlapping_slots"]


class AvailabilityRequest(Request):
    """`POST /v1/availability`."""

    participants: Annotated[list[GroupRequest], Field(min_length=1)]
    required_duration: Duration
    query_periods: Annotated[list[Period], Field(min_length=1, max_length=MAX_PERIODS)] | None = None
    available_periods: Annotated[list[Period], Field(min_length=1, max_length=MAX_PERIODS)] | None = None
    query_slots: Annotated[list[Slot], Field(min_length=1, max_length=MAX_PERIODS)] | None = None
    response_format: ResponseFormat = "periods"
    start_interval: Duration | None = None
    buffer: BufferRequest = BufferRequest()
    max_results: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = RESULTS_WHEN_UNSAID
    excluded_events: Annotated[list[ExcludedEvent], Field(max_length=50, default_factory=list)]
    tzid: TzId | None = None
    bookable_events: Annotated[None, _refused("bookable events"), _NOTHING] = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        _within(1, 480, self.required_duration, "required_duration")
        if self.start_interval and self.start_interval.seconds // _MINUTE not in START_INTERVALS:
            allowed = ", ".join(map(str, START_INTERVALS))
            raise fault("errors.invalid", f"must be one of {allowed} minutes", "start_interval")
        if sum(len(group.members) for group in self.participants) > MAX_MEMBERS:
            raise fault("errors.too_many", f"must have at most {MAX_MEMBERS} members in all", "participants")
        self._check_windows()
        return self

    def _check_windows(self) -> None:
        given = [self.query_periods, self.available_periods, self.query_slots]
        if sum(part is not None for part in given) != 1:
            raise fault(
                "errors.must_be_specified_once",
                "give exactly one of query_periods, available_periods and query_slots",
                "query_periods",
            )
        starts = [part.start for part in (self.periods or self.query_slots or [])]
        ends = [period.end for period in self.periods] or starts
        if max(ends) - min(starts) > MAX_SPAN:
            raise fault("errors.too_long", "must lie within 35 days", "query_periods")

    @property
    def periods(self) -> list[Period]:
        """The query's periods under either of their names; empty where exact slots are asked for."""
        return self.query_periods or self.available_periods or []

    @property
    def subs(self) -> list[str]:
        """Every sub that is asked for, in request order."""
        return [member.sub for group in self.participants for member in group.members]

    @property
    def excluded(self) -> list[str]:
        """Ids and uids of the events that make nobody busy."""
        return [name for event in self.excluded_events for name in (event.event_id, event.event_uid) if name]
