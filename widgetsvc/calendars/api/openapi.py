"""`GET /v1/openapi.json`: the OpenAPI document, made of what the endpoints declare and check.

Source: OpenAPI Specification 3.1.1, whose schemas are JSON Schema 2020-12.
"""

import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from flask import Blueprint, Flask, Response, current_app, request
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema
from werkzeug.routing import Rule

from widgetsvc import __version__
from widgetsvc.calendars.api.credentials import ELEMENT_TOKEN_PARAMETER, Scheme
from widgetsvc.calendars.api.endpoint import Empty, Operation, endpoint, operation_of
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.requests.base import Query, Request

blueprint = Blueprint("openapi", __name__)

Document = dict[str, Any]

_EXTENSION = "widgetsvc.calendars.openapi"
_SCHEMAS = "#/components/schemas/"
_PART_OF_PATH = re.compile(r"<(?:(?P<converter>\w+)[^:<>]*:)?(?P<name>\w+)>")

_ABOUT = """\
Calendars that applications create and fill, and when they are free: an API compatible with Cronofy's.

Members that are not described are ignored. A member that is null is the same as one that is absent, unless
it says otherwise. A refused request lists all of its faults at once, by the paths of the members at fault.
An empty parameter of a query is an absent one, and the case of its booleans does not matter.
"""

_SECURITY_SCHEMES: Mapping[Scheme, Document] = {
    Scheme.ACCESS_TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token of one account.",
    },
    Scheme.API_KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "The application's client secret.",
    },
    Scheme.ELEMENT_TOKEN: {
        "type": "apiKey",
        "in": "query",
        "name": ELEMENT_TOKEN_PARAMETER,
        "description": "An element token, from a page of the origin that it was made for.",
    },
}

_ERRORS: Document = {
    "description": "Faults by the path of the member, such as `participants[0].members[1].sub`; "
    "`base` stands for the whole.",
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["key", "description"],
                    "properties": {
                        "key": {"type": "string", "pattern": r"^errors\.", "description": "For programs."},
                        "description": {"type": "string", "description": "For people."},
                    },
                },
            },
        }
    },
    "examples": [{"errors": {"event_id": [{"key": "errors.required", "description": "required"}]}}],
}

_OAUTH_ERROR: Document = {
    "description": "RFC 6749, section 5.2.",
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}


def _json(schema: Document) -> Document:
    return {"application/json": {"schema": schema}}


class _Refusal(NamedTuple):
    name: str
    response: Document


_REFUSALS: Mapping[int, _Refusal] = {
    400: _Refusal(
        "OAuthRefused",
        {"description": "The request was refused.", "content": _json({"$ref": f"{_SCHEMAS}OAuthError"})},
    ),
    401: _Refusal(
        "NotAuthenticated",
        {
            "description": "The credentials are missing, unknown or expired.",
            "headers": {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
        },
    ),
    403: _Refusal("NotPermitted", {"description": "The credentials are known, but do not reach this far."}),
    404: _Refusal("NotFound", {"description": "There is no such thing within the caller's reach."}),
    413: _Refusal(
        "TooLarge",
        {"description": "The body is too large.", "content": _json({"$ref": f"{_SCHEMAS}Errors"})},
    ),
    422: _Refusal(
        "InvalidParameters",
        {
            "description": "The request is understood, but cannot be carried out.",
            "content": _json({"$ref": f"{_SCHEMAS}Errors"}),
        },
    ),
    429: _Refusal(
        "TooManyRequests",
        {
            "description": "The application has used up its requests for now.",
            "headers": {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
        },
    ),
}


@endpoint(blueprint, "GET", "/v1/openapi.json", {200: "this document", 304: Empty("it has not changed")})
def openapi() -> Response:
    """This document."""
    text = _published(current_app, current_backend().public_url)
    response = Response(text, mimetype="application/json")
    response.set_etag(hashlib.sha256(text).hexdigest()[:32])
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.make_conditional(request)
    return response


def _published(app: Flask, public_url: str) -> bytes:
    text: bytes | None = app.extensions.get(_EXTENSION)
    if text is None:
        text = json.dumps(document(app, public_url), ensure_ascii=False).encode()
        app.extensions[_EXTENSION] = text
    return text


def document(app: Flask, public_url: str) -> Document:
    """The OpenAPI document of an application of the backend; the same one for the same application."""
    declared = sorted(_declared(app), key=lambda found: (found[0].rule, found[1].method))
    operations = [operation for _, operation in declared]
    refs, definitions = _schemas(operations)
    paths: dict[str, Document] = {}
    for rule, operation in declared:
        path = _PART_OF_PATH.sub(r"{\g<name>}", rule.rule)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(rule, operation, refs, definitions)
    named = definitions | {"Errors": _ERRORS, "OAuthError": _OAUTH_ERROR}
    responses = {refusal.name: refusal.response for refusal in _REFUSALS.values()}
    used = _used([paths, responses], named)
    return {
        "openapi": "3.1.1",
        "info": {"title": "widgetsvc", "version": __version__, "description": _ABOUT},
        "servers": [{"url": public_url}],
        "tags": [{"name": name} for name in sorted({_tag(rule) for rule, _ in declared})],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in sorted(named.items()) if name in used},
            "responses": responses,
            "securitySchemes": {scheme.value: _SECURITY_SCHEMES[scheme] for scheme in Scheme},
        },
    }


def _declared(app: Flask) -> Iterator[tuple[Rule, Operation]]:
    for rule in app.url_map.iter_rules():
        operation = operation_of(app, rule.endpoint)
        if operation is not None:
            yield rule, operation


def _tag(rule: Rule) -> str:
    return str(rule.endpoint).partition(".")[0]


def _operation(
    rule: Rule, operation: Operation, refs: Mapping[object, Document], definitions: Document
) -> Document:
    summary, _, more = (inspect.getdoc(operation.handler) or "").partition("\n")
    described: Document = {
        "tags": [_tag(rule)],
        "summary": summary.removesuffix("."),
        "operationId": operation.handler.__name__,
    }
    if more:
        described["description"] = more.strip()
    parameters = [*_parts_of_path(rule), *_parameters(operation.query, refs, definitions)]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        schema = refs[operation.body]
        content = _json(schema)
        if operation.takes_form:
            content["application/x-www-form-urlencoded"] = {"schema": schema}
        described["requestBody"] = {"required": _is_needed(operation.body), "content": content}
    described["responses"] = dict(_responses(rule, operation))
    described["security"] = list(_security(operation))
    return described


def _takes_secret(operation: Operation) -> bool:
    return operation.body is not None and "client_secret" in operation.body.model_fields


def _security(operation: Operation) -> Iterator[Document]:
    for scheme in operation.schemes:
        yield {scheme.value: []}
    if operation.schemes and _takes_secret(operation):
        yield {}  # the credentials may stand in the body instead


def _is_needed(body: type[Request]) -> bool:
    # A body that is left out is read as an empty object.
    try:
        body.model_validate({})
    except ValidationError:
        return True
    return False


def _parts_of_path(rule: Rule) -> Iterator[Document]:
    for part in _PART_OF_PATH.finditer(rule.rule):
        whole_number = part["converter"] == "int"
        schema = {"type": "integer", "minimum": 0} if whole_number else {"type": "string", "minLength": 1}
        yield {"name": part["name"], "in": "path", "required": True, "schema": schema}


def _parameters(
    query: type[Query] | None, refs: Mapping[object, Document], definitions: Document
) -> Iterator[Document]:
    if query is None:
        return
    model = definitions[refs[query]["$ref"].removeprefix(_SCHEMAS)]
    for name, schema in model["properties"].items():
        required = name in model.get("required", [])
        is_list = name in query.several
        yield {
            "name": f"{name}[]" if is_list else name,
            "in": "query",
            "required": required,
            "allowEmptyValue": not required and not is_list,
            "schema": _without_null(schema),
        }


def _responses(rule: Rule, operation: Operation) -> Iterator[tuple[str, Document]]:
    # What is declared beats what follows from the rest.
    statuses = {*operation.answers, *_refusals(rule, operation)}
    for status in sorted(statuses):
        words = operation.answers.get(status)
        if words is None:
            yield str(status), {"$ref": f"#/components/responses/{_REFUSALS[status].name}"}
        elif status in _REFUSALS:
            yield str(status), _REFUSALS[status].response | {"description": _sentence(words)}
        elif isinstance(words, Empty) or status in _EMPTY:
            yield str(status), {"description": _sentence(words)}
        else:
            yield str(status), {"description": _sentence(words), "content": _json({"type": "object"})}


_EMPTY = {HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT, HTTPStatus.TOO_MANY_REQUESTS}


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].removesuffix(".") + "."


def _refusals(rule: Rule, operation: Operation) -> Iterator[int]:
    if operation.caller is not None or (_takes_secret(operation) and not operation.is_oauth):
        yield HTTPStatus.UNAUTHORIZED
    if operation.caller is not None or _takes_secret(operation):
        yield HTTPStatus.TOO_MANY_REQUESTS
    if Scheme.ELEMENT_TOKEN in operation.schemes:
        yield HTTPStatus.FORBIDDEN
    if rule.arguments:
        yield HTTPStatus.NOT_FOUND
    if operation.body is not None:
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if operation.is_oauth:
        yield HTTPStatus.BAD_REQUEST
    elif operation.body is not None or operation.query is not None:
        yield HTTPStatus.UNPROCESSABLE_ENTITY


class _Schemas(GenerateJsonSchema):
    """Schemas of requests as they are sent: no invented titles, and null where it is the same as absent."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's name for it
        """A title made of the member's name tells nobody anything."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default that stands for absence."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        """Write a default as a caller would."""
        if isinstance(dft, BaseModel):
            return dft.model_dump(mode="json", exclude_unset=True)
        return super().encode_default(dft)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Let every member that may be absent be null as well."""
        described = super().model_schema(schema)
        described.pop("title", None)
        model = schema["cls"]
        if issubclass(model, Request):
            required = described.setdefault("required", [])
            for name, member in described.get("properties", {}).items():
                if name not in required:
                    described["properties"][name] = _or_null(member, removes=name in model.nullable)
            if not required:
                del described["required"]
        return described


_ANNOTATIONS = {"default", "description", "examples"}


def _or_null(schema: Document, *, removes: bool) -> Document:
    if removes:
        schema = {"description": "null removes what is stored."} | schema
    if _takes_null(schema):
        return schema
    notes = {name: value for name, value in schema.items() if name in _ANNOTATIONS}
    rest = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
    choices = rest["anyOf"] if rest.keys() == {"anyOf"} else [rest]
    return {"anyOf": [*choices, {"type": "null"}]} | notes


def _takes_null(schema: Document) -> bool:
    return (
        schema.get("type") == "null"
        or None in schema.get("enum", [])
        or any(map(_takes_null, schema.get("anyOf", [])))
    )


def _without_null(schema: Document) -> Document:
    """The schema of a parameter: a query cannot say null."""
    choices: list[Document] = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    if len(choices) == 1:
        return {**choices[0], **rest}
    return {"anyOf": choices, **rest} if choices else rest


def _schemas(operations: Iterable[Operation]) -> tuple[Mapping[object, Document], Document]:
    """A reference to each model that requests are checked with, and all schemas by name."""
    models = {model: None for operation in operations for model in (operation.body, operation.query) if model}
    refs, generated = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=_SCHEMAS + "{model}",
        schema_generator=_Schemas,
    )
    return {model: ref for (model, _), ref in refs.items()}, generated.get("$defs", {})


def _used(roots: object, schemas: Mapping[str, Document]) -> set[str]:
    """The names of the schemas that the roots refer to, directly or not."""
    used: set[str] = set()
    waiting = list(_referred(roots))
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += _referred(schemas[name])
    return used


def _referred(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(_SCHEMAS):
            yield reference.removeprefix(_SCHEMAS)
        for child in node.values():
            yield from _referred(child)
    elif isinstance(node, list):
        for child in node:
            yield from _referred(child)
