"""`POST /v1/availability`."""

from collections.abc import Callable, Iterator, Mapping

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import REACH, Reach
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.engine import availability as engine
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.errors import FieldError, InvalidParameters
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.availability import (
    AvailabilityRequest,
    BufferRequest,
    GroupRequest,
    MemberRequest,
)
from widgetsvc.calendars.store.events import BusyFilter

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
    backend = current_backend()
    accounts = allowed.accounts(wanted.subs)
    faults = list(_unknown(wanted, accounts))
    if faults:
        raise InvalidParameters(faults)
    busy = _Busy(wanted, {sub: account.calendar_id for sub, account in accounts.items()})
    key, search = _FORMATS[wanted.response_format]
    return jsonify(wire.openings(key, search(_query(wanted, busy))))


def _unknown(wanted: AvailabilityRequest, accounts: Mapping[str, Account]) -> Iterator[FieldError]:
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


class _Busy:
    """The busy times of all members; those that are looked for alike are looked up together."""

    def __init__(self, wanted: AvailabilityRequest, calendar_ids: Mapping[str, str]) -> None:
        self._calendar_ids = calendar_ids
        self._excluded = frozenset(wanted.excluded)
        asked: dict[BusyFilter, set[str]] = {}
        for group in wanted.participants:
            for member in group.members:
                asked.setdefault(self._filter(member), set()).add(calendar_ids[member.sub])
        store, extent = current_backend().events, _extent(wanted)
        self._found = {which: store.busy(calendars, extent, which) for which, calendars in asked.items()}

    def of(self, member: MemberRequest) -> list[tuple[int, int]]:
        """The (start, end) of what takes up the member's time."""
        return self._found[self._filter(member)][self._calendar_ids[member.sub]]

    def _filter(self, member: MemberRequest) -> BusyFilter:
        return BusyFilter(
            only_managed=member.only_managed_events,
            ignore_tentative=member.ignore_tentative,
            excluded=self._excluded,
        )


def _query(wanted: AvailabilityRequest, busy: _Busy) -> engine.Query:
    return engine.Query(
        groups=[_group(group, busy) for group in wanted.participants],
        duration=wanted.required_duration.seconds,
        windows=[period.span for period in wanted.periods],
        starts=[slot.start for slot in wanted.query_slots or []],
        start_interval=wanted.start_interval.seconds if wanted.start_interval else None,
        buffer=_buffer(wanted.buffer),
        max_results=wanted.max_results,
    )


def _group(group: GroupRequest, busy: _Busy) -> engine.Group:
    members = [
        engine.Member(
            sub=member.sub,
            busy=busy.of(member),
            windows=_windows(member),
            buffer=_buffer(member.buffer) if member.buffer else None,
        )
        for member in group.members
    ]
    return engine.Group(members, group.required or len(members))


def _windows(member: MemberRequest) -> list[Timespan] | None:
    if member.managed_availability:
        return []  # no account has availability rules or periods, and without either it is available nowhere
    return (
        [period.span for period in member.available_periods] if member.available_periods is not None else None
    )


def _buffer(wanted: BufferRequest) -> engine.Buffer:
    return engine.Buffer(before=wanted.before.seconds, after=wanted.after.seconds)
