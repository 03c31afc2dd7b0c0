"""`POST /oauth/token`: exchange a refresh token.

Source: RFC 6749 sections 5.2 and 6; Cronofy API, Refreshing access tokens. Refresh tokens do not rotate.
"""

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.bodies import form_or_json
from widgetsvc.calendars.api.credentials import application_by_credentials
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import InvalidParameters, NotAuthenticated, OAuthRefused
from widgetsvc.calendars.requests.base import Request, Text

blueprint = Blueprint("oauth", __name__)


class TokenRequest(Request):
    """The fields of a refresh, all of them checked by hand: OAuth has errors of its own."""

    client_id: Text = ""
    client_secret: Text = ""
    grant_type: Text = ""
    refresh_token: Text = ""


@blueprint.post("/oauth/token")
def token() -> Response:
    """Return the tokens that belong to a refresh token."""
    wanted = _token_request()
    try:
        application = application_by_credentials(wanted.client_id, wanted.client_secret)
    except NotAuthenticated as error:
        raise OAuthRefused("invalid_client", str(error)) from None
    if wanted.grant_type == "authorization_code":
        raise OAuthRefused("invalid_grant", "application calendars are created without an authorization code")
    if wanted.grant_type != "refresh_token":
        raise OAuthRefused("unsupported_grant_type", "only refresh_token is supported")
    grant = current_backend().accounts.refresh(application, wanted.refresh_token)
    if grant is None:
        raise OAuthRefused("invalid_grant", "the refresh token is unknown or has been revoked")
    response = jsonify(wire.token_response(grant))
    response.headers["Pragma"] = "no-cache"
    return response


def _token_request() -> TokenRequest:
    try:
        wanted = form_or_json(TokenRequest)
    except InvalidParameters as error:
        raise OAuthRefused("invalid_request", str(error)) from None
    missing = [name for name, value in wanted if not value and name != "refresh_token"]
    if wanted.grant_type == "refresh_token" and not wanted.refresh_token:
        missing.append("refresh_token")
    if missing:
        raise OAuthRefused("invalid_request", f"missing: {', '.join(missing)}")
    return wanted
