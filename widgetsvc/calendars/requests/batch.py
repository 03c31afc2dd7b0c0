"""The body of a batch.

Source: Cronofy API, Batch. A malformed batch is refused as a whole, before any of its entries is carried out.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from widgetsvc.calendars.requests.base import Name, Request

MAX_ENTRIES = 50


def _object(raw: object) -> object:
    return {} if raw == [] else raw  # PHP cannot tell an empty object from an empty list


Data = Annotated[
    dict[str, Any],
    BeforeValidator(
        _object, json_schema_input_type=dict[str, Any] | Annotated[list[Any], Field(max_length=0)]
    ),
]


class BatchEntry(Request):
    """One request of a batch; `relative_url` is a path of this API."""

    method: Annotated[Name, StringConstraints(max_length=16, to_upper=True)]
    relative_url: Annotated[Name, StringConstraints(max_length=2048)]
    data: Annotated[Data, Field(default_factory=dict)]


class BatchRequest(Request):
    """`POST /v1/batch`."""

    batch: Annotated[list[BatchEntry], Field(max_length=MAX_ENTRIES)]
