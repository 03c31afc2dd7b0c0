"""What the OAuth endpoints are sent: client credentials in the body, and what is to be done with which token.

Source: RFC 6749 sections 2.3.1 and 6; RFC 7009 section 2.1; Cronofy API, Revoking Authorization.
"""

from typing import Any, Self

from pydantic import ConfigDict, model_validator

from widgetsvc.calendars.requests.base import Request, Text, either_is_required, fault


class OAuthRequest(Request):
    """Client credentials, and fields that without a value count as omitted (RFC 6749 section 3.2)."""

    client_id: Text
    client_secret: Text

    @model_validator(mode="before")
    @classmethod
    def _drop_blanks(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if value != ""}
        return data


class TokenRequest(OAuthRequest):
    """`POST /oauth/token`. Scopes cannot be narrowed: there is one."""

    grant_type: Text
    refresh_token: Text | None = None


class RevocationRequest(OAuthRequest):
    """`POST /oauth/token/revoke`: `token` counts before `sub`, and `sub` before `refresh_token`.

    The Node SDK adds its `refresh_token` to whatever it is asked to revoke, and sends that alone when it is
    asked for nothing in particular. `token_type_hint` is not needed: a token says by itself what it is.
    """

    model_config = ConfigDict(json_schema_extra=either_is_required("token", "sub", "refresh_token"))

    token: Text | None = None
    sub: Text | None = None
    refresh_token: Text | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.token is None and self.sub is None and self.refresh_token is None:
            raise fault("errors.required", "token or sub is required", "token")
        return self
