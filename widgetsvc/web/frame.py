"""`/frame/{element}` and `/frame/widget/{widget_id}`: pages for iframes that hold nothing but the tag.

A widget's address does not name its element, so that iframes stay right when the widget changes.

Who may frame it is the tenant's list of origins, enforced by the browser (`frame-ancestors`). Its HTML has
no token and no event in it, and where access is signed neither names nor times: the loader inside asks for a
token as on any other page, with the service's own origin. An assertion comes in the address's fragment
(`#assertion=…`), which browsers send to no server, so that it stands in no log.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, g, make_response, render_template, request
from pydantic_core import from_json

from widgetsvc.errors import Fault, InvalidRequest, UpstreamError
from widgetsvc.gateway.calendars import TenantCalendar
from widgetsvc.gateway.first_slots import Search
from widgetsvc.gateway.origins import Origin
from widgetsvc.gateway.queries import DEFAULT_QUERY
from widgetsvc.gateway.registry import KnownTenant
from widgetsvc.gateway.tenant_models import Access, Tenant
from widgetsvc.gateway.widget_models import Callback, Message, takes_query
from widgetsvc.gateway.widgets import Widget
from widgetsvc.permissions import Element
from widgetsvc.services import current_services
from widgetsvc.timezones import is_zone
from widgetsvc.web.first_paint import Offer, read_day, read_slot
from widgetsvc.web.headers import frame_policy, new_nonce
from widgetsvc.web.rate_limit import check_frame
from widgetsvc.web.request_log import know_tenant
from widgetsvc.web.tongue import Tongue, direction, tongue_of

blueprint = Blueprint("frame", __name__)

_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_WIDGET_PARAMETERS = {"key", "tzid", "locale", "options", "slot", "day", "host"}
_PARAMETERS = _WIDGET_PARAMETERS | {"calendar"}


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
    check_frame(known.tenant)
    known.tenant.check_active()
    return known


@dataclass(frozen=True, slots=True)
class _Asked:
    """How the page is to be shown: `tzid` is None where it is the tenant's or widget's to say."""

    tzid: str | None
    language: str
    tongue: Tongue
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a frame is to show, whose it is, and how."""

    known: KnownTenant
    element: Element
    calendars: Sequence[str]
    widget: Widget | None
    asked: _Asked

    @property
    def tenant(self) -> Tenant:
        return self.known.tenant

    @property
    def is_signed(self) -> bool:
        """Whether it takes an assertion; without one, not even which calendars there are is told."""
        return self.tenant.policy.access is Access.SIGNED or self.element.needs_assertion


def _page(
    known: KnownTenant, element: Element, calendars: Sequence[str], widget: Widget | None = None
) -> Response:
    subject = _Subject(known, element, calendars, widget, _asked(widget))
    offer = None if subject.is_signed else _offer(subject)
    slot, day = _chosen(offer)
    if offer is not None and slot is not None:
        return _answer(subject, offer, "slot.html", _slot(subject, offer, slot))
    return _answer(subject, offer, "frame.html", _calendar(subject, offer, day))


def _slot(subject: _Subject, offer: Offer, slot: int) -> dict[str, Any]:
    """What the page of a slot that was picked without scripts says."""
    chosen = offer.chosen(slot)
    message = subject.widget.draft.after_pick if subject.widget else None
    return {
        "chosen": chosen,
        "times": offer.times(None) if chosen.is_free is False else None,
        "message": message.text if isinstance(message, Message) else None,
    }


def _calendar(subject: _Subject, offer: Offer | None, day: date | None) -> dict[str, Any]:
    """What the page with the tag hands to the loader, and shows until the Element is there."""
    services, widget = current_services(), subject.widget
    return {
        "bundle": services.bundle,
        "core": services.loader.core,
        "inline": services.loader.parts["inline"],
        "guest": services.loader.parts["guest"],
        "host": _host(subject.tenant),
        "widget": widget.widget_id if widget else None,
        "element": subject.element.value,
        "key": request.args["key"],
        "calendars": subject.calendars,
        "signed": subject.is_signed,
        "tzid": request.args.get("tzid"),
        "locale": request.args.get("locale"),
        "options": request.args.get("options"),
        "offers": offer is not None,
        "times": offer.times(day) if offer else None,
    }


def _host(tenant: Tenant) -> str | None:
    """The page that manages the frame by messages, where the tenant allows it; others are not talked to."""
    origin = Origin.parse(request.args.get("host"))
    return str(origin) if origin is not None and tenant.origins.match(origin) is not None else None


def _answer(subject: _Subject, offer: Offer | None, template: str, content: Mapping[str, Any]) -> Response:
    service, asked, nonce = current_services().service, subject.asked, new_nonce()
    title = subject.widget.draft.name if subject.widget and not subject.is_signed else None
    page = render_template(
        template,
        nonce=nonce,
        service_url=service.public_url,
        language=asked.language,
        direction=direction(asked.language),
        tongue=asked.tongue,
        title=title or asked.tongue.words.titles[subject.element],
        titled=title is not None,
        hosted=request.headers.get("Sec-Fetch-Dest") == "document",
        top=offer is not None and offer.leaves_the_frame,
        **content,
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    response.vary.update(("Accept-Language", "Sec-Fetch-Dest"))
    response.headers["Content-Security-Policy"] = frame_policy(
        nonce,
        connect=["'self'", service.api_url],
        ancestors=subject.tenant.origins.frame_ancestors(),
    )
    # Without both, pages that are isolated (HTML, cross-origin isolation) may not frame it.
    response.headers["Cross-Origin-Embedder-Policy"] = "require-corp"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _asked(widget: Widget | None) -> _Asked:
    """Read it as the loader does: parameters stand above options, and these above the widget."""
    options = from_json(request.args.get("options") or "{}")
    tzid = request.args.get("tzid") or options.get("tzid")
    locale = request.args.get("locale") or options.get("locale") or (widget and widget.draft.look.locale)
    if not isinstance(locale, str) or not _LOCALE.fullmatch(locale):
        # The Element then speaks the browser's language.
        tongue = tongue_of(request.accept_languages.values())
        locale = tongue.tag
    else:
        tongue = tongue_of([locale])
    return _Asked(tzid if isinstance(tzid, str) and is_zone(tzid) else None, locale, tongue, options)


def _offer(subject: _Subject) -> Offer | None:
    """What times the frame can show by itself; None where they are not known here.

    Raises CalendarRevoked and UnknownCalendar, whatever is shown of the calendars.
    """
    tenant, element, widget, asked = subject.tenant, subject.element, subject.widget, subject.asked
    calendars = current_services().calendars.check(tenant, subject.calendars)
    # Options by which the Element looks for other times than the gateway would.
    deciding = {"availability_query", *(("config",) if element is Element.AVAILABILITY_VIEWER else ())}
    if not takes_query(element) or not tenant.policy.allows(element) or deciding & asked.options.keys():
        return None
    query = widget.draft.query if widget else DEFAULT_QUERY
    zone = query.tzid or tenant.policy.tzid
    return Offer(
        slots=current_services().first_slots,
        search=Search.of(element, _subs(subject.known, calendars), query, zone),
        tz=ZoneInfo(asked.tzid or zone),
        tongue=asked.tongue,
        after_pick=widget.draft.after_pick if widget else Callback(),
    )


def _subs(known: KnownTenant, calendars: Mapping[str, TenantCalendar]) -> tuple[str, ...]:
    """The accounts behind calendars; empty where one has never been used, and creating it would take time."""
    services = current_services()
    subs = tuple(calendar.sub for calendar in calendars.values() if calendar.sub is not None)
    if len(subs) == len(calendars):
        return subs
    try:
        return services.registry.subs(known, tuple(calendars)) if services.backend is not None else ()
    except UpstreamError:
        return ()


def _chosen(offer: Offer | None) -> tuple[int | None, date | None]:
    """The slot and the day that the address names."""
    slot, day = request.args.get("slot"), request.args.get("day")
    faults = []
    if slot and (offer is None or read_slot(slot) is None):
        faults.append(Fault("slot", "is no start that this frame offers, such as 2031-06-25T09:00:00Z"))
    if day and (offer is None or read_day(day) is None):
        faults.append(Fault("day", "is no day that this frame offers, such as 2031-06-25"))
    if faults:
        raise InvalidRequest(faults)
    return read_slot(slot) if slot else None, read_day(day) if day else None


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
