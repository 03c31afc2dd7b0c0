"""`GET /v1/userinfo` and `GET /v1/calendars`."""

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.records import Account
from widgetsvc.permissions import Permission

blueprint = Blueprint("identity", __name__)

_READS_USERINFO = (Permission.AGENDA, Permission.ACCOUNT_MANAGEMENT, Permission.MANAGED_AVAILABILITY)


@endpoint(
    blueprint, "GET", "/v1/userinfo", {200: "who the token belongs to"}, caller=account(*_READS_USERINFO)
)
def userinfo(owner: Account) -> Response:
    """The account behind the token, its profiles and calendars."""
    return jsonify(wire.userinfo(owner))


@endpoint(blueprint, "GET", "/v1/calendars", {200: "the account's calendars"}, caller=account())
def calendars(owner: Account) -> Response:
    """The account's calendars."""
    return jsonify(wire.calendars(owner))
