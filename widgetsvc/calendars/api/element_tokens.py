"""`POST /v1/element_tokens`: mint a token for a browser."""

from collections.abc import Container, Sequence
from typing import Annotated, Literal

from flask import Blueprint, Response, jsonify
from pydantic import AfterValidator, Field, StringConstraints

from widgetsvc.calendars.api.credentials import API_KEY
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import FieldError, InvalidParameters
from widgetsvc.calendars.records import Application
from widgetsvc.calendars.requests.base import Request, Text, fault
from widgetsvc.permissions import Permission
from widgetsvc.urls import origin_of

blueprint = Blueprint("element_tokens", __name__)

_MAX_SUBS = 50
_MAX_ORIGIN = 300


def _permissions(names: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in names if name not in set(Permission)]
    if unknown:
        raise fault("errors.not_recognized", f"unknown: {', '.join(unknown)}")
    return names


def _origin(text: str) -> str:
    origin = origin_of(text)
    if origin is None:
        raise fault("errors.invalid", "must be an origin such as https://jobs.example.com")
    return origin


class ElementTokenRequest(Request):
    """What the token shall allow. A URL as `origin` is cut to its origin."""

    version: Literal["1"] = "1"
    permissions: Annotated[list[str], Field(min_length=1, max_length=16), AfterValidator(_permissions)]
    subs: Annotated[list[Text], Field(max_length=_MAX_SUBS, default_factory=list)]
    origin: Annotated[str, StringConstraints(max_length=_MAX_ORIGIN), AfterValidator(_origin)]


@endpoint(
    blueprint,
    "POST",
    "/v1/element_tokens",
    {200: "the token and how long it lives"},
    caller=API_KEY,
    body=ElementTokenRequest,
)
def mint_element_token(application: Application, wanted: ElementTokenRequest) -> Response:
    """Mint a token for a browser: some accounts, some permissions, one origin."""
    backend = current_backend()
    known = backend.accounts.accounts(application.application_id, wanted.subs)
    _refuse_unknown(wanted.subs, known)
    permissions = [Permission(name) for name in dict.fromkeys(wanted.permissions)]
    issued = backend.element_tokens.issue(application.application_id, wanted.subs, permissions, wanted.origin)
    return jsonify(
        element_token={
            "permissions": permissions,
            "origin": wanted.origin,
            "token": issued.token,
            "expires_in": issued.expires_in,
        }
    )


def _refuse_unknown(subs: Sequence[str], known: Container[str]) -> None:
    faults = [
        FieldError(f"subs[{index}]", "errors.not_recognized", "is not an account of this application")
        for index, sub in enumerate(subs)
        if sub not in known
    ]
    if faults:
        raise InvalidParameters(faults)
