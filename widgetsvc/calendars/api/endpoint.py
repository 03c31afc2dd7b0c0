"""One description of an endpoint: what requests are checked with is what the OpenAPI document says.

A view declared with `endpoint` is called with what its declaration names, in this order: the caller, the
query, the body; then come the parts of the path, by name. Credentials are checked first, so that strangers
learn nothing about what they send.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from flask import Blueprint, Flask, Response, request
from sqlalchemy.exc import IntegrityError

from widgetsvc.calendars.api.bodies import body as read_body
from widgetsvc.calendars.api.bodies import body_as_sent, form_or_json
from widgetsvc.calendars.api.credentials import Caller, Scheme
from widgetsvc.calendars.errors import FieldError, InvalidParameters, OAuthRefused
from widgetsvc.calendars.requests.base import Query, Request, parse_query

Handler = Callable[..., Response]
_ATTRIBUTE = "operation"


class Empty(str):
    """The words for an answer whose status alone does not tell that it has no body."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """What an endpoint takes, from whom, and what its answers mean.

    `answers` maps the status of success to words; the refusals follow from the rest, and only those that do
    not stand there too. Successes have a JSON object as their body, save 202, 204 and what is `Empty`.
    `takes_form` endpoints read a form as well as JSON. `in_batch` ones may be called by `POST /v1/batch`.
    `is_oauth` ones refuse as RFC 6749 section 5.2 says, with 400 and an `error`, where the others list their
    faults with 422.

    Where the body is refused, `further_faults` is called like the view, but with the body as it was sent, and
    finds what only the store knows to be wrong: all faults are listed at once.
    """

    handler: Handler
    method: str
    answers: Mapping[int, str]
    caller: Caller[Any] | None = None
    query: type[Query] | None = None
    body: type[Request] | None = None
    takes_form: bool = False
    in_batch: bool = False
    is_oauth: bool = False
    further_faults: Callable[..., Iterable[FieldError]] | None = None

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """The ways to show who calls, of which any one will do."""
        return self.caller.schemes if self.caller is not None else ()

    def __call__(self, **path: str) -> Response:
        """Answer the current request."""
        given: list[Any] = []
        if self.caller is not None:
            given.append(self.caller.identify())
        if self.query is not None:
            given.append(parse_query(self.query, request.args))
        if self.body is not None:
            given.append(self._read(self.body, given, path))
        try:
            return self.handler(*given, **path)
        except IntegrityError:
            # A revocation may delete the account between the look-up and the write, whose foreign keys then
            # lead nowhere: the caller is told what the next request would be told.
            if self.caller is not None:
                self.caller.identify()
            raise

    def _read(self, model: type[Request], given: list[Any], path: Mapping[str, str]) -> Request:
        try:
            return form_or_json(model) if self.takes_form else read_body(model)
        except InvalidParameters as error:
            if self.is_oauth:
                raise OAuthRefused("invalid_request", str(error)) from None
            if self.further_faults is None:
                raise
            faulty = {fault.path for fault in error.faults}
            further = self.further_faults(*given, body_as_sent(), **path)
            # What is not even well formed need not be told that it is unknown, too.
            unknown = [fault for fault in further if fault.path not in faulty]
            raise InvalidParameters([*error.faults, *unknown]) from None


class Takes(TypedDict, total=False):
    """The members of `Operation` that a declaration may leave out."""

    caller: Caller[Any]
    query: type[Query]
    body: type[Request]
    takes_form: bool
    in_batch: bool
    is_oauth: bool
    further_faults: Callable[..., Iterable[FieldError]]


def endpoint(
    blueprint: Blueprint, method: str, rule: str, answers: Mapping[int, str], **takes: Unpack[Takes]
) -> Callable[[Handler], Handler]:
    """Register a view at a rule, with a declaration of what it takes."""

    def register(handler: Handler) -> Handler:
        operation = Operation(handler, method, answers, **takes)

        def view(**path: str) -> Response:
            return operation(**path)

        setattr(view, _ATTRIBUTE, operation)
        blueprint.add_url_rule(rule, endpoint=handler.__name__, view_func=view, methods=[method])
        return handler

    return register


def operation_of(app: Flask, endpoint_name: str) -> Operation | None:
    """What is declared for an endpoint of the application, by Flask's name for it."""
    found: Operation | None = getattr(app.view_functions.get(endpoint_name), _ATTRIBUTE, None)
    return found
