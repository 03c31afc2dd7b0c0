"""Reads what a page asks for from a request to the token endpoint, and names every fault in it."""

from collections.abc import Mapping
from typing import Annotated, Any

from flask import g, request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, from_json
from werkzeug.exceptions import UnsupportedMediaType

from widgetsvc.errors import Fault, InvalidRequest, OriginNotAllowed, UnknownKey
from widgetsvc.gateway.embedding import EmbedRequest
from widgetsvc.permissions import Element, Permission
from widgetsvc.services import current_services
from widgetsvc.web.request_log import know_tenant

_MAX_CALENDARS = 50
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_LISTS = {"calendars", "permissions"}

Short = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class EmbedTokenBody(BaseModel):
    """The fields of an embed request; which of them go together is checked beside the types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    key: Short | None = None
    assertion: Annotated[str, StringConstraints(min_length=1, max_length=8_192)] | None = None
    widget: Short | None = None
    element: Short | None = None
    calendar: Short | None = None
    calendars: Annotated[list[Short], Field(min_length=1, max_length=_MAX_CALENDARS)] | None = None
    permissions: Annotated[list[Short], Field(min_length=1, max_length=8)] | None = None
    refused: Annotated[str, StringConstraints(min_length=1, max_length=8_192)] | None = None


def read_embed_request() -> EmbedRequest:
    """Read the current request's body, JSON or a form. Raises InvalidRequest with every fault in it."""
    fields = _fields()
    faults: list[Fault] = []
    try:
        body = EmbedTokenBody.model_validate(fields)
    except ValidationError as error:
        body = EmbedTokenBody()
        faults += map(_fault, error.errors(include_url=False))
    named = {fault.field.partition("[")[0] for fault in faults}
    faults += [fault for fault in _contradictions(fields) if fault.field not in named]
    if faults:
        _hide_from_strangers(fields.get("key"))
        raise InvalidRequest(faults)
    element = Element(body.element) if body.element else None
    permissions = frozenset(Permission(name) for name in body.permissions or ())
    return EmbedRequest(
        key=body.key,
        assertion=body.assertion,
        widget=body.widget,
        element=element,
        permissions=frozenset({element.permission}) if element else permissions,
        calendars=tuple(dict.fromkeys(body.calendars or ((body.calendar,) if body.calendar else ()))),
        refused=body.refused,
    )


def _hide_from_strangers(key: object) -> None:
    """Keep faults of a body from pages whose origin the tenant refuses anyway: they are told that first."""
    services = current_services()
    try:
        known = services.registry.by_publishable_key(key if isinstance(key, str) else "")
        know_tenant(known.tenant, str(key))
        services.desk.allowed_origin(known.tenant, request.headers.get("Origin"))
    except UnknownKey:
        return
    except OriginNotAllowed as error:
        g.origin_refused = True
        g.nearest_rule = error.nearest_rule


def _fields() -> Mapping[str, Any]:
    if request.mimetype == _JSON:
        fields = _json_object(request.get_data())
    elif request.mimetype == _FORM:
        fields = {
            name: values if name in _LISTS or len(values) > 1 else values[0]
            for name, values in request.form.lists()
        }
    else:
        raise UnsupportedMediaType(f"Send {_JSON} or {_FORM}.")
    authorization = request.authorization
    if authorization is not None and authorization.type == "bearer" and "assertion" not in fields:
        return {**fields, "assertion": authorization.token}
    return fields


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        fields = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest([Fault("", f"The body is not valid JSON: {error}.")]) from None
    if not isinstance(fields, dict):
        raise InvalidRequest([Fault("", "The body must be a JSON object.")])
    return fields


def _fault(error: ErrorDetails) -> Fault:
    path = "".join(f"[{part}]" if isinstance(part, int) else str(part)[:64] for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return Fault(path, f"is no field; there are {', '.join(sorted(EmbedTokenBody.model_fields))}")
    return Fault(path, error["msg"].replace("Input should", "must").replace("String should", "must"))


def _contradictions(fields: Mapping[str, Any]) -> list[Fault]:
    """Faults in how fields go together; they are found whether or not each field is of the right type."""
    given = {name for name, value in fields.items() if value is not None}
    faults = []
    if not given & {"key", "assertion"}:
        faults.append(Fault("key", "is missing: the tenant's publishable key, pk_…"))
    what = sorted(given & {"widget", "element", "permissions"})
    if not what:
        faults.append(Fault("element", f"is missing; there are {', '.join(sorted(Element))}"))
    if len(what) > 1:
        faults.append(Fault(what[1], f"does not go together with {what[0]}"))
    return faults + _calendar_faults(fields, given) + _vocabulary_faults(fields)


def _calendar_faults(fields: Mapping[str, Any], given: set[str]) -> list[Fault]:
    which = given & {"calendar", "calendars"}
    if "widget" in given:
        return [Fault(name, "comes from the widget") for name in sorted(which)]
    if not which:
        return [Fault("calendar", "is missing: the id of one of the tenant's calendars")]
    if len(which) > 1:
        return [Fault("calendars", "does not go together with calendar")]
    calendars, element = fields.get("calendars"), fields.get("element")
    if element in set(Element) and isinstance(calendars, list) and len(calendars) > 1:
        kind = Element(element)
        if not kind.takes_many_calendars:
            return [Fault("calendars", f"{kind.value} shows one calendar")]
    return []


def _vocabulary_faults(fields: Mapping[str, Any]) -> list[Fault]:
    faults = []
    element, permissions = fields.get("element"), fields.get("permissions")
    if isinstance(element, str) and element not in set(Element):
        faults.append(Fault("element", f"is none of {', '.join(sorted(Element))}"))
    for index, name in enumerate(permissions if isinstance(permissions, list) else []):
        if isinstance(name, str) and name not in set(Permission):
            faults.append(Fault(f"permissions[{index}]", f"is none of {', '.join(sorted(Permission))}"))
    return faults
