"""`/manage/v1/widgets`: presets, which pages embed by their id."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError

from widgetsvc.errors import Conflict, InvalidRequest, InvalidValue, UnknownWidget
from widgetsvc.gateway.widget_models import (
    AfterPick,
    Callback,
    WidgetDraft,
    WidgetLook,
    WidgetQuery,
    faults_of,
)
from widgetsvc.gateway.widgets import Widget
from widgetsvc.permissions import Element
from widgetsvc.services import current_services
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import NOTHING, Answer, Reply, Resource
from widgetsvc.web.manage.models import Document, Instant, Page, Patch, example
from widgetsvc.web.manage.paging import PageQuery, cut
from widgetsvc.web.manage.preconditions import version_to_change

resource = Resource(
    "Widgets",
    "Presets: an element, calendars, which times it offers, how it looks, and what follows a pick. A page "
    "embeds one by its id, and shows what the widget is at that moment.",
)

_DRAFT: dict[str, Any] = {
    "name": "Consultations",
    "element": "slot-picker",
    "calendars": ["store-42"],
    "query": {
        "duration_minutes": 30,
        "days_ahead": 14,
        "tzid": "Europe/London",
        "minimum_notice_minutes": 60,
        "weekly_hours": [{"day": "monday", "start_time": "09:00", "end_time": "17:00"}],
    },
}
_EXAMPLE: dict[str, Any] = {
    "widget_id": "wgt_3f0c9a5e7b21d8c4460a91ef",
    **_DRAFT,
    "look": {},
    "after_pick": {"kind": "callback"},
    "version": 1,
    "created_at": "2031-06-25T09:00:00Z",
    "updated_at": "2031-06-25T09:00:00Z",
}


class NewWidget(WidgetDraft):
    """The widget to create. What is left out of a part has its default, whatever that may be in future."""

    model_config = example(**_DRAFT)


class WidgetPatch(Patch):
    """What to change: a member that is given takes the place of the old one as a whole."""

    model_config = example(calendars=["store-42", "store-43"])

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    element: Annotated[Element, Field(strict=False)] = Element.AGENDA
    calendars: Annotated[tuple[str, ...], Field(strict=False)] = ()
    query: WidgetQuery = WidgetQuery()
    look: WidgetLook = WidgetLook()
    after_pick: AfterPick = Callback()

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read what was sent. Raises InvalidRequest with every fault in it."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidRequest(faults_of(error)) from None


class WidgetDocument(Document):
    """A widget, its parts as they were written."""

    model_config = example(**_EXAMPLE)

    widget_id: str
    name: str | None
    element: Element
    calendars: tuple[str, ...]
    query: WidgetQuery
    look: WidgetLook
    after_pick: AfterPick
    version: Annotated[int, Field(description="Grows with every change; also the entity tag, as `v7`.")]
    created_at: Instant
    updated_at: Instant


class WidgetPage(Page[WidgetDocument]):
    """Widgets, the oldest first."""

    model_config = example(items=[_EXAMPLE], next_cursor=None)


@resource.endpoint("GET", "/widgets", {200: Answer("A page of the widgets.", WidgetPage)}, query=PageQuery)
def list_widgets(caller: Caller, query: PageQuery) -> Reply:
    """List the widgets.

    The oldest first.
    """
    found = current_services().widgets.page(caller.tenant, query.limit + 1, _position(query))
    page, cursor = cut("widgets", found, query.limit, lambda each: f"{each.created_at} {each.widget_id}")
    return Reply(WidgetPage(items=[_document(each) for each in page], next_cursor=cursor))


@resource.endpoint(
    "POST",
    "/widgets",
    {201: Answer("The widget, created.", WidgetDocument)},
    body=NewWidget,
    errors=(InvalidValue, Conflict),
    versioned=True,
)
def create_widget(caller: Caller, body: NewWidget) -> Reply:
    """Create a widget.

    Its calendars have to be the tenant's, and its element within the tenant's policy.
    """
    widget = current_services().widgets.create(caller.tenant, body, by=caller.by)
    return _reply(widget, HTTPStatus.CREATED)


@resource.endpoint(
    "GET",
    "/widgets/<text:widget_id>",
    {200: Answer("The widget.", WidgetDocument)},
    errors=(UnknownWidget,),
    versioned=True,
)
def read_widget(caller: Caller, widget_id: str) -> Reply:
    """Read a widget."""
    return _reply(current_services().widgets.get(caller.tenant, widget_id))


@resource.endpoint(
    "PATCH",
    "/widgets/<text:widget_id>",
    {200: Answer("The widget as it is now.", WidgetDocument)},
    body=WidgetPatch,
    errors=(UnknownWidget, InvalidValue),
    versioned=True,
)
def update_widget(caller: Caller, body: WidgetPatch, widget_id: str) -> Reply:
    """Change a widget.

    Pages that embed it show the change at their next load. A member that is given takes the place of the
    old one as a whole: to change an hour, send the whole query. Even without `If-Match` it is refused
    where somebody else changes the widget at the same moment.
    """
    widgets = current_services().widgets
    old = widgets.get(caller.tenant, widget_id)
    version_to_change(old.version)
    changed = body.model_dump(mode="json", exclude_unset=True)
    draft = WidgetDraft.read(old.draft.as_document() | changed)
    # Whatever the version that was asked for: changes of different members must not undo each other.
    return _reply(widgets.update(caller.tenant, widget_id, draft, version=old.version, by=caller.by))


@resource.endpoint(
    "DELETE",
    "/widgets/<text:widget_id>",
    {204: Answer("The widget is gone.")},
    errors=(UnknownWidget,),
    versioned=True,
)
def delete_widget(caller: Caller, widget_id: str) -> Reply:
    """Delete a widget.

    Pages that embed it show it no more.
    """
    widgets = current_services().widgets
    version = version_to_change(widgets.get(caller.tenant, widget_id).version)
    widgets.delete(caller.tenant, widget_id, version=version, by=caller.by)
    return NOTHING


def _position(query: PageQuery) -> tuple[int, str] | None:
    position = query.position("widgets", "[0-9]{1,18} .+")
    if position is None:
        return None
    created_at, _, widget_id = position.partition(" ")
    return int(created_at), widget_id


def _reply(widget: Widget, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    location = f"/widgets/{widget.widget_id}" if status is HTTPStatus.CREATED else None
    return Reply(_document(widget), status, version=widget.version, location=location)


def _document(widget: Widget) -> WidgetDocument:
    draft = widget.draft
    return WidgetDocument(
        widget_id=widget.widget_id,
        name=draft.name,
        element=draft.element,
        calendars=draft.calendars,
        query=draft.query,
        look=draft.look,
        # The kind is written even where it was left out.
        after_pick=draft.after_pick.model_copy(update={"kind": draft.after_pick.kind}),
        version=widget.version,
        created_at=widget.created_at,
        updated_at=widget.updated_at,
    )
