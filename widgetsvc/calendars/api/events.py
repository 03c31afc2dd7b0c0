"""Events: upsert, delete, read by pages; and free/busy, which is the same read with less in it."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import MultiDict

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.bodies import body
from widgetsvc.calendars.api.credentials import ELEMENT_TOKEN_PARAMETER, account
from widgetsvc.calendars.api.reading import PageLink, Reading, parse_reading
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import NotAuthenticated, NotFound
from widgetsvc.calendars.records import Event
from widgetsvc.calendars.requests.events import EventReference, EventRequest
from widgetsvc.calendars.store.events import Cursor
from widgetsvc.permissions import Permission

blueprint = Blueprint("events", __name__)

EVENTS_PER_PAGE = 300
FREE_BUSY_PER_PAGE = 1_000


@blueprint.post("/v1/calendars/<calendar_id>/events")
def upsert(calendar_id: str) -> Response:
    """Create or update an event; 202 with an empty body."""
    _own(calendar_id)
    wanted = body(EventRequest)
    store = current_backend().events
    draft = wanted.draft()
    if wanted.event_uid is not None:
        event_id = store.event_id(calendar_id, wanted.event_uid)
        if event_id is None:
            raise NotFound("no such event")
        draft = replace(draft, event_id=event_id)
    store.upsert(calendar_id, draft)
    return Response(status=HTTPStatus.ACCEPTED)


@blueprint.delete("/v1/calendars/<calendar_id>/events")
def delete(calendar_id: str) -> Response:
    """Delete an event; 202 also for one that is not there."""
    _own(calendar_id)
    wanted = body(EventReference)
    store = current_backend().events
    event_id: str | None = wanted.event_id
    if wanted.event_uid is not None:
        event_id = store.event_id(calendar_id, wanted.event_uid)
    if event_id is not None:
        store.delete(calendar_id, event_id)
    return Response(status=HTTPStatus.ACCEPTED)


def _own(calendar_id: str) -> None:
    if ELEMENT_TOKEN_PARAMETER in request.args:
        raise NotAuthenticated("element tokens do not write events")
    if account().calendar_id != calendar_id:
        raise NotFound("no such calendar")


@blueprint.get("/v1/events")
def read_events() -> Response:
    """The first page of the account's events."""
    return _first_page(_events_page)


@blueprint.get("/v1/events/pages/<link>")
def read_events_page(link: str) -> Response:
    """A further page."""
    return _further_page(link, _events_page)


@blueprint.get("/v1/free_busy")
def read_free_busy() -> Response:
    """The first page of the account's free/busy times."""
    return _first_page(_free_busy_page)


@blueprint.get("/v1/free_busy/pages/<link>")
def read_free_busy_page(link: str) -> Response:
    """A further page."""
    return _further_page(link, _free_busy_page)


PageOf = Callable[[Reading, PageLink | None, MultiDict[str, str]], wire.Document]


def _first_page(page_of: PageOf) -> Response:
    owner = account(Permission.AGENDA)
    query = request.args.copy()
    query.poplist(ELEMENT_TOKEN_PARAMETER)
    reading = parse_reading(query, owner.calendar_id, current_backend().clock())
    document = page_of(reading, None, query)
    if reading.include_userinfo:
        document["userinfo"] = wire.userinfo(owner)
    return jsonify(document)


def _further_page(link: str, page_of: PageOf) -> Response:
    owner = account(Permission.AGENDA)
    page = PageLink.decode(link)
    query = MultiDict([(name, text) for name, texts in page.query.items() for text in texts])
    reading = parse_reading(query, owner.calendar_id, current_backend().clock())
    return jsonify(page_of(reading, page, query))


def _events_page(reading: Reading, link: PageLink | None, query: MultiDict[str, str]) -> wire.Document:
    def entry(event: Event) -> wire.Document:
        return wire.event(event, reading.localized_in, include_geo=reading.include_geo)

    return _page("events", EVENTS_PER_PAGE, reading, link, query, entry)


def _free_busy_page(reading: Reading, link: PageLink | None, query: MultiDict[str, str]) -> wire.Document:
    def entry(event: Event) -> wire.Document:
        return wire.free_busy(event, reading.localized_in, include_ids=reading.include_ids)

    return _page("free_busy", FREE_BUSY_PER_PAGE, reading, link, query, entry)


def _page(
    name: str,
    size: int,
    reading: Reading,
    link: PageLink | None,
    query: MultiDict[str, str],
    entry: Callable[[Event], wire.Document],
) -> wire.Document:
    number = link.number if link else 1
    if reading.selection is None:
        return wire.page(number, max(number, 1), None, {name: []})
    store = current_backend().events
    found = store.page(reading.selection, link.after if link else None, size + 1)
    more = len(found) > size
    # Counting is only needed where there are several pages: a first page that holds all knows the total.
    total = 1 if number == 1 and not more else -(-store.count(reading.selection) // size)
    next_page = None
    if more:
        last = found[size - 1]
        further = PageLink.after_page(number, query, Cursor(last.draft.time.start, last.event_uid))
        next_page = f"{current_backend().public_url}/v1/{name}/pages/{further.encode()}"
    return wire.page(number, max(total, number), next_page, {name: [entry(event) for event in found[:size]]})
