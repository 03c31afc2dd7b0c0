"""`POST /v1/element_tokens`: mint a token for a browser."""

from collections.abc import Container, Sequence

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars.api.credentials import API_KEY
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import FieldError, InvalidParameters
from widgetsvc.calendars.records import Application
from widgetsvc.calendars.requests.element_tokens import ElementTokenRequest
from widgetsvc.permissions import Permission

blueprint = Blueprint("element_tokens", __name__)


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
