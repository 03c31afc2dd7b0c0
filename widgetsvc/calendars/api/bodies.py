"""Reads request bodies in whichever encoding an SDK sends them.

The Content-Encoding header is not looked at: the C# SDK sends one on plain bodies.
"""

from typing import TypeVar

from flask import request
from pydantic import BaseModel

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
