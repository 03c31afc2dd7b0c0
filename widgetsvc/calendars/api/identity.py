"""Who a token belongs to: the account, its profile and its calendar.

Source: Cronofy API, UserInfo, Account, Profiles and Calendars.
"""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import FieldError, InvalidParameters, NotFound
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.calendars import CalendarRequest
from widgetsvc.permissions import Permission

blueprint = Blueprint("identity", __name__)

_READS_USERINFO = (Permission.AGENDA, Permission.ACCOUNT_MANAGEMENT, Permission.MANAGED_AVAILABILITY)


@endpoint(
    blueprint, "GET", "/v1/userinfo", {200: "who the token belongs to"}, caller=account(*_READS_USERINFO)
)
def userinfo(owner: Account) -> Response:
    """The account behind the token, its profiles and calendars."""
    return jsonify(wire.userinfo(owner))


@endpoint(blueprint, "GET", "/v1/account", {200: "the account, of whichever kind"}, caller=account())
def read_account(owner: Account) -> Response:
    """The account behind the token."""
    return jsonify(wire.account(owner))


@endpoint(blueprint, "GET", "/v1/profiles", {200: "the account's profiles"}, caller=account())
def profiles(owner: Account) -> Response:
    """The account's profiles."""
    return jsonify(wire.profiles(owner))


@endpoint(
    blueprint,
    "POST",
    "/v1/profiles/<profile_id>/revoke",
    {202: "revoked; an application calendar as a whole"},
    caller=account(Permission.ACCOUNT_MANAGEMENT),
)
def revoke_profile(owner: Account, profile_id: str) -> Response:
    """Revoke a profile, and with it the calendar; an application calendar is revoked as a whole."""
    if profile_id != owner.profile_id or not owner.connected:
        raise NotFound("no such profile")
    current_backend().accounts.revoke_profile(owner)
    return Response(status=HTTPStatus.ACCEPTED)


@endpoint(blueprint, "GET", "/v1/calendars", {200: "the account's calendars"}, caller=account())
def calendars(owner: Account) -> Response:
    """The account's calendars."""
    return jsonify(wire.calendars(owner))


@endpoint(blueprint, "POST", "/v1/calendars", {}, caller=account(), body=CalendarRequest)
def create_calendar(owner: Account, wanted: CalendarRequest) -> Response:
    """Refuse a further calendar: an account has one, which came with it."""
    if wanted.profile_id != owner.profile_id or not owner.connected:
        fault = FieldError("profile_id", "errors.not_recognized", "is not a profile of this account")
    else:
        fault = FieldError("profile_id", "errors.not_supported", "has its one calendar already")
    # pycronofy looks for a key under `name` whatever is wrong.
    name = FieldError("name", "errors.not_supported", "cannot be given to a further calendar")
    raise InvalidParameters([fault, name])
