"""What has been granted before, by the request as it came: most requests for a token are repeats.

A page's visitors all send the same bytes. What was found out about the first of them, that the bytes can be
read, the key is good, the origin allowed and the calendars known, holds for all until the tenant changes; and
then the registry no longer has the tenant that the grant was made for.
"""

from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache

from widgetsvc.gateway.embedding import Grant

_MAX_GRANTS = 10_000
_MAX_BODY = 2_048
"""Bytes of a body that are kept; a longer one names dozens of calendars and is read anew each time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a token: all that its grant depends on."""

    content_type: str
    body: bytes
    origin: str


class Repeats:
    """Grants by request; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._grants: LRUCache[Asked, Grant] = LRUCache(_MAX_GRANTS)

    def remember(self, asked: Asked, grant: Grant) -> None:
        """Keep a grant, unless it is good for one request only or too long to keep."""
        if grant.publishable_key is not None and len(asked.body) <= _MAX_BODY:
            with self._lock:
                self._grants[asked] = grant

    def find(self, asked: Asked) -> Grant | None:
        """Return what was granted before; whether it is still good is the desk's to say."""
        with self._lock:
            return self._grants.get(asked)
