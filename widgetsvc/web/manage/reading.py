"""Reads the current request's query and body."""

from collections.abc import Iterator
from typing import TypeVar

from flask import request
from pydantic import BaseModel
from pydantic_core import from_json
from werkzeug.exceptions import UnsupportedMediaType

from widgetsvc.errors import Fault, InvalidRequest
from widgetsvc.web.manage.models import Query, Readable
from widgetsvc.web.manage.validation import path_of, validated

_JSON = "application/json"
_NO_NUL = "must not contain U+0000"

_Query = TypeVar("_Query", bound=Query)


def read_query(model: type[_Query]) -> _Query:
    """Read the query, in which a parameter is given once. Raises InvalidRequest."""
    repeated = [name for name, texts in request.args.lists() if len(texts) > 1]
    faults = [Fault(path_of((name,)), "must be given once") for name in repeated]
    faults += [Fault(path_of(where), _NO_NUL) for where in _nul_places(request.args.to_dict())]
    if faults:
        raise InvalidRequest(faults)
    return validated(model, {name: text for name, text in request.args.items() if text}, "parameter")


def read_body(model: type[Readable]) -> BaseModel:
    """Read the JSON body; none at all is an empty object. Raises InvalidRequest, UnsupportedMediaType."""
    sent = request.get_data()
    if not sent and not request.mimetype:
        return model.read({})
    if request.mimetype != _JSON:
        raise UnsupportedMediaType(f"Send {_JSON}.")
    try:
        fields = from_json(sent, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest([Fault("", f"The body is not valid JSON: {error}.")]) from None
    if not isinstance(fields, dict):
        raise InvalidRequest([Fault("", "The body must be a JSON object.")])
    unstorable = [Fault(path_of(where), _NO_NUL) for where in _nul_places(fields)]
    if unstorable:
        raise InvalidRequest(unstorable)
    return model.read(fields)


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
