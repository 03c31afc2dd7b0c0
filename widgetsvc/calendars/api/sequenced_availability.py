"""`POST /v1/sequenced_availability`."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import diaries, wire
from widgetsvc.calendars.api.availability import accounts_of, faults_of
from widgetsvc.calendars.api.credentials import REACH, Reach
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.diaries import Diaries, Party
from widgetsvc.calendars.engine import availability, sequences
from widgetsvc.calendars.engine.timespan import Timespan, intersect, merge
from widgetsvc.calendars.errors import FieldError, InvalidParameters
from widgetsvc.calendars.requests.availability import BufferSide
from widgetsvc.calendars.requests.sequenced_availability import (
    SequencedAvailabilityRequest,
    SequenceItemRequest,
    located_in_sequence,
)

MOST_STEPS = 2_500_000
"""What a search may come to; more would hold a thread for several seconds."""

blueprint = Blueprint("sequenced_availability", __name__)


def _further_faults(allowed: Reach, sent: dict[str, Any]) -> Iterator[FieldError]:
    return faults_of(allowed, located_in_sequence(sent))


@endpoint(
    blueprint,
    "POST",
    "/v1/sequenced_availability",
    {200: "times at which all items can follow one another"},
    caller=REACH,
    body=SequencedAvailabilityRequest,
    further_faults=_further_faults,
)
def query_sequenced_availability(allowed: Reach, wanted: SequencedAvailabilityRequest) -> Response:
    """Find times at which meetings can follow one another; an element token has to cover every sub."""
    accounts = accounts_of(allowed, wanted.located)
    parties = [Party(item.participants, item.buffer) for item in wanted.sequence]
    known = Diaries(current_backend(), accounts, parties, _within(wanted), wanted.excluded)
    items = [_item(item, wanted, known) for item in wanted.sequence]
    if sequences.effort(items) > MOST_STEPS:
        raise InvalidParameters.single(
            "sequence",
            "errors.too_many",
            "the items have too many starts and orders to try; "
            "give more of them an ordinal, wider start intervals or less time",
        )
    return jsonify(wire.sequences(sequences.sequences(items, wanted.max_results)))


def _within(wanted: SequencedAvailabilityRequest) -> Timespan:
    """The stretch that all items lie in: that of the query's times if there are some, else of the items'."""
    if wanted.periods or wanted.query_slots:
        return wanted.extent(max(item.required_duration.seconds for item in wanted.sequence))
    spans = [item.own_extent for item in wanted.sequence]
    return Timespan(min(span.start for span in spans), max(span.end for span in spans))


def _item(item: SequenceItemRequest, wanted: SequencedAvailabilityRequest, known: Diaries) -> sequences.Item:
    starts = _starts(item, wanted)
    windows = _windows(item, wanted)
    # Where starts are given, the periods bound the members, since a query has one or the other.
    bounds = None if starts is None else windows
    return sequences.Item(
        id=item.sequence_id,
        query=availability.Query(
            groups=[known.group(group, bounds) for group in item.participants],
            duration=item.required_duration.seconds,
            windows=(windows or ()) if starts is None else (),
            starts=starts or (),
            start_interval=item.start_interval.seconds if item.start_interval else None,
            buffer=diaries.buffer(item.buffer),
        ),
        ordinal=item.ordinal,
        gap_before=_gap(item.buffer.before),
        gap_after=_gap(item.buffer.after),
    )


def _starts(item: SequenceItemRequest, wanted: SequencedAvailabilityRequest) -> list[int] | None:
    """The exact starts that the item may have; None if neither it nor the query lists any."""
    if item.query_slots and wanted.query_slots:
        return sorted(set(item.starts).intersection(wanted.starts))
    return item.starts or wanted.starts or None


def _windows(item: SequenceItemRequest, wanted: SequencedAvailabilityRequest) -> list[Timespan] | None:
    """The time that the item has to lie in; None if neither it nor the query has periods."""
    if item.periods and wanted.periods:
        return intersect(merge(item.windows), merge(wanted.windows))
    return merge(item.windows or wanted.windows) or None


def _gap(side: BufferSide) -> sequences.Gap:
    return sequences.Gap(side.seconds, None if side.maximum is None else side.maximum.seconds)
