"""Reads queries and bodies, and names every fault in them."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from werkzeug.exceptions import UnsupportedMediaType

from widgetsvc.errors import Fault
from widgetsvc.web.manage.models import Body, Query

_JSON = "application/json"
_MAX_FAULTS = 100
_MAX_NAME = 64

_Model = TypeVar("_Model", bound=BaseModel)
Read = tuple[_Model | None, list[Fault]]
"""What was read, or the faults that it has."""


def read_query(model: type[Query]) -> Read[Query]:
    """Read the current request's query."""
    repeated = [name for name, texts in request.args.lists() if len(texts) > 1]
    if repeated:
        return None, [Fault(_cut(name), "must be given once") for name in repeated[:_MAX_FAULTS]]
    given = {name: text for name, text in request.args.items() if text}
    return _validated(model, given, "parameter")


def read_body(model: type[Body]) -> Read[Body]:
    """Read the current request's JSON body; none at all is an empty object. Raises UnsupportedMediaType."""
    sent = request.get_data()
    if not sent and not request.mimetype:
        return _validated(model, {}, "member")
    if request.mimetype != _JSON:
        raise UnsupportedMediaType(f"Send {_JSON}.")
    try:
        fields = from_json(sent, allow_inf_nan=False)
    except ValueError as error:
        return None, [Fault("", f"The body is not valid JSON: {error}.")]
    if not isinstance(fields, dict):
        return None, [Fault("", "The body must be a JSON object.")]
    unstorable = [Fault(_path(where), "must not contain U+0000") for where in _nul_places(fields)]
    return (None, unstorable[:_MAX_FAULTS]) if unstorable else _validated(model, fields, "member")


def _validated(model: type[_Model], fields: Mapping[str, Any], noun: str) -> Read[_Model]:
    try:
        return model.model_validate(fields), []
    except ValidationError as error:
        names = ", ".join(sorted(field.alias or name for name, field in model.model_fields.items()))
        there_are = f"there are {names}" if names else "there are none here"
        found = error.errors(include_url=False, include_input=False)
        faults = [_fault(each, f"is no {noun}; {there_are}") for each in found[:_MAX_FAULTS]]
        if len(found) > _MAX_FAULTS:
            faults.append(Fault("", f"There are {len(found) - _MAX_FAULTS} more faults."))
        return None, faults


def _fault(error: ErrorDetails, unknown: str) -> Fault:
    words = {"extra_forbidden": unknown, "missing": "is missing"}.get(error["type"])
    if words is None:
        message = error["msg"].removeprefix("Value error, ")
        for opening in ("Input should", "String should", "List should", "Dictionary should"):
            message = message.replace(opening, "must")
        words = message
    return Fault(_path(error["loc"]), words)


def _path(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{_cut(part)}" for part in location)
    return "".join(parts).removeprefix(".")


def _cut(name: str) -> str:
    return name[:_MAX_NAME]


def _nul_places(node: object, where: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """Where there is text with U+0000, which PostgreSQL cannot store. JSON's parser has bounded the depth."""
    if isinstance(node, str):
        if "\x00" in node:
            yield where
    elif isinstance(node, dict):
        for name, child in node.items():
            if "\x00" in name:
                yield (*where, name)
            yield from _nul_places(child, (*where, name))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _nul_places(child, (*where, index))
