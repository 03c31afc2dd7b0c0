"""`/frame/{element}`: a page for iframes that holds nothing but the tag.

Who may frame it is the tenant's list of origins, enforced by the browser (`frame-ancestors`). Its HTML has
no token, no event and no name in it: the loader inside asks for a token as on any other page, with the
service's own origin. An assertion comes in the address's fragment (`#assertion=…`), which browsers send to no
server, so that it stands in no log.
"""

import re

from flask import Blueprint, Response, abort, make_response, render_template, request
from pydantic_core import from_json

from widgetsvc.errors import Fault, InvalidRequest
from widgetsvc.gateway.tenants import Access
from widgetsvc.permissions import Element
from widgetsvc.services import current_services
from widgetsvc.timezones import is_zone
from widgetsvc.web.headers import frame_policy, new_nonce

blueprint = Blueprint("frame", __name__)

_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_PARAMETERS = {"key", "calendar", "tzid", "locale", "options"}
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
    """The frame page; errors are pages too."""
    kind = _element(element)
    key, calendars = _query(kind)
    services = current_services()
    tenant = services.registry.by_publishable_key(key).tenant
    tenant.check_active()
    signed = tenant.policy.access is Access.SIGNED or kind.needs_assertion
    if not signed:
        # Signed access keeps to itself which calendars there are; whoever has no assertion is told nothing.
        services.calendars.check(tenant, calendars)
    nonce = new_nonce()
    html = render_template(
        "frame.html",
        nonce=nonce,
        service_url=services.service.public_url,
        bundle=services.bundle,
        element=kind.value,
        key=key,
        calendars=calendars,
        signed=signed,
        tzid=request.args.get("tzid"),
        locale=request.args.get("locale"),
        options=request.args.get("options"),
        title=_TITLES[kind],
    )
    response = make_response(html)
    response.headers["Cache-Control"] = "no-store"
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


def _query(element: Element) -> tuple[str, list[str]]:
    faults = [
        Fault(name[:64], f"is no parameter; there are {', '.join(sorted(_PARAMETERS))}")
        for name in sorted(request.args)
        if name not in _PARAMETERS
    ]
    key = request.args.get("key", "")
    calendars = [name for name in request.args.getlist("calendar") if name]
    if not key:
        faults.append(Fault("key", "is missing: the tenant's publishable key, pk_…"))
    if not calendars:
        faults.append(Fault("calendar", "is missing: the id of one of the tenant's calendars"))
    if len(calendars) > 1 and not element.takes_many_calendars:
        faults.append(Fault("calendar", f"{element.value} shows one calendar"))
    faults += _option_faults()
    if faults:
        raise InvalidRequest(faults)
    return key, calendars


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
