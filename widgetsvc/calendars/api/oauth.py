"""`POST /oauth/token` and `POST /oauth/token/revoke`, on Authlib's server framework.

Source: RFC 6749 sections 5 and 6, RFC 7009; Cronofy API, Refreshing access tokens and Revoking Authorization.
Where Cronofy differs from the RFCs or from Authlib's habits:

- Credentials come in the body, as a form or as JSON; the Authorization header is not looked at. Refused ones
  are 400 like all else, never 401.
- Refresh tokens do not rotate, and an access token that lives for another ten minutes is given out again.
- Either token, or the account's `sub`, revokes the whole account. Tokens and subs that are unknown, or
  another application's, are answered as if they had been revoked.
"""

from http import HTTPStatus
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    BaseGrant,
    ClientMixin,
    InvalidClientError,
    InvalidGrantError,
    OAuth2Request,
    TokenEndpointMixin,
    TokenMixin,
)
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from flask import Blueprint, Response

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.endpoint import Empty, endpoint
from widgetsvc.calendars.api.rate_limits import count_request
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.records import Account, Application, Grant
from widgetsvc.calendars.requests.oauth import OAuthRequest, RevocationRequest, TokenRequest

blueprint = Blueprint("oauth", __name__)

_CREDENTIALS_IN_BODY = "client_secret_post"
_NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class _BodyRequest(OAuth2Request):
    """A request whose fields have been read from a form or from JSON."""

    def __init__(self, wanted: OAuthRequest) -> None:
        # Authlib refuses plain http by this URI. TLS ends before the service, where it cannot be seen.
        super().__init__("POST", "https://localhost/oauth")
        self.payload = BasicOAuth2Payload(wanted.model_dump(exclude_none=True))

    @property
    def form(self) -> dict[str, str]:
        fields: dict[str, str] = self.payload.data
        return fields


class _Client(ClientMixin):
    """An application that has shown its secret."""

    def __init__(self, application: Application) -> None:
        self.application_id = application.application_id

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == _CREDENTIALS_IN_BODY

    def check_grant_type(self, _grant_type: str) -> bool:
        return True


def _authenticate(_query_client: object, request: _BodyRequest) -> _Client:
    fields = request.form
    application = current_backend().accounts.application_by_secret(
        fields["client_secret"], fields["client_id"]
    )
    if application is None:
        raise InvalidClientError("the client credentials are unknown")
    count_request(application.application_id)
    return _Client(application)


class _Refreshed(TokenMixin):
    """What a refresh token is good for; it was looked up among those of the client's application."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant

    def check_client(self, _client: _Client) -> bool:
        return True


class _RefreshTokenGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = (_CREDENTIALS_IN_BODY,)

    def authenticate_refresh_token(self, refresh_token: str) -> _Refreshed:
        # Finds the account and its access token in one transaction, so that no revocation comes between.
        application_id = self.request.client.application_id
        grant = current_backend().accounts.refresh(application_id, refresh_token)
        if grant is None:
            raise InvalidGrantError("the refresh token is unknown or has been revoked")
        return _Refreshed(grant)

    def authenticate_user(self, refresh_token: _Refreshed) -> Account:
        return refresh_token.grant.account

    def issue_token(self, _user: Account, refresh_token: _Refreshed) -> wire.Document:
        return wire.token_response(refresh_token.grant)

    def save_token(self, token: wire.Document) -> None:
        """Do nothing: it is stored since it was found."""

    def revoke_old_credential(self, refresh_token: _Refreshed) -> None:
        """Do nothing: refresh tokens do not rotate."""


class _AuthorizationCodeGrant(BaseGrant, TokenEndpointMixin):
    """Refuses every code: none is given out, since accounts are created without one."""

    GRANT_TYPE = "authorization_code"
    TOKEN_ENDPOINT_AUTH_METHODS = (_CREDENTIALS_IN_BODY,)

    def validate_token_request(self) -> None:
        self.authenticate_token_endpoint_client()
        raise InvalidGrantError("accounts are created without an authorization code")


class _Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = (_CREDENTIALS_IN_BODY,)

    def authenticate_token(self, request: _BodyRequest, _client: _Client) -> dict[str, str]:
        """Take what is to be revoked as it was sent: it is looked up by the statement that deletes it."""
        return request.form

    def revoke_token(self, token: dict[str, str], request: _BodyRequest) -> None:
        accounts, application_id = current_backend().accounts, request.client.application_id
        if "token" in token:
            accounts.revoke_by_token(application_id, token["token"])
        elif "sub" in token:
            accounts.revoke(application_id, token["sub"])
        else:
            accounts.revoke_by_token(application_id, token["refresh_token"])

    def create_endpoint_response(self, request: _BodyRequest) -> tuple[int, str, list[tuple[str, str]]]:
        super().create_endpoint_response(request)
        return HTTPStatus.OK, "", _NO_STORE


class _Server(AuthorizationServer):
    """Reads the fields that a view has checked, where Authlib would read a form."""

    def create_oauth2_request(self, request: OAuthRequest) -> _BodyRequest:
        return _BodyRequest(request)


def _server() -> Any:
    server = _Server()
    server.register_client_auth_method(_CREDENTIALS_IN_BODY, _authenticate)
    server.register_grant(_RefreshTokenGrant)
    server.register_grant(_AuthorizationCodeGrant)
    server.register_endpoint(_Revocation)
    return server


_SERVER = _server()


@endpoint(
    blueprint,
    "POST",
    "/oauth/token",
    {200: "tokens; the refresh token is the one that was sent"},
    body=TokenRequest,
    takes_form=True,
    is_oauth=True,
)
def refresh_token(wanted: TokenRequest) -> Response:
    """Exchange a refresh token for an access token."""
    response: Response = _SERVER.create_token_response(wanted)
    return response


@endpoint(
    blueprint,
    "POST",
    "/oauth/token/revoke",
    {200: Empty("revoked, or nothing that could be")},
    body=RevocationRequest,
    takes_form=True,
    is_oauth=True,
)
def revoke_authorization(wanted: RevocationRequest) -> Response:
    """Revoke an account by one of its tokens or its sub: its tokens end, and all it holds is deleted."""
    response: Response = _SERVER.create_endpoint_response(_Revocation.ENDPOINT_NAME, wanted)
    return response
