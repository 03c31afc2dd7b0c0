"""The body of a query for meetings that follow one another.

Source: Cronofy API, Sequenced Availability. The documentation is silent on how the times of an item and those
of the query go together: an item takes place at times that both allow. `event` and `sequence_title`, which
the Date Time Picker shows, are for the page alone, and the answer has one form whatever `response_format`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.requests.availability import (
    MAX_MEMBERS,
    MAX_RESULTS,
    MAX_SPAN,
    BufferRequest,
    ExcludedEvent,
    LocatedMember,
    Participants,
    RequiredDuration,
    ResponseFormat,
    StartInterval,
    Times,
    entries,
    located,
    located_in,
)
from widgetsvc.calendars.requests.base import Location, TzId, fault

MAX_ITEMS = 10
MAX_FREE_ITEMS = 5
"""Items that are not put in their place by an ordinal: every one of them doubles the orders to try."""

_MAX_NUMBER = 2**53
_MAX_LENGTH = 255


def _sequence_id(raw: object) -> object:
    if isinstance(raw, str) and len(raw) <= _MAX_LENGTH:
        return raw
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) <= _MAX_NUMBER:
        return raw
    raise fault("errors.invalid", f"must be text of at most {_MAX_LENGTH} characters, or a whole number")


SequenceId = Annotated[
    str | int,
    BeforeValidator(
        _sequence_id,
        json_schema_input_type=Annotated[str, Field(max_length=_MAX_LENGTH)]
        | Annotated[int, Field(ge=-_MAX_NUMBER, le=_MAX_NUMBER)],
    ),
]


class SequenceItemRequest(Times):
    """One meeting of a sequence; its buffer is kept free of events and of the items next to it."""

    times_required: ClassVar[bool] = False

    sequence_id: SequenceId
    ordinal: Annotated[int, Field(ge=-_MAX_NUMBER, le=_MAX_NUMBER)] | None = None
    participants: Participants
    required_duration: RequiredDuration
    start_interval: StartInterval | None = None
    buffer: BufferRequest = BufferRequest()

    @property
    def has_times(self) -> bool:
        """Whether the item says itself when it can be."""
        return bool(self.periods or self.query_slots)

    @property
    def own_extent(self) -> Timespan:
        """The stretch that the item's own times lie in."""
        return self.extent(self.required_duration.seconds)


def _few_orders(items: list[SequenceItemRequest]) -> list[SequenceItemRequest]:
    alike = Counter(item.ordinal for item in items)
    if sum(count for ordinal, count in alike.items() if ordinal is None or count > 1) > MAX_FREE_ITEMS:
        raise fault(
            "errors.too_many", f"at most {MAX_FREE_ITEMS} items can be without an ordinal of their own"
        )
    return items


def _few_members(items: list[SequenceItemRequest]) -> list[SequenceItemRequest]:
    if sum(len(group.members) for item in items for group in item.participants) > MAX_MEMBERS:
        raise fault("errors.too_many", f"must have at most {MAX_MEMBERS} members in all")
    return items


def _near_together(items: list[SequenceItemRequest]) -> list[SequenceItemRequest]:
    spans = [item.own_extent for item in items if item.has_times]
    if spans and max(span.end for span in spans) - min(span.start for span in spans) > MAX_SPAN:
        raise fault("errors.too_long", "must lie within 35 days")
    return items


class SequencedAvailabilityRequest(Times):
    """`POST /v1/sequenced_availability`."""

    times_required: ClassVar[bool] = False

    sequence: Annotated[
        list[SequenceItemRequest],
        Field(min_length=1, max_length=MAX_ITEMS),
        AfterValidator(_few_orders),
        AfterValidator(_few_members),
        AfterValidator(_near_together),
    ]
    response_format: ResponseFormat | None = None
    max_results: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = MAX_RESULTS
    excluded_events: Annotated[list[ExcludedEvent], Field(max_length=50, default_factory=list)]
    tzid: TzId | None = None

    @classmethod
    def _faults_of(cls, data: dict[str, Any]) -> Iterator[tuple[Location, PydanticCustomError]]:
        yield from super()._faults_of(data)
        items = entries(data, "sequence")[:MAX_ITEMS]
        if not cls._times_in(data) and not all(cls._times_in(item) for item in items):
            yield ("query_periods",), fault("errors.required", "required where an item has none of its own")
        seen: list[object] = []
        for index, item in enumerate(items):
            sequence_id = item.get("sequence_id") if isinstance(item, dict) else None
            if sequence_id is not None and sequence_id in seen:
                yield ("sequence", index, "sequence_id"), fault("errors.invalid", "must not be used twice")
            seen.append(sequence_id)

    @property
    def located(self) -> list[LocatedMember]:
        """The members of all items with their paths."""
        return [
            entry
            for index, item in enumerate(self.sequence)
            for entry in located(item.participants, f"sequence[{index}].")
        ]

    @property
    def excluded(self) -> list[str]:
        """Ids and uids of the events that make nobody busy."""
        return [name for event in self.excluded_events for name in event.names]


def located_in_sequence(sent: object) -> list[LocatedMember]:
    """The members that can be read in a body that has faults elsewhere."""
    return [
        entry
        for index, item in enumerate(entries(sent, "sequence")[:MAX_ITEMS])
        for entry in located_in(item, f"sequence[{index}].")
    ]
