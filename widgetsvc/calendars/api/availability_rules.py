"""Availability rules: the weekly hours that an account keeps.

Source: Cronofy API, Availability Rules; deleting an unknown rule is no error.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.api.own_calendars import foreign_calendars
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import FieldError, InvalidParameters, NotFound
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.availability_rules import AvailabilityRuleRequest
from widgetsvc.calendars.store.availability_rules import MAX_RULES
from widgetsvc.permissions import Permission

blueprint = Blueprint("availability_rules", __name__)

_MANAGER = account(Permission.MANAGED_AVAILABILITY)


def _store_faults(owner: Account, sent: Mapping[str, Any]) -> Iterator[FieldError]:
    return foreign_calendars(owner, sent.get("calendar_ids"), "calendar_ids")


@endpoint(
    blueprint,
    "POST",
    "/v1/availability_rules",
    {200: "the rule as written"},
    caller=_MANAGER,
    body=AvailabilityRuleRequest,
    further_faults=_store_faults,
)
def upsert_availability_rule(owner: Account, wanted: AvailabilityRuleRequest) -> Response:
    """Create an availability rule, or replace the one of this id."""
    faults = list(_store_faults(owner, wanted.model_dump()))
    if faults:
        raise InvalidParameters(faults)
    if not current_backend().availability_rules.upsert(owner.sub, wanted.rule):
        raise InvalidParameters.single(
            "availability_rule_id", "errors.too_many", f"an account has at most {MAX_RULES} rules"
        )
    return jsonify(availability_rule=wire.availability_rule(wanted.rule))


@endpoint(
    blueprint, "GET", "/v1/availability_rules", {200: "the account's rules, oldest first"}, caller=account()
)
def list_availability_rules(owner: Account) -> Response:
    """The account's availability rules."""
    rules = current_backend().availability_rules.rules([owner.sub])[owner.sub]
    return jsonify(availability_rules=[wire.availability_rule(rule) for rule in rules])


@endpoint(
    blueprint,
    "GET",
    "/v1/availability_rules/<availability_rule_id>",
    {200: "the rule as written"},
    caller=_MANAGER,
)
def read_availability_rule(owner: Account, availability_rule_id: str) -> Response:
    """One availability rule."""
    rule = current_backend().availability_rules.rule(owner.sub, availability_rule_id)
    if rule is None:
        raise NotFound("no such availability rule")
    return jsonify(availability_rule=wire.availability_rule(rule))


@endpoint(
    blueprint,
    "DELETE",
    "/v1/availability_rules/<availability_rule_id>",
    {202: "deleted, or never there"},
    caller=account(),
)
def delete_availability_rule(owner: Account, availability_rule_id: str) -> Response:
    """Delete an availability rule."""
    current_backend().availability_rules.delete(owner.sub, availability_rule_id)
    return Response(status=HTTPStatus.ACCEPTED)
