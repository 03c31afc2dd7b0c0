"""Lists come in pages, and a cursor says after which entry the next page begins.

Entries that come or go meanwhile neither repeat nor hide others. A cursor is opaque to callers, and reaches
nothing by itself: the tenant comes from the key.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from widgetsvc.errors import Fault, InvalidRequest
from widgetsvc.web.manage.models import Query

_Entry = TypeVar("_Entry")


class PageQuery(Query):
    """Which page of a list is wanted."""

    limit: Annotated[int, Field(ge=1, le=100, description="How many items a page has at most.")] = 50
    cursor: Annotated[
        str | None, Field(max_length=1_024, description="The `next_cursor` of the page before.")
    ] = None

    def position(self, kind: str, form: str = ".+") -> str | None:
        """The entry of such a list that the page follows, in a form of its own. Raises InvalidRequest."""
        if self.cursor is None:
            return None
        try:
            text = self.cursor.encode("ascii")
            decoded = json.loads(base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True))
        except (binascii.Error, UnicodeError, ValueError, RecursionError):
            decoded = None
        match decoded:
            case [str(of), str(position)] if of == kind and position.isprintable():
                if re.fullmatch(form, position):
                    return position
        raise InvalidRequest([Fault("cursor", "is none that this list gave out; begin without one")])


def cursor_after(kind: str, position: str) -> str:
    """The cursor of the page that follows an entry of a list of this kind."""
    text = json.dumps([kind, position], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def cut(
    kind: str, found: Sequence[_Entry], limit: int, position: Callable[[_Entry], str]
) -> tuple[Sequence[_Entry], str | None]:
    """The page that begins `found`, and the cursor of the next one; `found` has one more if there is one."""
    page = found[:limit]
    return page, cursor_after(kind, position(page[-1])) if len(found) > limit else None


def page_of(
    kind: str, entries: Sequence[_Entry], query: PageQuery, position: Callable[[_Entry], str]
) -> tuple[Sequence[_Entry], str | None]:
    """A page of a list that is at hand as a whole, in the order of `position`. Raises InvalidRequest."""
    after = query.position(kind)
    ordered = sorted(entries, key=position)
    rest = ordered if after is None else [entry for entry in ordered if position(entry) > after]
    return cut(kind, rest, query.limit, position)
