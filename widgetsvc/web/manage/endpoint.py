"""One declaration of each endpoint: requests are checked with it, and the documents are written from it.

A handler is called with what its endpoint declares, in this order: the caller, the query, the body; then come
the parts of the path, by name. Its docstring describes it to the readers of the documents.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypedDict, Unpack

from flask import Response, current_app, make_response, request
from pydantic import BaseModel
from werkzeug.exceptions import NotFound

from widgetsvc.errors import Fault, InvalidRequest, PreconditionFailed, ServiceError, UnknownTenant
from widgetsvc.gateway.keys import KeyKind, unknown_key
from widgetsvc.web.manage.authentication import identify
from widgetsvc.web.manage.models import Document, Query, Readable
from widgetsvc.web.manage.preconditions import tag_of
from widgetsvc.web.manage.reading import read_body, read_query
from widgetsvc.web.manage.repeating import answer_once, idempotency_key
from widgetsvc.web.manage.validation import shortened

PREFIX = "/manage/v1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a status of success means; `content` is the model of its body, None where it has none."""

    means: str
    content: type[Document] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers. `version` becomes the entity tag, `location` names what was created."""

    content: Document | None = None
    status: HTTPStatus = HTTPStatus.OK
    version: int | None = None
    location: str | None = None


NOTHING = Reply(status=HTTPStatus.NO_CONTENT)
"""The reply to what leaves nothing to say."""

Handler = Callable[..., Reply]


class Takes(TypedDict, total=False):
    """The members of `Endpoint` that a declaration may leave out."""

    query: type[Query]
    body: type[Readable]
    errors: tuple[type[ServiceError], ...]
    versioned: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What an endpoint takes, and what its answers mean.

    `path` stands below `/manage/v1`, with Flask's placeholders. `errors` are the refusals of its own, beside
    those that follow from the rest. What is `versioned` has an entity tag, and heeds those of requests.
    """

    method: str
    path: str
    answers: Mapping[int, Answer]
    handler: Handler
    query: type[Query] = Query
    body: type[Readable] | None = None
    errors: tuple[type[ServiceError], ...] = ()
    versioned: bool = False

    def __call__(self, **path: str) -> Response:
        """Answer the current request. Strangers learn nothing about what they send."""
        caller = identify()
        if any("\x00" in part for part in path.values()):
            raise NotFound("No id has U+0000 in it.")  # PostgreSQL could not even be asked for it
        query, body, key = self._read()
        given: list[Any] = [caller]
        if self.query is not Query:
            given.append(query)
        if self.body is not None:
            given.append(body)

        def answer() -> Response:
            try:
                return self._response(self.handler(*given, **path))
            except UnknownTenant:
                # It has been deleted meanwhile, and its keys with it.
                raise unknown_key(KeyKind.SECRET) from None

        if key is None:
            response = answer()
        else:
            response = answer_once(caller, f"{self.method} {self.path}", key, body, _refusing(answer))
        return response

    def _read(self) -> tuple[Query | None, BaseModel | None, str | None]:
        """Read all that was sent, and refuse it with every fault there is."""
        faults: list[Fault] = []
        query = body = key = None
        with _gathering(faults):
            query = read_query(self.query)
        with _gathering(faults):
            body = None if self.body is None else read_body(self.body)
        with _gathering(faults):
            key = idempotency_key() if self.method == "POST" else None
        if faults:
            raise shortened(faults)
        if not self.versioned and "If-Match" in request.headers and not request.if_match.star_tag:
            raise PreconditionFailed("What is here has no versions. Leave If-Match out.")
        return query, body, key

    def _response(self, reply: Reply) -> Response:
        response = Response(status=reply.status)
        response.headers["Cache-Control"] = "no-store"
        if reply.content is None:
            del response.headers["Content-Type"]
        else:
            response.mimetype = "application/json"
            response.data = reply.content.model_dump_json(exclude_unset=True)
        if reply.location is not None:
            response.headers["Location"] = f"{PREFIX}{reply.location}"
        if reply.version is not None:
            response.set_etag(tag_of(reply.version))
            if self.method == "GET":
                response.headers["Cache-Control"] = "private, no-cache"
                response.make_conditional(request)
        return response


@contextmanager
def _gathering(faults: list[Fault]) -> Iterator[None]:
    """Add what a part of the request is refused for to the faults of the others."""
    try:
        yield
    except InvalidRequest as error:
        faults += error.faults


def _refusing(answer: Callable[[], Response]) -> Callable[[], Response]:
    """The same, but refusals are answers, too, which are kept and repeated as such."""

    def refusing() -> Response:
        try:
            return answer()
        except ServiceError as error:
            return make_response(current_app.handle_user_exception(error))

    return refusing


@dataclass(frozen=True, slots=True)
class Resource:
    """The endpoints of one kind of thing, with words about it for the readers of the documents."""

    name: str
    about: str
    endpoints: list[Endpoint] = field(default_factory=list)

    def endpoint(
        self, method: str, path: str, answers: Mapping[int, Answer], **takes: Unpack[Takes]
    ) -> Callable[[Handler], Handler]:
        """Declare a handler's endpoint."""

        def declare(handler: Handler) -> Handler:
            self.endpoints.append(Endpoint(method, path, answers, handler, **takes))
            return handler

        return declare
