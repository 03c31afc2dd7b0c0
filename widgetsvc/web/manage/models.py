"""What bodies, queries and answers have in common; the OpenAPI document is made of these models."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from widgetsvc.gateway.widget_models import WidgetDraft
from widgetsvc.web.manage.validation import validated


class Body(BaseModel):
    """Base of bodies: strict types, and no members but the declared ones."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read what was sent. Raises InvalidRequest with every fault in it."""
        return validated(cls, document, "member")


Readable = Body | WidgetDraft
"""What bodies are read with: `read` refuses with every fault that they have."""


class Patch(Body):
    """Base of bodies that change what they name: a member that is absent stays as it is.

    Look at `model_fields_set`; the defaults mean nothing, and the documents leave them out.
    """


class Query(BaseModel):
    """Base of all queries; a parameter is given once, and an empty one is an absent one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(BaseModel):
    """Base of what answers hold."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def example(**members: Any) -> ConfigDict:
    """The configuration of a model with an example, for the readers of the documents."""
    return ConfigDict(json_schema_extra={"examples": [members]})


def rfc3339(seconds: int) -> str:
    """Unix seconds as RFC 3339 writes them, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Instant = Annotated[
    int,
    PlainSerializer(rfc3339, str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""Unix seconds here; an RFC 3339 time in UTC in answers."""


Item = TypeVar("Item", bound=Document)


class Page(Document, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: Annotated[
        str | None, Field(description="What to send as `cursor` for the next page; null on the last one.")
    ]
