"""`POST /v1/batch`: several writes in one request, each of which succeeds or fails on its own."""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint, operation_of
from widgetsvc.calendars.errors import ApiError, InvalidParameters
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.base import parse_json
from widgetsvc.calendars.requests.batch import BatchEntry, BatchRequest

blueprint = Blueprint("batch", __name__)


@endpoint(
    blueprint,
    "POST",
    "/v1/batch",
    {207: "the status of every entry, in order"},
    caller=account(),
    body=BatchRequest,
)
def run_batch(owner: Account, wanted: BatchRequest) -> Response:
    """Carry out several writes, one after the other."""
    answer = jsonify(batch=[_outcome(owner, entry) for entry in wanted.batch])
    answer.status_code = HTTPStatus.MULTI_STATUS
    return answer


def _outcome(owner: Account, entry: BatchEntry) -> dict[str, Any]:
    try:
        response = _carry_out(owner, entry)
    except (ApiError, HTTPException, OperationalError) as error:
        # What the entry would have been answered as a request of its own.
        response = current_app.make_response(current_app.handle_user_exception(error))
    outcome: dict[str, Any] = {"status": response.status_code}
    if response.is_json:
        outcome["data"] = response.json
    return outcome


def _carry_out(owner: Account, entry: BatchEntry) -> Response:
    path = unquote(entry.relative_url.partition("?")[0])
    try:
        name, parts = current_app.url_map.bind("").match(path, entry.method)
    except MethodNotAllowed:
        raise InvalidParameters.single("method", "errors.not_supported", "is not one of this URL's") from None
    operation = operation_of(current_app, name)
    if operation is None or operation.body is None or not operation.in_batch:
        raise InvalidParameters.single("relative_url", "errors.not_supported", "cannot be part of a batch")
    body = parse_json(operation.body, json.dumps(entry.data).encode())
    return operation.handler(owner, body, **parts)
