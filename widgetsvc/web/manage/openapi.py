"""The OpenAPI document of the management API, made of what its endpoints declare and check.

Source: OpenAPI Specification 3.1.1, whose schemas are JSON Schema 2020-12.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from widgetsvc import __version__, errors
from widgetsvc.errors import ServiceError
from widgetsvc.web.error_handlers import HTTP_CODES, STATUSES
from widgetsvc.web.manage.endpoint import PREFIX, Endpoint, Resource
from widgetsvc.web.manage.models import Patch, Query
from widgetsvc.web.manage.repeating import HEADER, MAX_KEY, REPLAYED

Schema = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_PART_OF_PATH = re.compile(r"<(?:\w+:)?(\w+)>")

ABOUT = """\
For tenants' own servers: change who may embed, create calendars and widgets, rotate keys, see what is used.

Every request shows a secret key: `Authorization: Bearer sk_…`. Send it from servers only: there is no CORS,
and a request with an `Origin` header is refused.

Bodies are JSON. A refusal is a problem document (RFC 9457) whose `code` is stable; a malformed request (400)
lists all of its faults. Lists come in pages: send `next_cursor` back as `cursor` until it is null.

A POST with an `Idempotency-Key` can be repeated: for a day the same key brings the same answer, refusals
included, without a second effect. Tenants and widgets have entity tags: send one back as `If-Match`, and the
change is made only if nobody else has made one since.
"""

_PROBLEM: Schema = {
    "description": "A refusal, as RFC 9457 describes it.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "support_code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Where the code is explained."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people: what is wrong, and what to do."},
        "code": {"type": "string", "description": "For programs; stable."},
        "errors": {
            "description": "Every fault of the request, by the path of the member.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "support_code": {"type": "string", "description": "Leads the operator to the line in the log."},
    },
    "examples": [
        {
            "type": "https://w.example.com/problems#invalid_request",
            "title": "Invalid request",
            "status": 400,
            "detail": "allowed_origins: must be a valid list",
            "code": "invalid_request",
            "errors": [{"field": "allowed_origins", "message": "must be a valid list"}],
            "support_code": "7F3K-2Q",
        }
    ],
}

_HTTP_MEANINGS: Mapping[HTTPStatus, str] = {
    HTTPStatus.NOT_FOUND: "Nothing is at this path.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not `application/json`.",
}
_RETRIED = {HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def path_of(endpoint: Endpoint) -> str:
    """The endpoint's whole path as OpenAPI writes it, with `{placeholders}`."""
    return PREFIX + _PART_OF_PATH.sub(r"{\1}", endpoint.path)


def words_of(endpoint: Endpoint) -> tuple[str, str]:
    """A line about the endpoint, and what there is to say beside it."""
    summary, _, more = (inspect.getdoc(endpoint.handler) or "").partition("\n")
    return summary.removesuffix("."), more.strip()


def refusals_of(endpoint: Endpoint) -> Mapping[int, Mapping[str, str]]:
    """What the endpoint refuses with: by status, the codes and what each means."""
    refusals: dict[int, dict[str, str]] = {}
    for error in _errors(endpoint):
        meaning = inspect.getdoc(error) or ""
        refusals.setdefault(STATUSES[error], {})[error.code] = meaning.partition("\n")[0]
    for status in _http_errors(endpoint):
        refusals.setdefault(status, {})[HTTP_CODES[status]] = _HTTP_MEANINGS[status]
    return {int(status): dict(sorted(codes.items())) for status, codes in sorted(refusals.items())}


def _errors(endpoint: Endpoint) -> Iterator[type[ServiceError]]:
    yield from (errors.InvalidRequest, errors.UnknownKey, errors.SecretKeyExposed, errors.TenantSuspended)
    yield from (errors.RateLimited, errors.StorageUnavailable)
    if endpoint.method == "POST":
        yield from (errors.Conflict, errors.IdempotencyKeyReused, errors.RequestInFlight)
    if endpoint.method != "GET" or not endpoint.versioned:
        yield errors.PreconditionFailed
    yield from endpoint.errors


def _http_errors(endpoint: Endpoint) -> Iterator[HTTPStatus]:
    if _PART_OF_PATH.search(endpoint.path):
        yield HTTPStatus.NOT_FOUND
    if endpoint.body is not None:
        yield from (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def document(resources: Sequence[Resource], public_url: str) -> Schema:
    """The OpenAPI document of these resources."""
    refs, schemas = _schemas([endpoint for resource in resources for endpoint in resource.endpoints])
    paths: dict[str, Schema] = {}
    for resource in resources:
        for endpoint in resource.endpoints:
            described = _operation(resource, endpoint, refs, schemas)
            paths.setdefault(path_of(endpoint), {})[endpoint.method.lower()] = described
    queries = {refs[each.query, "validation"] for resource in resources for each in resource.endpoints}
    named = {name: schema for name, schema in schemas.items() if _SCHEMAS + name not in queries}
    return {
        "openapi": "3.1.1",
        "info": {"title": "widgetsvc management API", "version": __version__, "description": ABOUT},
        "servers": [{"url": public_url}],
        "tags": [{"name": resource.name, "description": resource.about} for resource in resources],
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**named, "Problem": _PROBLEM}.items())),
            "securitySchemes": {
                "secret_key": {"type": "http", "scheme": "bearer", "description": "The tenant's secret key."}
            },
        },
        "security": [{"secret_key": []}],
    }


def _operation(
    resource: Resource, endpoint: Endpoint, refs: Mapping[Any, str], schemas: Mapping[str, Schema]
) -> Schema:
    summary, more = words_of(endpoint)
    described: Schema = {
        "tags": [resource.name],
        "summary": summary,
        "operationId": endpoint.handler.__name__,
    }
    if more:
        described["description"] = more
    model = schemas[refs[endpoint.query, "validation"].removeprefix(_SCHEMAS)]
    parameters = [*_parts_of_path(endpoint), *_query_parameters(model), *_headers(endpoint)]
    if parameters:
        described["parameters"] = parameters
    if endpoint.body is not None:
        schema = {"$ref": refs[endpoint.body, "validation"]}
        required = "required" in schemas[schema["$ref"].removeprefix(_SCHEMAS)]
        described["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    described["responses"] = {
        **{str(status): answer for status, answer in _answers(endpoint, refs)},
        **{str(status): _refusal(status, codes) for status, codes in refusals_of(endpoint).items()},
    }
    return described


def _parts_of_path(endpoint: Endpoint) -> Iterator[Schema]:
    for name in _PART_OF_PATH.findall(endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(model: Schema) -> Iterator[Schema]:
    for name, schema in model.get("properties", {}).items():
        required = name in model.get("required", [])
        choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
        rest = {member: value for member, value in schema.items() if member != "anyOf"}
        yield {
            "name": name,
            "in": "query",
            "required": required,
            "description": rest.pop("description", ""),
            "schema": {**choices[0], **rest} if choices else rest,
        }


def _headers(endpoint: Endpoint) -> Iterator[Schema]:
    def optional(name: str, description: str, **schema: object) -> Schema:
        return {
            "name": name,
            "in": "header",
            "required": False,
            "description": description,
            "schema": {"type": "string", **schema},
        }

    if endpoint.method == "POST":
        words = "Makes the request safe to repeat; any text, such as a UUID."
        yield optional(HEADER, words, minLength=1, maxLength=MAX_KEY, pattern="^[!#-~]+$")
    if endpoint.versioned and endpoint.method == "GET":
        yield optional("If-None-Match", "An entity tag; 304 if that is still the one.")
    elif endpoint.versioned:
        yield optional("If-Match", "An entity tag; 412 if that is the one no more.")


def _answers(endpoint: Endpoint, refs: Mapping[Any, str]) -> Iterator[tuple[int, Schema]]:
    for status, answer in endpoint.answers.items():
        described: Schema = {"description": answer.means}
        headers: Schema = {}
        if answer.content is not None:
            schema = {"$ref": refs[answer.content, "serialization"]}
            described["content"] = {"application/json": {"schema": schema}}
            if endpoint.versioned:
                headers["ETag"] = _header("The version, as `If-Match` takes it.", required=True)
        if endpoint.method == "POST":
            headers[REPLAYED] = _header("`true` where the answer is that of an earlier request.")
        yield status, described | ({"headers": headers} if headers else {})
    if endpoint.versioned and endpoint.method == "GET":
        yield 304, {"description": "It is what you have."}


def _refusal(status: int, codes: Mapping[str, str]) -> Schema:
    described: Schema = {
        "description": "\n".join(f"- `{code}`: {meaning}" for code, meaning in codes.items()),
        "content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
    }
    if status == HTTPStatus.UNAUTHORIZED:
        described["headers"] = {"WWW-Authenticate": _header("`Bearer`.", required=True)}
    elif status in _RETRIED:
        described["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "In seconds."}}
    return described


def _header(description: str, *, required: bool = False) -> Schema:
    return {"description": description, "required": required, "schema": {"type": "string"}}


class _Schemas(GenerateJsonSchema):
    """Schemas without invented titles, and without defaults that stand for absence."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's name for it
        """A title made of the member's name tells nobody anything."""
        return False

    def encode_default(self, dft: Any) -> Any:
        """Write a default as a caller would."""
        if isinstance(dft, BaseModel):
            return dft.model_dump(mode="json", exclude_unset=True)
        return super().encode_default(dft)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default that stands for absence."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Leave out the class's name, and the defaults of what changes only what it names."""
        described = super().model_schema(schema)
        described.pop("title", None)
        if issubclass(schema["cls"], Patch):
            for member in described.get("properties", {}).values():
                member.pop("default", None)
        return described


def _schemas(endpoints: Sequence[Endpoint]) -> tuple[Mapping[Any, str], Mapping[str, Schema]]:
    """A reference to each model, by model and mode, and all schemas by name."""
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Query, "validation"): None}
    for endpoint in endpoints:
        models[endpoint.query, "validation"] = None
        if endpoint.body is not None:
            models[endpoint.body, "validation"] = None
        for answer in endpoint.answers.values():
            if answer.content is not None:
                models[answer.content, "serialization"] = None
    refs, generated = models_json_schema(
        list(models), ref_template=_SCHEMAS + "{model}", schema_generator=_Schemas
    )
    return {key: ref["$ref"] for key, ref in refs.items()}, generated.get("$defs", {})
