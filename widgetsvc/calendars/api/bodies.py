"""Reads request bodies in whichever encoding an SDK sends them.

The Content-Encoding header is not looked at: the C# SDK sends one on plain bodies.
"""

from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel
from pydantic_core import from_json

from widgetsvc.calendars.errors import FieldError, InvalidParameters
from widgetsvc.calendars.requests.base import parse_fields, parse_json

Model = TypeVar("Model", bound=BaseModel)


def body(model: type[Model]) -> Model:
    """Read a JSON body. Raises InvalidParameters."""
    return parse_json(model, request.get_data())


def form_or_json(model: type[Model]) -> Model:
    """Read a body of flat text fields as a form (Ruby) or as JSON. Raises InvalidParameters.

    A repeated field is refused: which of its values counts is a matter of taste (RFC 6749 section 3.2).
    """
    if request.mimetype == "application/x-www-form-urlencoded":
        repeated = [name for name, values in request.form.lists() if len(values) > 1]
        if repeated:
            raise InvalidParameters(
                FieldError(name, "errors.must_be_specified_once", "must be sent once") for name in repeated
            )
        return parse_fields(model, request.form.to_dict())
    return parse_json(model, request.get_data())


def body_as_sent() -> dict[str, Any]:
    """The JSON object that was sent, unchecked; an empty one for anything else."""
    try:
        sent = from_json(request.get_data())
    except ValueError:
        return {}
    return sent if isinstance(sent, dict) else {}
