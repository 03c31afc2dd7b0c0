"""`POST /v1/batch`: several writes in one request, each of which succeeds or fails on its own.

All of them are one transaction, so that one commit pays for fifty: where the database fails, or the service
dies before it answers, none of them is carried out.
"""

import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import Connection
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import MapAdapter

from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint, operation_of
from widgetsvc.calendars.backend import current_backend, one_transaction, undoing
from widgetsvc.calendars.errors import ApiError, InvalidParameters
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.base import parse_json
from widgetsvc.calendars.requests.batch import BatchEntry, BatchRequest

blueprint = Blueprint("batch", __name__)

Write = Callable[[], Response]


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
    urls = current_app.url_map.bind("")
    # What can be refused without the database is, before others have to wait for the transaction's end.
    steps = [_step(owner, entry, urls) for entry in wanted.batch]
    with one_transaction() as connection:
        # Batches of one account queue: two that write the same events in different order would wait for each
        # other.
        current_backend().accounts.lock(connection, owner.application_id, [owner.sub])
        outcomes = [step if isinstance(step, Response) else _carry_out(step, connection) for step in steps]
    answer = jsonify(batch=[_as_document(outcome) for outcome in outcomes])
    answer.status_code = HTTPStatus.MULTI_STATUS
    return answer


def _step(owner: Account, entry: BatchEntry, urls: MapAdapter) -> Write | Response:
    """What is to be done for an entry, or its refusal."""
    try:
        return _write(owner, entry, urls)
    except (ApiError, HTTPException) as error:
        return _refusal(error)


def _write(owner: Account, entry: BatchEntry, urls: MapAdapter) -> Write:
    path = unquote(entry.relative_url.partition("?")[0])
    try:
        name, parts = urls.match(path, entry.method)
    except MethodNotAllowed:
        raise InvalidParameters.single("method", "errors.not_supported", "is not one of this URL's") from None
    operation = operation_of(current_app, name)
    if operation is None or operation.body is None or not operation.in_batch:
        raise InvalidParameters.single("relative_url", "errors.not_supported", "cannot be part of a batch")
    body = parse_json(operation.body, json.dumps(entry.data).encode())
    return partial(operation.handler, owner, body, **parts)


def _carry_out(write: Write, connection: Connection) -> Response:
    try:
        with undoing(connection, ApiError, HTTPException):
            return write()
    except (ApiError, HTTPException) as error:
        return _refusal(error)


def _refusal(error: ApiError | HTTPException) -> Response:
    """What the entry would have been answered as a request of its own."""
    return current_app.make_response(current_app.handle_user_exception(error))


def _as_document(outcome: Response) -> dict[str, Any]:
    document: dict[str, Any] = {"status": outcome.status_code}
    if outcome.is_json:
        document["data"] = outcome.json
    return document
