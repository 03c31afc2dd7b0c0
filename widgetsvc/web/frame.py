"""`/frame/{element}` and `/frame/widget/{widget_id}`: pages for iframes that hold nothing but the tag.

A widget's address does not name its element, so that iframes stay right when the widget changes.

Who may frame it is the tenant's list of origins, enforced by the browser (`frame-ancestors`). Its HTML has
no token, no event and no name in it: the loader inside asks for a token as on any other page, with the
service's own origin. An assertion comes in the address's fragment (`#assertion=…`), which browsers send to no
server, so that it stands in no log.
"""

import re
from collections.abc import Collection, Sequence

from flask import Blueprint, Response, abort, g, make_response, render_template, request
from pydantic_core import from_json

from widgetsvc.errors import Fault, InvalidRequest
from widgetsvc.gateway.registry import KnownTenant
from widgetsvc.gateway.tenants import Access
from widgetsvc.gateway.widgets import Widget
from widgetsvc.permissions import Element
from widgetsvc.services import current_services
from widgetsvc.timezones import is_zone
from widgetsvc.web.headers import FRAME_ISOLATION, frame_policy, new_nonce
from widgetsvc.web.request_log import know_tenant

blueprint = Blueprint("frame", __name__)

_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_WIDGET_PARAMETERS = {"key", "tzid", "locale", "options"}
_PARAMETERS = _WIDGET_PARAMETERS | {"calendar"}
_TITLES = {
    Element.AGENDA: "Agenda",
    Element.AVAILABILITY_RULES: "Bookable hours",
    Element.AVAILABILITY_VIEWER: "Available times",
    Element.CALENDAR_SYNC: "Connected calendars",
    Element.DATE_TIME_PICKER: "Pick a day and time",
    Element.SLOT_PICKER: "Pick a time",
}


@blueprint.get("/frame/<element>")
def frame(element: str) -> Response:
    """The frame page of an element; errors are pages too."""
    kind = g.element = _element(element)
    faults = _parameter_faults(_PARAMETERS)
    calendars = [name for name in request.args.getlist("calendar") if name]
    if not calendars:
        faults.append(Fault("calendar", "is missing: the id of one of the tenant's calendars"))
    if len(calendars) > 1 and not kind.takes_many_calendars:
        faults.append(Fault("calendar", f"{kind.value} shows one calendar"))
    if faults:
        raise InvalidRequest(faults)
    return _page(_known(), kind, calendars)


@blueprint.get("/frame/widget/<widget_id>")
def widget_frame(widget_id: str) -> Response:
    """The frame page of a widget."""
    faults = _parameter_faults(_WIDGET_PARAMETERS)
    if faults:
        raise InvalidRequest(faults)
    known = _known()
    widget = current_services().desk.widget(known, widget_id)
    g.element = widget.element
    return _page(known, widget.element, widget.calendars, widget)


def _known() -> KnownTenant:
    key = request.args["key"]
    known = current_services().registry.by_publishable_key(key)
    know_tenant(known.tenant, key)
    known.tenant.check_active()
    return known


def _page(
    known: KnownTenant, element: Element, calendars: Sequence[str], widget: Widget | None = None
) -> Response:
    services, tenant = current_services(), known.tenant
    signed = tenant.policy.access is Access.SIGNED or element.needs_assertion
    if not signed:
        # Signed access keeps to itself which calendars there are; whoever has no assertion is told nothing.
        services.calendars.check(tenant, calendars)
    nonce = new_nonce()
    locale = request.args.get("locale")
    html = render_template(
        "frame.html",
        nonce=nonce,
        service_url=services.service.public_url,
        bundle=services.bundle,
        widget=widget.widget_id if widget else None,
        element=element.value,
        key=request.args["key"],
        calendars=calendars,
        signed=signed,
        tzid=request.args.get("tzid"),
        locale=locale,
        options=request.args.get("options"),
        language=locale or (widget.draft.look.locale if widget else None) or "en",
        title=(widget.draft.name if widget else None) or _TITLES[element],
    )
    response = make_response(html)
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(FRAME_ISOLATION)
    response.headers["Content-Security-Policy"] = frame_policy(
        nonce,
        connect=["'self'", services.service.api_url],
        ancestors=tenant.origins.frame_ancestors(),
    )
    return response


def _element(name: str) -> Element:
    if name not in set(Element):
        abort(404, f"There is no element called {name[:64]}; there are {', '.join(sorted(Element))}.")
    return Element(name)


def _parameter_faults(allowed: Collection[str]) -> list[Fault]:
    faults = [
        Fault(name[:64], f"is no parameter; there are {', '.join(sorted(allowed))}")
        for name in sorted(request.args)
        if name not in allowed
    ]
    if not request.args.get("key"):
        faults.append(Fault("key", "is missing: the tenant's publishable key, pk_…"))
    return faults + _option_faults()


def _option_faults() -> list[Fault]:
    """Faults of what is handed on to the tag; browsers withhold the nonce from a tag with `<script` in it."""
    faults = []
    tzid, locale, options = (request.args.get(name) for name in ("tzid", "locale", "options"))
    if tzid and not is_zone(tzid):
        faults.append(Fault("tzid", "is no IANA time zone such as Europe/London"))
    if locale and not _LOCALE.fullmatch(locale):
        faults.append(Fault("locale", "is no language tag such as en-GB"))
    if options and not _is_json_object(options):
        faults.append(Fault("options", "is no JSON object"))
    return faults


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(from_json(text, allow_inf_nan=False), dict)
    except ValueError:
        return False
