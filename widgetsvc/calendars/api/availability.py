"""`POST /v1/availability`."""

from collections.abc import Callable, Iterator, Mapping

from flask import Blueprint, Response, jsonify
from sqlalchemy import Connection

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import REACH, Reach
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import Backend, current_backend
from widgetsvc.calendars.engine import availability as engine
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.errors import FieldError, InvalidParameters, NotPermitted
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.availability import (
    AvailabilityRequest,
    BufferRequest,
    GroupRequest,
    MemberRequest,
)
from widgetsvc.calendars.store.events import BusyTimes

blueprint = Blueprint("availability", __name__)

_WIDEST_BUFFER = 720 * 60

_FORMATS: Mapping[str, tuple[str, Callable[[engine.Query], list[engine.Opening]]]] = {
    "periods": ("available_periods", engine.periods),
    "slots": ("available_slots", engine.slots),
    "overlapping_slots": ("available_slots", engine.overlapping_slots),
}


@endpoint(
    blueprint,
    "POST",
    "/v1/availability",
    {200: "when enough members of every group are free"},
    caller=REACH,
    body=AvailabilityRequest,
)
def query_availability(allowed: Reach, wanted: AvailabilityRequest) -> Response:
    """Find times that suit; an element token has to cover every sub."""
    if not allowed.covers(wanted.subs):
        raise NotPermitted("the element token does not cover every sub of the query")
    backend = current_backend()
    accounts = backend.accounts.accounts(allowed.application_id, wanted.subs)
    faults = list(unknown_members(wanted, accounts))
    if faults:
        raise InvalidParameters(faults)
    key, _ = _FORMATS[wanted.response_format]
    return jsonify(wire.openings(key, find(backend, wanted, accounts)))


def find(
    backend: Backend,
    wanted: AvailabilityRequest,
    accounts: Mapping[str, Account],
    connection: Connection | None = None,
) -> list[engine.Opening]:
    """Answer a query whose every sub is among `accounts`, in the connection's transaction if one is given."""
    busy = backend.events.busy(
        {accounts[sub].calendar_id for sub in wanted.subs},
        _extent(wanted),
        excluded=wanted.excluded,
        connection=connection,
    )
    busy_by_sub = {sub: busy[accounts[sub].calendar_id] for sub in wanted.subs}
    _, search = _FORMATS[wanted.response_format]
    return search(_query(wanted, busy_by_sub))


def unknown_members(wanted: AvailabilityRequest, accounts: Mapping[str, Account]) -> Iterator[FieldError]:
    """The members whose sub, or calendar, is none of the application's."""
    for i, group in enumerate(wanted.participants):
        for j, member in enumerate(group.members):
            path = f"participants[{i}].members[{j}]"
            account = accounts.get(member.sub)
            if account is None:
                yield FieldError(
                    f"{path}.sub", "errors.not_recognized", "is not an account of this application"
                )
            elif member.calendar_ids and account.calendar_id not in member.calendar_ids:
                yield FieldError(
                    f"{path}.calendar_ids", "errors.not_recognized", "none is the account's calendar"
                )


def _extent(wanted: AvailabilityRequest) -> Timespan:
    """The stretch in which an event can matter: the query and the widest buffer on either side."""
    if wanted.periods:
        start, end = min(p.start for p in wanted.periods), max(p.end for p in wanted.periods)
    else:
        starts = [slot.start for slot in wanted.query_slots or []]
        start, end = min(starts), max(starts) + wanted.required_duration.seconds
    return Timespan(start - _WIDEST_BUFFER, end + _WIDEST_BUFFER)


def _query(wanted: AvailabilityRequest, busy: Mapping[str, BusyTimes]) -> engine.Query:
    return engine.Query(
        groups=[_group(group, busy) for group in wanted.participants],
        duration=wanted.required_duration.seconds,
        windows=[period.span for period in wanted.periods],
        starts=[slot.start for slot in wanted.query_slots or []],
        start_interval=wanted.start_interval.seconds if wanted.start_interval else None,
        buffer=_buffer(wanted.buffer),
        max_results=wanted.max_results,
    )


def _group(group: GroupRequest, busy: Mapping[str, BusyTimes]) -> engine.Group:
    members = [
        engine.Member(
            sub=member.sub,
            busy=_busy(member, busy[member.sub]),
            windows=_windows(member),
            buffer=_buffer(member.buffer) if member.buffer else None,
        )
        for member in group.members
    ]
    return engine.Group(members, group.required or len(members))


def _busy(member: MemberRequest, times: BusyTimes) -> list[tuple[int, int]]:
    return times.firm if member.ignore_tentative else times.firm + times.tentative


def _windows(member: MemberRequest) -> list[Timespan] | None:
    if member.managed_availability:
        return []  # no account has availability rules or periods, and without either it is available nowhere
    return (
        [period.span for period in member.available_periods] if member.available_periods is not None else None
    )


def _buffer(wanted: BufferRequest) -> engine.Buffer:
    return engine.Buffer(before=wanted.before.seconds, after=wanted.after.seconds)
