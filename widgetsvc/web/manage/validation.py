"""Holds what was sent against a model, and words every fault for people."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from widgetsvc.errors import Fault, InvalidRequest

_MAX_FAULTS = 100
_MAX_NAME = 64

_Model = TypeVar("_Model", bound=BaseModel)


def validated(model: type[_Model], fields: Mapping[str, Any], noun: str) -> _Model:
    """Return the model that the fields make, each of which is called a `noun`. Raises InvalidRequest."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        names = ", ".join(sorted(field.alias or name for name, field in model.model_fields.items()))
        unknown = f"is no {noun}; there are {names}" if names else f"is no {noun}; there are none here"
        found = error.errors(include_url=False, include_input=False)
        raise InvalidRequest([_fault(each, unknown) for each in found]) from None


def shortened(faults: list[Fault]) -> InvalidRequest:
    """The refusal that lists the first of these faults, and says how many more there are."""
    more = len(faults) - _MAX_FAULTS
    return InvalidRequest(
        [*faults[:_MAX_FAULTS], *([Fault("", f"There are {more} more.")] if more > 0 else [])]
    )


def path_of(location: tuple[int | str, ...]) -> str:
    """A place in what was sent as a path such as `allowed_origins[0]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part[:_MAX_NAME]}" for part in location)
    return "".join(parts).removeprefix(".")


def _fault(error: ErrorDetails, unknown: str) -> Fault:
    words = {"extra_forbidden": unknown, "missing": "is missing"}.get(error["type"])
    if words is None:
        words = error["msg"]
        for opening in ("Input should", "String should", "List should", "Dictionary should"):
            words = words.replace(opening, "must")
    return Fault(path_of(error["loc"]), words)
