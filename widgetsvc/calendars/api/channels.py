"""Push notification channels: created, listed and closed by the account whose changes they tell.

Source: Cronofy API, Push Notifications; where the documentation is silent:

- A calendar that is not the account's is a fault of the request (422), not a missing page.
- Cronofy takes HTTP addresses, too; here they are refused unless the operator's settings allow them.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.api.own_calendars import foreign_calendars
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import FieldError, InvalidParameters, NotFound
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.channels import ChannelRequest
from widgetsvc.outbound import AddressRefused

blueprint = Blueprint("channels", __name__)


def _store_faults(owner: Account, sent: Mapping[str, Any]) -> Iterator[FieldError]:
    """What is wrong with a body that only this server can know."""
    backend = current_backend()
    callback_url, filters = sent.get("callback_url"), sent.get("filters")
    if isinstance(callback_url, str):
        try:
            backend.outbound.check(callback_url)
        except AddressRefused as error:
            yield FieldError("callback_url", "errors.invalid", str(error))
    calendar_ids = filters.get("calendar_ids") if isinstance(filters, dict) else None
    yield from foreign_calendars(owner, calendar_ids, "filters.calendar_ids")
    if backend.accounts.client_secret(owner.application_id) is None:
        words = "the application's secret is not kept, so notifications could not be signed"
        yield FieldError("base", "errors.invalid", f"{words}; its credentials have to be made anew")


@endpoint(
    blueprint,
    "POST",
    "/v1/channels",
    {200: "the channel, which is an existing one where it is just like it"},
    caller=account(),
    body=ChannelRequest,
    further_faults=_store_faults,
)
def create_channel(owner: Account, wanted: ChannelRequest) -> Response:
    """Create a channel, which is sent a verification."""
    faults = list(_store_faults(owner, wanted.model_dump()))
    if faults:
        raise InvalidParameters(faults)
    channel = current_backend().channels.create(
        owner,
        wanted.callback_url,
        wanted.filters.calendar_ids,
        only_managed=wanted.filters.only_managed,
    )
    return jsonify(channel=channel.as_document())


@endpoint(blueprint, "GET", "/v1/channels", {200: "the account's channels"}, caller=account())
def list_channels(owner: Account) -> Response:
    """List the account's channels."""
    found = current_backend().channels.all_of(owner)
    return jsonify(channels=[channel.as_document() for channel in found])


@endpoint(
    blueprint, "DELETE", "/v1/channels/<channel_id>", {202: "closed: nothing more is sent"}, caller=account()
)
def close_channel(owner: Account, channel_id: str) -> Response:
    """Close a channel."""
    if not current_backend().channels.delete(owner, channel_id):
        raise NotFound("no such channel")
    return Response(status=HTTPStatus.ACCEPTED)
