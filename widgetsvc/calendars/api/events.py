"""Events: upsert, delete, read by pages; and free/busy, which is the same read with less in it."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.api.paging import Listing
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import InvalidParameters, NotFound
from widgetsvc.calendars.records import Account, Event
from widgetsvc.calendars.requests.events import (
    BulkDeleteQuery,
    BulkDeleteRequest,
    EventReference,
    EventRequest,
    ParticipationRequest,
)
from widgetsvc.calendars.requests.page_links import PageLink, Place
from widgetsvc.calendars.requests.reading import ReadingQuery
from widgetsvc.calendars.store.selection import Cursor, Selection
from widgetsvc.permissions import Permission

blueprint = Blueprint("events", __name__)

EVENTS_PER_PAGE = 300
FREE_BUSY_PER_PAGE = 1_000


_WRITTEN = {202: "written, and seen by reads from now on"}


@endpoint(
    blueprint,
    "POST",
    "/v1/calendars/<calendar_id>/events",
    _WRITTEN,
    caller=account(),
    body=EventRequest,
    in_batch=True,
)
def upsert_event(owner: Account, wanted: EventRequest, calendar_id: str) -> Response:
    """Create or update an event."""
    _check_own(owner, calendar_id)
    store = current_backend().events
    if wanted.event_uid is None:
        store.upsert(calendar_id, wanted.draft())
    elif not store.edit(calendar_id, wanted.event_uid, wanted.draft()):
        raise NotFound("no such event")
    return Response(status=HTTPStatus.ACCEPTED)


_DELETED = {202: "deleted, or never there"}


@endpoint(
    blueprint,
    "DELETE",
    "/v1/calendars/<calendar_id>/events",
    _DELETED,
    caller=account(),
    body=EventReference,
    in_batch=True,
)
def delete_event(owner: Account, wanted: EventReference, calendar_id: str) -> Response:
    """Delete an event."""
    _check_own(owner, calendar_id)
    current_backend().events.delete(calendar_id, event_id=wanted.event_id, event_uid=wanted.event_uid)
    return Response(status=HTTPStatus.ACCEPTED)


@endpoint(
    blueprint,
    "DELETE",
    "/v1/events",
    {**_DELETED, 404: "one of the calendars is not the account's"},
    caller=account(),
    query=BulkDeleteQuery,
    body=BulkDeleteRequest,
)
def delete_events(owner: Account, asked: BulkDeleteQuery, wanted: BulkDeleteRequest) -> Response:
    """Delete all events that were written through the API, of all calendars or of some."""
    everything = wanted.delete_all or asked.delete_all
    calendar_ids = {*(wanted.calendar_ids or ()), *(asked.calendar_ids or ())}
    if bool(everything) == bool(calendar_ids):
        raise InvalidParameters.single(
            "delete_all", "errors.must_be_specified_once", "give exactly one of delete_all and calendar_ids"
        )
    for calendar_id in calendar_ids:
        _check_own(owner, calendar_id)
    current_backend().events.delete_managed(owner.calendar_id)
    return Response(status=HTTPStatus.ACCEPTED)


@endpoint(
    blueprint,
    "POST",
    "/v1/calendars/<calendar_id>/events/<event_uid>/participation_status",
    {},
    caller=account(),
    body=ParticipationRequest,
)
def reply(owner: Account, _wanted: ParticipationRequest, calendar_id: str, event_uid: str) -> Response:  # noqa: ARG001 - a part of the path
    """Reply to an invitation; as no calendar here can be invited, there is none to reply to."""
    _check_own(owner, calendar_id)
    raise InvalidParameters.single("status", "errors.not_supported", "the event is no invitation")


def _check_own(owner: Account, calendar_id: str) -> None:
    if not owner.has_calendar(calendar_id):
        raise NotFound("no such calendar")


_READER = account(Permission.AGENDA)


@endpoint(blueprint, "GET", "/v1/events", {200: "a page of events"}, caller=_READER, query=ReadingQuery)
def read_events(owner: Account, reading: ReadingQuery) -> Response:
    """The first page of the account's events."""
    return _first_page(owner, _events_page(owner, reading), reading)


@endpoint(blueprint, "GET", "/v1/events/pages/<link>", {200: "a page of events"}, caller=_READER)
def read_events_page(owner: Account, link: str) -> Response:
    """A further page of events."""
    page = PageLink.decode(link)
    return jsonify(_events_page(owner, page.read(ReadingQuery), page))


@endpoint(blueprint, "GET", "/v1/free_busy", {200: "a page of times"}, caller=_READER, query=ReadingQuery)
def read_free_busy(owner: Account, reading: ReadingQuery) -> Response:
    """The first page of the account's free/busy times."""
    return _first_page(owner, _free_busy_page(owner, reading), reading)


@endpoint(blueprint, "GET", "/v1/free_busy/pages/<link>", {200: "a page of times"}, caller=_READER)
def read_free_busy_page(owner: Account, link: str) -> Response:
    """A further page of free/busy times."""
    page = PageLink.decode(link)
    return jsonify(_free_busy_page(owner, page.read(ReadingQuery), page))


def _first_page(owner: Account, document: wire.Document, reading: ReadingQuery) -> Response:
    if reading.include_userinfo:
        document["userinfo"] = wire.userinfo(owner)
    return jsonify(document)


def _events_page(owner: Account, reading: ReadingQuery, link: PageLink | None = None) -> wire.Document:
    def entry(event: Event) -> wire.Document:
        return wire.event(event, reading.localized_in, include_geo=reading.include_geo)

    selection = reading.selection(owner.calendar_id, current_backend().clock())
    return _page("events", EVENTS_PER_PAGE, entry, selection, link)


def _free_busy_page(owner: Account, reading: ReadingQuery, link: PageLink | None = None) -> wire.Document:
    def entry(event: Event) -> wire.Document:
        return wire.free_busy(event, reading.localized_in, include_ids=reading.include_ids)

    selection = reading.selection(owner.calendar_id, current_backend().clock())
    if selection is not None:
        selection = replace(selection, include_transparent=reading.include_free)
    return _page("free_busy", FREE_BUSY_PER_PAGE, entry, selection, link)


def _page(
    name: str,
    size: int,
    entry: Callable[[Event], wire.Document],
    selection: Selection | None,
    link: PageLink | None,
) -> wire.Document:
    store = current_backend().events

    def read(after: Place | None, most: int) -> list[Event]:
        return store.page(selection, Cursor(*after) if after else None, most) if selection else []

    def count() -> int:
        return store.count(selection) if selection else 0

    def place(event: Event) -> Place:
        return Place(event.draft.time.start, event.event_uid)

    return Listing(name, ReadingQuery, size, read, count, place, entry).page(link)
