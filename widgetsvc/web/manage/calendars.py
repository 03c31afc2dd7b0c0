"""`/manage/v1/calendars`: the tenant's application calendars."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from widgetsvc.errors import (
    AlreadyExists,
    CalendarRevoked,
    InvalidName,
    UnknownCalendar,
    UpstreamRejected,
    UpstreamUnavailable,
)
from widgetsvc.services import current_services
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import NOTHING, Answer, Reply, Resource
from widgetsvc.web.manage.models import Body, Document, Instant, Page, example
from widgetsvc.web.manage.paging import PageQuery, cut

resource = Resource(
    "Calendars",
    "Calendars that you name by ids of your own. In a path, an id is percent-encoded: "
    "`rooms/4:a` is `/calendars/rooms%2F4%3Aa`.",
)

_UPSTREAM = (UpstreamRejected, UpstreamUnavailable)
_EXAMPLE: dict[str, Any] = {
    "application_calendar_id": "store-42",
    "sub": "apc_64b17fbb8090ea21640c9152",
    "revoked_at": None,
}


class NewCalendar(Body):
    """The calendar to create."""

    model_config = example(application_calendar_id="store-42")

    application_calendar_id: Annotated[
        str, Field(description="1 to 180 printable characters, none of them a space.")
    ]


class CalendarDocument(Document):
    """An application calendar; `revoked_at` is null while it can be embedded."""

    model_config = example(**_EXAMPLE)

    application_calendar_id: str
    sub: Annotated[
        str | None, Field(description="The account in Cronofy's API; null until the calendar's first use.")
    ]
    revoked_at: Instant | None


class CalendarPage(Page[CalendarDocument]):
    """Calendars, in order of id."""

    model_config = example(items=[_EXAMPLE], next_cursor=None)


@resource.endpoint(
    "GET", "/calendars", {200: Answer("A page of the calendars.", CalendarPage)}, query=PageQuery
)
def list_calendars(caller: Caller, query: PageQuery) -> Reply:
    """List the calendars.

    In order of id, revoked ones included.
    """
    found = current_services().calendars.page(
        caller.tenant, limit=query.limit + 1, after=query.position("calendars")
    )
    page, cursor = cut("calendars", found, query.limit, lambda each: each.application_calendar_id)
    return Reply(
        CalendarPage(items=[CalendarDocument.model_validate(each) for each in page], next_cursor=cursor)
    )


@resource.endpoint(
    "POST",
    "/calendars",
    {
        200: Answer("It was there already.", CalendarDocument),
        201: Answer("The calendar, created.", CalendarDocument),
    },
    body=NewCalendar,
    errors=(InvalidName, AlreadyExists, CalendarRevoked, *_UPSTREAM),
)
def create_calendar(caller: Caller, body: NewCalendar) -> Reply:
    """Create a calendar.

    It is created in Cronofy's API, too. Creating it again changes nothing. One that was revoked is
    created anew, empty and with another `sub`.
    """
    calendars, name = current_services().calendars, body.application_calendar_id
    try:
        known = calendars.read(caller.tenant, name)
    except UnknownCalendar:
        known = None
    is_new = known is None or known.revoked_at is not None
    calendars.add(caller.tenant, name, by=caller.by)
    (sub,) = calendars.subs(caller.tenant, [name])
    return Reply(
        CalendarDocument(application_calendar_id=name, sub=sub, revoked_at=None),
        HTTPStatus.CREATED if is_new else HTTPStatus.OK,
        location=f"/calendars/{quote(name, safe='')}",
    )


@resource.endpoint(
    "GET",
    "/calendars/<text:application_calendar_id>",
    {200: Answer("The calendar.", CalendarDocument)},
    errors=(UnknownCalendar,),
)
def read_calendar(caller: Caller, application_calendar_id: str) -> Reply:
    """Read a calendar."""
    found = current_services().calendars.read(caller.tenant, application_calendar_id)
    return Reply(CalendarDocument.model_validate(found))


@resource.endpoint(
    "DELETE",
    "/calendars/<text:application_calendar_id>",
    {204: Answer("The calendar is revoked.")},
    errors=(UnknownCalendar, *_UPSTREAM),
)
def revoke_calendar(caller: Caller, application_calendar_id: str) -> Reply:
    """Revoke a calendar.

    It is deleted with its events, and its element tokens end. Where the calendar provider does not
    answer, the calendar can be embedded no more all the same, and repeating the request finishes what was
    begun.
    """
    current_services().calendars.revoke(caller.tenant, application_calendar_id, by=caller.by)
    return NOTHING
