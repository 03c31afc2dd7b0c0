"""Lists in pages, each of which links to the next.

Source: Cronofy API, Pagination. Page sizes are ours: the documentation is silent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request

from widgetsvc.calendars import wire
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.requests.page_links import PagedQuery, PageLink, Place

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """What there is to page through.

    `name` is the list's in the answer, and its path below `/v1`. `read` returns so many items from a place
    on, `count` says how many there are in all.
    """

    name: str
    query: type[PagedQuery]
    page_size: int
    read: Callable[[Place | None, int], Sequence[Item]]
    count: Callable[[], int]
    place: Callable[[Item], Place]
    entry: Callable[[Item], wire.Document]

    def page(self, link: PageLink | None) -> wire.Document:
        """The page that a link leads to, or the first one."""
        number = link.number if link else 1
        found = self.read(link.after if link else None, self.page_size + 1)
        shown = found[: self.page_size]
        entries = {self.name: [self.entry(item) for item in shown]}
        if len(found) == len(shown):
            # Whatever was written or deleted since the first page, this is the last one.
            return wire.page(number, number, None, entries)
        # Counting reads all that is to come, so only the first page does it, and the links pass it on.
        total = max(link.total if link else -(-self.count() // self.page_size), number + 1)
        values = link.values if link else request.args
        further = PageLink.after_page(self.query, number, total, values, self.place(shown[-1]))
        next_page = f"{current_backend().public_url}/v1/{self.name}/pages/{further.encode()}"
        return wire.page(number, total, next_page, entries)
