"""Errors become answers here, and only here: which status, which form.

Machines get RFC 9457 problem documents, people at a frame a page.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, json, make_response, render_template, request
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from widgetsvc import errors
from widgetsvc.gateway.origins import Origin
from widgetsvc.services import current_services
from widgetsvc.web.headers import new_nonce, page_policy
from widgetsvc.web.support import support_code

_log = logging.getLogger(__name__)

STATUSES: Mapping[type[errors.ServiceError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.UnknownKey: HTTPStatus.UNAUTHORIZED,
    errors.InvalidAssertion: HTTPStatus.UNAUTHORIZED,
    errors.ExpiredAssertion: HTTPStatus.UNAUTHORIZED,
    errors.OriginNotAllowed: HTTPStatus.FORBIDDEN,
    errors.AssertionRequired: HTTPStatus.FORBIDDEN,
    errors.PermissionNotAllowed: HTTPStatus.FORBIDDEN,
    errors.TenantSuspended: HTTPStatus.FORBIDDEN,
    errors.UnknownTenant: HTTPStatus.NOT_FOUND,
    errors.UnknownCalendar: HTTPStatus.NOT_FOUND,
    errors.UnknownWidget: HTTPStatus.NOT_FOUND,
    errors.UnknownResource: HTTPStatus.NOT_FOUND,
    errors.CalendarRevoked: HTTPStatus.GONE,
    errors.AlreadyExists: HTTPStatus.CONFLICT,
    errors.InvalidOriginRule: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidName: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidValue: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SecretKeyExposed: HTTPStatus.FORBIDDEN,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.RequestInFlight: HTTPStatus.CONFLICT,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.StorageUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UpstreamRejected: HTTPStatus.BAD_GATEWAY,
    errors.UpstreamUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_WORTH_RETRYING = (
    errors.RateLimited,
    errors.RequestInFlight,
    errors.StorageUnavailable,
    errors.UpstreamUnavailable,
)

# To a person, a frame whose key nobody knows is a page that is not there.
_PAGE_STATUSES = {errors.UnknownKey.code: HTTPStatus.NOT_FOUND}

HTTP_CODES = {
    HTTPStatus.BAD_REQUEST: "invalid_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
}


def install(app: Flask) -> None:
    """Register the handlers, the last resort among them."""
    app.register_error_handler(errors.ServiceError, _service_error)
    app.register_error_handler(DataError, _unstorable)
    app.register_error_handler(OperationalError, _storage_unavailable)
    app.register_error_handler(PoolTimeoutError, _storage_unavailable)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _last_resort)


def _service_error(error: errors.ServiceError) -> Response:
    g.error_code = error.code
    if isinstance(error, errors.OriginNotAllowed):
        g.origin_refused = True
        g.nearest_rule = error.nearest_rule
    detail = str(error)
    if isinstance(error, errors.UpstreamError):
        # Its words name hosts and settings: they are the operator's, and pages get the way to them.
        _log.warning("upstream failed, support code %s: %s", support_code(), error)
        detail = (
            "The calendar provider gave no usable answer. The support code leads the operator to its cause."
        )
    # The door to Cronofy tells kinds of its errors apart that are one to pages.
    status = next(STATUSES[kind] for kind in type(error).mro() if kind in STATUSES)
    response = _answer(status, error.code, error.title, detail, error.members)
    if isinstance(error, _WORTH_RETRYING):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _unstorable(_error: DataError) -> Response:
    # What is merely looked up may be any text; PostgreSQL refuses U+0000.
    fault = errors.Fault("", "A value holds a character that no name or id has.")
    return _service_error(errors.InvalidRequest([fault]))


def _storage_unavailable(error: OperationalError | PoolTimeoutError) -> Response:
    # An OperationalError's own words would quote the statement, too.
    _log.error("the database does not answer: %s", getattr(error, "orig", error))
    return _service_error(errors.StorageUnavailable("The service cannot reach its data. Try again in 5 s."))


def _http_exception(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code = HTTP_CODES.get(status, "http_error")
    g.error_code = code
    response = _answer(status, code, status.phrase, error.description or status.description, {})
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _last_resort(error: Exception) -> Response:
    g.error_code = errors.ServiceError.code
    _log.error("unexpected failure, support code %s", support_code(), exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "Something went wrong on our side. The support code leads the operator to its cause."
    return _answer(status, errors.ServiceError.code, errors.ServiceError.title, detail, {})


def _answer(
    status: HTTPStatus, code: str, title: str, detail: str, members: Mapping[str, object]
) -> Response:
    if request.path.startswith("/frame/"):
        return _page(status, code, title, detail)
    document: dict[str, Any] = {
        "type": f"{current_services().service.public_url}/problems#{code}",
        "title": title,
        "status": status.value,
        "detail": detail,
        "code": code,
        **members,
        "support_code": support_code(),
    }
    response = Response(json.dumps(document, sort_keys=False), status, mimetype="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(status: HTTPStatus, code: str, title: str, detail: str) -> Response:
    nonce = new_nonce()
    services = current_services()
    # A page that manages its frames is told the code by message; the page holds nothing but these words.
    host = Origin.parse(request.args.get("host"))
    html = render_template(
        "error.html",
        nonce=nonce,
        host=host,
        guest=services.loader.parts["guest"],
        title=title,
        detail=detail,
        code=code,
        support_code=support_code(),
        service_url=services.service.public_url,
    )
    response = make_response(html, _PAGE_STATUSES.get(code, status))
    response.headers["Content-Security-Policy"] = page_policy(nonce, host)
    if host is None:
        response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cache-Control"] = "no-store"
    return response
