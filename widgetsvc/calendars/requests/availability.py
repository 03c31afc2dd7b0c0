"""The body of an availability query.

Source: Cronofy API, Availability; the deviations of the SDKs and the UI Elements are accepted. What this
backend cannot honour is refused, never dropped in silence.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.requests.base import (
    NOTHING,
    Instant,
    Location,
    Name,
    Request,
    Text,
    TzId,
    beside,
    either_is_required,
    fault,
    refused,
)
from widgetsvc.calendars.requests.events import TagOrText
from widgetsvc.calendars.requests.identifiers import CalendarIds

MAX_MEMBERS = 50
MAX_PERIODS = 50
MAX_SPAN = 35 * 86_400
MAX_RESULTS = 512
# The Availability Viewer draws a week of whole days in quarter hours from one answer and names no maximum.
RESULTS_WHEN_UNSAID = 672
START_INTERVALS = (5, 10, 15, 20, 30, 60)
WIDEST_BUFFER = 720 * 60
_MINUTE = 60


def _seconds(hours: int | None, minutes: int | None) -> int:
    return ((hours or 0) * 60 + (minutes or 0)) * _MINUTE


def _check_parts(hours: int | None, minutes: int | None) -> None:
    if hours is not None and (minutes or 0) >= 60:
        raise fault("errors.invalid", "must be less than 60 beside hours", "minutes")


Hours = Annotated[int, Field(ge=0, le=24)]
Minutes = Annotated[int, Field(ge=0, le=1_440)]


class Duration(Request):
    """`{"minutes": 90}`, `{"hours": 2}` or `{"hours": 1, "minutes": 30}`."""

    model_config = ConfigDict(json_schema_extra=either_is_required("hours", "minutes"))

    hours: Hours | None = None
    minutes: Minutes | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.hours is None and self.minutes is None:
            raise fault("errors.required", "must have hours or minutes")
        _check_parts(self.hours, self.minutes)
        return self

    @property
    def seconds(self) -> int:
        """The duration in seconds."""
        return _seconds(self.hours, self.minutes)


def _required_duration(duration: Duration) -> Duration:
    if not 1 * _MINUTE <= duration.seconds <= 480 * _MINUTE:
        raise fault("errors.invalid", "must be 1 to 480 minutes")
    return duration


def _start_interval(interval: Duration) -> Duration:
    if interval.seconds // _MINUTE not in START_INTERVALS:
        raise fault("errors.invalid", f"must be one of {', '.join(map(str, START_INTERVALS))} minutes")
    return interval


RequiredDuration = Annotated[Duration, AfterValidator(_required_duration)]
"""How long a meeting lasts."""

StartInterval = Annotated[Duration, AfterValidator(_start_interval)]
"""How far apart meetings start."""


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


class BufferSide(Request):
    """Time to keep free on one side of a meeting: a duration in the current grammar, bounds in the SDKs'.

    Only in a sequence does `maximum` mean something: how far its neighbour may be.
    """

    hours: Hours | None = None
    minutes: Minutes | None = None
    minimum: Duration | None = None
    maximum: Duration | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        _check_parts(self.hours, self.minutes)
        plain = self.hours is not None or self.minutes is not None
        if plain and (self.minimum is not None or self.maximum is not None):
            raise fault("errors.must_be_specified_once", "give either a duration, or minimum and maximum")
        if self.seconds > WIDEST_BUFFER:
            raise fault("errors.invalid", f"must be 0 to {WIDEST_BUFFER // _MINUTE} minutes")
        if self.maximum is not None and self.maximum.seconds < self.seconds:
            raise fault("errors.invalid", "must not be less than minimum", "maximum")
        return self

    @property
    def seconds(self) -> int:
        """The least time to keep free, in seconds."""
        return self.minimum.seconds if self.minimum else _seconds(self.hours, self.minutes)


class BufferRequest(Request):
    """Time to keep free around a meeting."""

    before: BufferSide = BufferSide()
    after: BufferSide = BufferSide()


class ConstraintRequest(Request):
    """At most `limit` of the application's own events in each day or week (from Monday) of a zone.

    With `tags`, only events that carry one of them count. Without a zone, days are those of UTC.
    """

    period: Literal["day", "week"]
    limit: Annotated[int, Field(ge=0, le=1_000)]
    tags: Annotated[list[TagOrText], Field(min_length=1, max_length=50)] | None = None
    tzid: TzId = "Etc/UTC"


class MemberReference(Request):
    """The parts of a member that are held against what is stored."""

    sub: Name
    calendar_ids: CalendarIds | None = None
    availability_rule_ids: Annotated[list[Text], Field(max_length=50)] | None = None


class MemberRequest(MemberReference):
    """One account of a group."""

    available_periods: Annotated[list[Period], Field(max_length=MAX_PERIODS)] | None = None
    managed_availability: bool = False
    buffer: BufferRequest | None = None
    only_managed_events: bool = False
    ignore_tentative: bool = False
    availability_constraints: Annotated[list[ConstraintRequest], Field(max_length=10)] | None = None


def _member(raw: object) -> object:
    return {"sub": raw} if isinstance(raw, str) else raw


Member = Annotated[MemberRequest, BeforeValidator(_member, json_schema_input_type=Name | MemberRequest)]


def _required(raw: object, info: ValidationInfo) -> object:
    if raw == "all":
        return None
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 1:
        raise fault("errors.invalid", 'must be "all" or a whole number from 1')
    members = info.data.get("members")
    if members is not None and raw > len(members):
        raise fault("errors.invalid", f"must be at most {len(members)}, the number of members")
    return raw


Required = Annotated[
    int | None,
    BeforeValidator(_required, json_schema_input_type=Literal["all"] | Annotated[int, Field(ge=1)] | None),
]


class GroupRequest(Request):
    """Members of whom `required` have to be available; None stands for all."""

    members: Annotated[list[Member], Field(min_length=1)]
    required: Required = None


def _few_members(groups: list[GroupRequest]) -> list[GroupRequest]:
    if sum(len(group.members) for group in groups) > MAX_MEMBERS:
        raise fault("errors.too_many", f"must have at most {MAX_MEMBERS} members in all")
    return groups


Participants = Annotated[list[GroupRequest], Field(min_length=1), AfterValidator(_few_members)]
"""Groups, every one of which has to have enough members available."""


class LocatedMember(NamedTuple):
    """A member of a query and its path, as in `participants[0].members[1]`."""

    path: str
    member: MemberReference


def located(groups: Sequence[GroupRequest], prefix: str = "") -> Iterator[LocatedMember]:
    """The members of all groups with their paths."""
    for i, group in enumerate(groups):
        for j, member in enumerate(group.members):
            yield LocatedMember(f"{prefix}participants[{i}].members[{j}]", member)


def located_in(sent: object, prefix: str = "") -> list[LocatedMember]:
    """The members that can be read in a body, or part of it, that has faults elsewhere."""
    return list(islice(_readable(sent, prefix), MAX_MEMBERS))


def _readable(sent: object, prefix: str) -> Iterator[LocatedMember]:
    for i, group in enumerate(entries(sent, "participants")[:MAX_MEMBERS]):
        for j, member in enumerate(entries(group, "members")[:MAX_MEMBERS]):
            with suppress(ValidationError):
                reference = MemberReference.model_validate(_member(member))
                yield LocatedMember(f"{prefix}participants[{i}].members[{j}]", reference)


def entries(sent: object, name: str) -> list[Any]:
    """The list of this name in a part of a body; an empty one where it has none."""
    found = sent.get(name) if isinstance(sent, dict) else None
    return found if isinstance(found, list) else []


class ExcludedEvent(Request):
    """An event that makes nobody busy."""

    event_id: Text | None = None
    event_uid: Text | None = None

    @property
    def names(self) -> list[str]:
        """What is given of its id and its uid."""
        return [name for name in (self.event_id, self.event_uid) if name]


def _near_together(periods: list[Period]) -> list[Period]:
    if max(period.end for period in periods) - min(period.start for period in periods) > MAX_SPAN:
        raise fault("errors.too_long", "must lie within 35 days")
    return periods


def _slots_near_together(slots: list[Slot]) -> list[Slot]:
    starts = [slot.start for slot in slots]
    if max(starts) - min(starts) > MAX_SPAN:
        raise fault("errors.too_long", "must lie within 35 days")
    return slots


QueryPeriods = Annotated[
    list[Period], Field(min_length=1, max_length=MAX_PERIODS), AfterValidator(_near_together)
]
QuerySlots = Annotated[
    list[Slot], Field(min_length=1, max_length=MAX_PERIODS), AfterValidator(_slots_near_together)
]


def _one_of_the_times(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [
        {"required": [name], "properties": {name: {"type": "array"}}} for name in Times.model_fields
    ]


def _at_most_one_of_the_times(schema: dict[str, Any]) -> None:
    _one_of_the_times(schema)
    schema["oneOf"].append({"properties": {name: {"type": "null"} for name in Times.model_fields}})


class Times(Request):
    """Where to look: periods, under either of their names, or exact starts."""

    model_config = ConfigDict(json_schema_extra=_at_most_one_of_the_times)

    times_required: ClassVar[bool] = True

    query_periods: QueryPeriods | None = None
    available_periods: QueryPeriods | None = None
    query_slots: QuerySlots | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _with_all_faults(cls, data: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        faults = list(cls._faults_of(data)) if isinstance(data, dict) else []
        try:
            made = read(data)
        except ValidationError as error:
            raise beside(error, faults) from None
        if faults:
            raise beside(None, faults)
        return made

    @classmethod
    def _faults_of(cls, data: dict[str, Any]) -> Iterator[tuple[Location, PydanticCustomError]]:
        """What is wrong with a body as a whole, whatever its members say."""
        given = cls._times_in(data)
        if len(given) > 1 or (cls.times_required and not given):
            yield (
                ("query_periods",),
                fault(
                    "errors.must_be_specified_once",
                    "give exactly one of query_periods, available_periods and query_slots",
                ),
            )

    @staticmethod
    def _times_in(data: object) -> list[str]:
        """The names under which a body, or a part of one, says where to look."""
        return [name for name in Times.model_fields if isinstance(data, dict) and data.get(name) is not None]

    @property
    def periods(self) -> list[Period]:
        """The periods under either of their names; empty where exact slots are asked for."""
        return self.query_periods or self.available_periods or []

    @property
    def windows(self) -> list[Timespan]:
        """The periods as values of the engine."""
        return [period.span for period in self.periods]

    @property
    def starts(self) -> list[int]:
        """The exact starts that are asked for."""
        return [slot.start for slot in self.query_slots or []]

    def extent(self, duration: int) -> Timespan:
        """The stretch that all meetings of so many seconds lie in, if there are times at all."""
        ends = [period.end for period in self.periods] or [start + duration for start in self.starts]
        return Timespan(min([period.start for period in self.periods] or self.starts), max(ends))


ResponseFormat = Literal["periods", "slots", "overlapping_slots"]


class AvailabilityRequest(Times):
    """`POST /v1/availability`."""

    model_config = ConfigDict(json_schema_extra=_one_of_the_times)

    participants: Participants
    required_duration: RequiredDuration
    response_format: ResponseFormat = "periods"
    start_interval: StartInterval | None = None
    buffer: BufferRequest = BufferRequest()
    max_results: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = RESULTS_WHEN_UNSAID
    excluded_events: Annotated[list[ExcludedEvent], Field(max_length=50, default_factory=list)]
    tzid: TzId | None = None
    bookable_events: Annotated[None, refused("bookable events"), NOTHING] = None

    @property
    def subs(self) -> list[str]:
        """Every sub that is asked for, in request order."""
        return [member.sub for group in self.participants for member in group.members]

    @property
    def excluded(self) -> list[str]:
        """Ids and uids of the events that make nobody busy."""
        return [name for event in self.excluded_events for name in event.names]
