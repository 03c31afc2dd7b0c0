"""`POST /v1/availability`."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import diaries, wire
from widgetsvc.calendars.api.credentials import REACH, Reach
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import FieldError, InvalidParameters
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.availability import (
    AvailabilityRequest,
    LocatedMember,
    ResponseFormat,
    located,
    located_in,
)
from widgetsvc.calendars.search import find

blueprint = Blueprint("availability", __name__)

_KEYS: Mapping[ResponseFormat, str] = {
    "periods": "available_periods",
    "slots": "available_slots",
    "overlapping_slots": "available_slots",
}


def accounts_of(allowed: Reach, members: list[LocatedMember]) -> dict[str, Account]:
    """The accounts of a query's members, by sub.

    Raises NotPermitted where the caller does not reach them all, and InvalidParameters where what a member
    refers to is unknown.
    """
    accounts = allowed.accounts({member.sub for _, member in members})
    faults = list(diaries.faults(current_backend(), accounts, members))
    if faults:
        raise InvalidParameters(faults)
    return accounts


def faults_of(allowed: Reach, members: list[LocatedMember]) -> Iterator[FieldError]:
    """What is unknown of what members refer to; nothing is said about those out of the caller's reach."""
    within_reach = [entry for entry in members if allowed.covers([entry.member.sub])]
    backend = current_backend()
    accounts = backend.accounts.accounts(allowed.application_id, {member.sub for _, member in within_reach})
    return diaries.faults(backend, accounts, within_reach)


def _further_faults(allowed: Reach, sent: dict[str, Any]) -> Iterator[FieldError]:
    return faults_of(allowed, located_in(sent))


@endpoint(
    blueprint,
    "POST",
    "/v1/availability",
    {200: "when enough members of every group are free"},
    caller=REACH,
    body=AvailabilityRequest,
    further_faults=_further_faults,
)
def query_availability(allowed: Reach, wanted: AvailabilityRequest) -> Response:
    """Find times that suit; an element token has to cover every sub."""
    accounts = accounts_of(allowed, list(located(wanted.participants)))
    found = find(current_backend(), wanted, accounts)
    return jsonify(wire.openings(_KEYS[wanted.response_format], found))
