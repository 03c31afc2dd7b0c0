"""Refusals as Cronofy answers them.

Source: Cronofy API, Errors: 401, 403 and 404 have empty bodies, 422 lists the faults, 400 belongs to OAuth.
"""

import logging
from http import HTTPStatus

from flask import Flask, Response, jsonify
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from widgetsvc.calendars.errors import (
    InvalidParameters,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    OAuthRefused,
    TooManyRequests,
)

_log = logging.getLogger(__name__)

_REALM = 'Bearer realm="widgetsvc"'


def install(app: Flask) -> None:
    """Register the handlers and the headers that all answers share."""
    app.register_error_handler(InvalidParameters, _invalid_parameters)
    app.register_error_handler(NotAuthenticated, _not_authenticated)
    app.register_error_handler(NotPermitted, _not_permitted)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(TooManyRequests, _too_many_requests)
    app.register_error_handler(OAuthRefused, _oauth_refused)
    app.register_error_handler(DataError, _unstorable)
    app.register_error_handler(OperationalError, storage_unavailable)
    app.register_error_handler(PoolTimeoutError, storage_unavailable)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(HTTPException, _http_exception)
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    # Ruby's SDK takes its error message from this header.
    response.headers["Status"] = f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _invalid_parameters(error: InvalidParameters) -> tuple[Response, int]:
    return jsonify(error.as_document()), HTTPStatus.UNPROCESSABLE_ENTITY


def _not_authenticated(error: NotAuthenticated) -> Response:
    challenge = f'{_REALM}, error="{error.error}", error_description="{error}"'
    return Response(status=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": challenge})


def _not_permitted(_error: NotPermitted) -> Response:
    return Response(status=HTTPStatus.FORBIDDEN)


def _not_found(_error: NotFound) -> Response:
    return Response(status=HTTPStatus.NOT_FOUND)


def _too_many_requests(error: TooManyRequests) -> Response:
    return Response(status=HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": str(error.retry_after)})


def _oauth_refused(error: OAuthRefused) -> tuple[Response, int, dict[str, str]]:
    document = jsonify(error=error.error, error_description=str(error))
    return document, HTTPStatus.BAD_REQUEST, {"Pragma": "no-cache"}


def _unstorable(_error: DataError) -> tuple[Response, int]:
    # What is looked up, such as an id in a path, is held against no model; PostgreSQL refuses U+0000.
    document = InvalidParameters.single("base", "errors.invalid", "a value cannot be stored").as_document()
    return jsonify(document), HTTPStatus.UNPROCESSABLE_ENTITY


def storage_unavailable(error: OperationalError | PoolTimeoutError) -> Response:
    """Ask the caller to come again, and tell the operator."""
    # Locked, full or gone: nothing was written, and the same request may succeed later. An OperationalError's
    # own words would quote the statement, too.
    _log.error("the database does not answer: %s", getattr(error, "orig", error))
    return Response(status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "5"})


def _too_large(_error: RequestEntityTooLarge) -> tuple[Response, int]:
    document = InvalidParameters.single("base", "errors.too_long", "the body is too large").as_document()
    return jsonify(document), HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def _http_exception(error: HTTPException) -> Response:
    response = Response(status=error.code)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(allowed)
    return response
