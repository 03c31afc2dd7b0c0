"""The links from one page of a list to the next.

Source: Cronofy API, Pagination: `next_page` ends in an opaque part, and is followed as it is.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from werkzeug.datastructures import MultiDict

from widgetsvc.calendars.errors import InvalidParameters, NotFound
from widgetsvc.calendars.requests.base import Query, QueryModel, parse_query

_MAX_LINK = 4_096
_MAX_PAGES, _MAX_INSTANT = 1_000_000, 2**40
_ID = re.compile(r"[ -~]{1,64}")


class Place(NamedTuple):
    """Where a page begins: after the entry with this start (Unix seconds) and this id."""

    start: int
    id: str


class PagedQuery(Query):
    """Base of the queries whose answer has pages. A link does not say again what is in `not_in_links`."""

    not_in_links: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class PageLink:
    """A further page: the query again, the page's number of how many, and where it begins.

    It carries no authority: whoever follows it shows credentials, and the query is checked anew.
    """

    query: Mapping[str, list[str]]
    number: int
    total: int
    after: Place

    @classmethod
    def after_page(
        cls, model: type[PagedQuery], number: int, total: int, values: MultiDict[str, str], last: Place
    ) -> "PageLink":
        """The link from a page to the next, of a query with these values."""
        names = {field.alias or name for name, field in model.model_fields.items()} - model.not_in_links
        query = {name: values.getlist(name) for name in sorted(names) if name in values}
        return cls(query, number + 1, total, last)

    def encode(self) -> str:
        """The opaque last part of `next_page`."""
        payload = [self.query, self.number, self.total, *self.after]
        return (
            base64.urlsafe_b64encode(json.dumps(payload, separators=(",", ":")).encode()).decode().rstrip("=")
        )

    def read(self, model: type[QueryModel]) -> QueryModel:
        """The query that the link repeats. Raises NotFound where it was tampered with."""
        try:
            return parse_query(model, self.values)
        except InvalidParameters:
            raise NotFound("no such page") from None

    @property
    def values(self) -> MultiDict[str, str]:
        """The query as it was sent."""
        return MultiDict([(name, text) for name, texts in self.query.items() for text in texts])

    @classmethod
    def decode(cls, text: str) -> "PageLink":
        """Read a link. Raises NotFound for anything that `encode` did not make."""
        if len(text) > _MAX_LINK:
            raise NotFound("page link too long")
        try:
            payload: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            query, number, total, start, last = payload
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise NotFound("no such page") from None
        if not (
            _is_query(query)
            and _is_number(number)
            and _is_number(total)
            and _is_instant(start)
            and _is_id(last)
        ):
            raise NotFound("no such page")
        return cls(query, number, total, Place(start, last))


def _is_number(value: object) -> bool:
    return type(value) is int and 2 <= value <= _MAX_PAGES


def _is_instant(value: object) -> bool:
    return type(value) is int and abs(value) < _MAX_INSTANT


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_query(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in value.values()
    )
