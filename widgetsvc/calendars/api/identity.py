"""`GET /v1/userinfo` and `GET /v1/calendars`."""

from flask import Blueprint, Response, jsonify, request

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import ELEMENT_TOKEN_PARAMETER, account
from widgetsvc.calendars.errors import NotAuthenticated
from widgetsvc.permissions import Permission

blueprint = Blueprint("identity", __name__)

_READS_USERINFO = (Permission.AGENDA, Permission.ACCOUNT_MANAGEMENT, Permission.MANAGED_AVAILABILITY)


@blueprint.get("/v1/userinfo")
def userinfo() -> Response:
    """The account behind the token."""
    return jsonify(wire.userinfo(account(*_READS_USERINFO)))


@blueprint.get("/v1/calendars")
def calendars() -> Response:
    """The account's calendars; for access tokens only."""
    if ELEMENT_TOKEN_PARAMETER in request.args:
        raise NotAuthenticated("calendars are not listed for element tokens")
    return jsonify(wire.calendars(account()))
