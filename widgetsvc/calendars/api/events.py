"""Events: upsert, delete, read by pages; and free/busy, which is the same read with less in it."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import NamedTuple

from flask import Blueprint, Response, jsonify, request

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import NotFound
from widgetsvc.calendars.records import Account, Event
from widgetsvc.calendars.requests.events import EventReference, EventRequest
from widgetsvc.calendars.requests.reading import PageLink, ReadingQuery
from widgetsvc.calendars.store.events import Cursor
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
    draft = wanted.draft()
    if wanted.event_uid is not None:
        event_id = store.event_id(calendar_id, wanted.event_uid)
        if event_id is None:
            raise NotFound("no such event")
        draft = replace(draft, event_id=event_id)
    store.upsert(calendar_id, draft)
    return Response(status=HTTPStatus.ACCEPTED)


@endpoint(
    blueprint,
    "DELETE",
    "/v1/calendars/<calendar_id>/events",
    {202: "deleted, or never there"},
    caller=account(),
    body=EventReference,
    in_batch=True,
)
def delete_event(owner: Account, wanted: EventReference, calendar_id: str) -> Response:
    """Delete an event."""
    _check_own(owner, calendar_id)
    store = current_backend().events
    event_id: str | None = wanted.event_id
    if wanted.event_uid is not None:
        event_id = store.event_id(calendar_id, wanted.event_uid)
    if event_id is not None:
        store.delete(calendar_id, event_id)
    return Response(status=HTTPStatus.ACCEPTED)


def _check_own(owner: Account, calendar_id: str) -> None:
    if owner.calendar_id != calendar_id:
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
    return jsonify(_events_page(owner, page.reading, page))


@endpoint(blueprint, "GET", "/v1/free_busy", {200: "a page of times"}, caller=_READER, query=ReadingQuery)
def read_free_busy(owner: Account, reading: ReadingQuery) -> Response:
    """The first page of the account's free/busy times."""
    return _first_page(owner, _free_busy_page(owner, reading), reading)


@endpoint(blueprint, "GET", "/v1/free_busy/pages/<link>", {200: "a page of times"}, caller=_READER)
def read_free_busy_page(owner: Account, link: str) -> Response:
    """A further page of free/busy times."""
    page = PageLink.decode(link)
    return jsonify(_free_busy_page(owner, page.reading, page))


def _first_page(owner: Account, document: wire.Document, reading: ReadingQuery) -> Response:
    if reading.include_userinfo:
        document["userinfo"] = wire.userinfo(owner)
    return jsonify(document)


def _events_page(owner: Account, reading: ReadingQuery, link: PageLink | None = None) -> wire.Document:
    def entry(event: Event) -> wire.Document:
        return wire.event(event, reading.localized_in, include_geo=reading.include_geo)

    return _page(_Kind("events", EVENTS_PER_PAGE, entry), owner, reading, link)


def _free_busy_page(owner: Account, reading: ReadingQuery, link: PageLink | None = None) -> wire.Document:
    def entry(event: Event) -> wire.Document:
        return wire.free_busy(event, reading.localized_in, include_ids=reading.include_ids)

    return _page(_Kind("free_busy", FREE_BUSY_PER_PAGE, entry), owner, reading, link)


class _Kind(NamedTuple):
    name: str
    size: int
    entry: Callable[[Event], wire.Document]


def _page(kind: _Kind, owner: Account, reading: ReadingQuery, link: PageLink | None) -> wire.Document:
    backend = current_backend()
    number = link.number if link else 1
    selection = reading.selection(owner.calendar_id, backend.clock())
    if selection is None:
        return wire.page(number, max(number, 1), None, {kind.name: []})
    found = backend.events.page(selection, link.after if link else None, kind.size + 1)
    more = len(found) > kind.size
    # Counting is only needed where there are several pages: a first page that holds all knows the total.
    total = 1 if number == 1 and not more else -(-backend.events.count(selection) // kind.size)
    next_page = None
    if more:
        last = found[kind.size - 1]
        query = link.values if link else request.args
        further = PageLink.after_page(number, query, Cursor(last.draft.time.start, last.event_uid))
        next_page = f"{backend.public_url}/v1/{kind.name}/pages/{further.encode()}"
    entries = [kind.entry(event) for event in found[: kind.size]]
    return wire.page(number, max(total, number), next_page, {kind.name: entries})
