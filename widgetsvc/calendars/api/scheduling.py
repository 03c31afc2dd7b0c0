"""Real-time scheduling: make a link, ask how it stands, close it.

Source: Cronofy API, Real-Time Scheduling. Where the documentation is silent:

- A completed link cannot be disabled (422), a disabled one can be again, with another message.
- Callbacks go to public https addresses only, unless the operator's settings allow others.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import ValidationError

from widgetsvc.calendars import diaries, wire
from widgetsvc.calendars.api.credentials import API_KEY, Caller, application_by_credentials
from widgetsvc.calendars.api.endpoint import Empty, endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import FieldError, InvalidParameters, NotFound
from widgetsvc.calendars.records import Application, SchedulingLink, SchedulingStatus
from widgetsvc.calendars.requests.availability import LocatedMember, located, located_in
from widgetsvc.calendars.requests.base import parse_json
from widgetsvc.calendars.requests.scheduling import (
    MAX_TARGETS,
    ClientCredentials,
    DisableRequest,
    LinkQuery,
    RealTimeSchedulingRequest,
    TargetCalendar,
    callbacks_in,
)
from widgetsvc.outbound import AddressRefused

blueprint = Blueprint("scheduling", __name__)


def _application() -> Application:
    """Whoever the body names, else whoever the header does: PHP sends both, and an unrelated header."""
    try:
        given = parse_json(ClientCredentials, request.get_data())
    except InvalidParameters:
        given = ClientCredentials()  # the body's faults are told to those who are known
    if given.client_id is None and given.client_secret is None:
        return API_KEY.identify()
    return application_by_credentials(given.client_id or "", given.client_secret or "")


_APPLICATION = Caller(_application, ())
"""No scheme is required of all: the credentials are in the body, or the API key in the header."""


def _further_faults(application: Application, sent: dict[str, Any]) -> Iterator[FieldError]:
    yield from _unknown(application, located_in(sent.get("availability"), "availability."), _targets_in(sent))
    yield from _refused(callbacks_in(sent))


@endpoint(
    blueprint,
    "POST",
    "/v1/real_time_scheduling",
    {200: "the link and the address of its page"},
    caller=_APPLICATION,
    body=RealTimeSchedulingRequest,
    further_faults=_further_faults,
)
def create_link(application: Application, wanted: RealTimeSchedulingRequest) -> Response:
    """Make a link on which one person picks one time for an event."""
    members = list(located(wanted.availability.participants, "availability."))
    targets = [(f"target_calendars[{n}]", target) for n, target in enumerate(wanted.target_calendars)]
    stored = wanted.stored()
    faults = [*_unknown(application, members, targets), *_refused(callbacks_in(stored))]
    if faults:
        raise InvalidParameters(faults)
    link = current_backend().scheduling_links.create(application.application_id, stored)
    document = _document(link)
    # Ruby and C# read `url` at the top, the documentation has it in the nested object.
    return jsonify({"url": document["url"], "real_time_scheduling": document})


@endpoint(
    blueprint,
    "GET",
    "/v1/real_time_scheduling",
    {200: "the link as it stands", 404: Empty("no link of the application has this token")},
    caller=API_KEY,
    query=LinkQuery,
)
def read_link_by_token(application: Application, wanted: LinkQuery) -> Response:
    """How a link stands, by the last part of its URL."""
    link = current_backend().scheduling_links.by_token(wanted.token)
    if link is None or link.application_id != application.application_id:
        raise NotFound("no such link")
    return _answer(link)


@endpoint(
    blueprint,
    "GET",
    "/v1/real_time_scheduling/<real_time_scheduling_id>",
    {200: "the link as it stands"},
    caller=API_KEY,
)
def read_link(application: Application, real_time_scheduling_id: str) -> Response:
    """How a link stands, by its id."""
    return _answer(_own_link(application, real_time_scheduling_id))


@endpoint(
    blueprint,
    "POST",
    "/v1/real_time_scheduling/<real_time_scheduling_id>/disable",
    {200: "the link, closed"},
    caller=API_KEY,
    body=DisableRequest,
)
def disable_link(application: Application, wanted: DisableRequest, real_time_scheduling_id: str) -> Response:
    """Close a link that nobody has used yet."""
    open_link = _own_link(application, real_time_scheduling_id)
    link = current_backend().scheduling_links.disable(open_link, wanted.display_message)
    if link.status is SchedulingStatus.COMPLETED:
        raise InvalidParameters.single(
            "real_time_scheduling_id", "errors.invalid", "a time has already been picked on this link"
        )
    return _answer(link)


def _own_link(application: Application, real_time_scheduling_id: str) -> SchedulingLink:
    links = current_backend().scheduling_links
    link = links.by_id(application.application_id, real_time_scheduling_id)
    if link is None:
        raise NotFound("no such link")
    return link


def _answer(link: SchedulingLink) -> Response:
    return jsonify(real_time_scheduling=_document(link))


def _document(link: SchedulingLink) -> wire.Document:
    return wire.scheduling_link(link, current_backend().public_url)


def _targets_in(sent: dict[str, Any]) -> list[tuple[str, TargetCalendar]]:
    """The target calendars that can be read in a body that has faults elsewhere, with their paths."""
    entries = sent.get("target_calendars")
    found = []
    for index, entry in enumerate(entries[:MAX_TARGETS] if isinstance(entries, list) else []):
        with suppress(ValidationError):
            found.append((f"target_calendars[{index}]", TargetCalendar.model_validate(entry)))
    return found


def _unknown(
    application: Application, members: list[LocatedMember], targets: list[tuple[str, TargetCalendar]]
) -> Iterator[FieldError]:
    """What the store does not know of what a link refers to."""
    backend = current_backend()
    subs = {member.sub for _, member in members} | {target.sub for _, target in targets}
    accounts = backend.accounts.accounts(application.application_id, subs)
    yield from diaries.faults(backend, accounts, members)
    for path, target in targets:
        account = accounts.get(target.sub)
        if account is None:
            yield FieldError(f"{path}.sub", "errors.not_recognized", "is not an account of this application")
        elif not account.has_calendar(target.calendar_id):
            yield FieldError(f"{path}.calendar_id", "errors.not_recognized", "is not the account's calendar")


def _refused(callbacks: Mapping[str, str]) -> Iterator[FieldError]:
    """The addresses, by their paths, that nothing would ever be sent to."""
    for path, url in callbacks.items():
        try:
            current_backend().outbound.check(url)
        except AddressRefused as error:
            yield FieldError(path, "errors.invalid", str(error))
