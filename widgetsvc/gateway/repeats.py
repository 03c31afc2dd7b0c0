"""What has been granted before, by the request as it came: most requests for a token are repeats.

A page's visitors all send the same bytes. What was found out about the first of them, that the bytes can be
read, the key is good, the origin allowed and the calendars known, holds for all until the tenant changes; and
then the registry no longer has the tenant that the grant was made for.
"""

from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache

from widgetsvc.gateway.embedding import Grant

_MAX_REPEATS = 10_000
_MAX_BODY = 1_024
"""Bytes of a body that are kept; a longer one names dozens of calendars and is read anew each time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a token: all that its grant depends on."""

    content_type: str
    body: bytes
    origin: str


@dataclass(slots=True, eq=False)
class Repeat:
    """A grant, and the answer to it but for what differs from one time to the next.

    `parts` stand before, between and behind these; they are made anew after `good_until` (monotonic seconds).
    """

    grant: Grant
    parts: tuple[bytes, ...] = ()
    good_until: float = 0.0


class Repeats:
    """Grants by request; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._repeats: LRUCache[Asked, Repeat] = LRUCache(_MAX_REPEATS)

    def remember(self, asked: Asked, grant: Grant) -> None:
        """Keep a grant, unless it is good for one request only or too long to keep."""
        if grant.publishable_key is not None and len(asked.body) <= _MAX_BODY:
            with self._lock:
                self._repeats[asked] = Repeat(grant)

    def find(self, asked: Asked) -> Repeat | None:
        """Return what was granted before; whether it is still good is the desk's to say."""
        with self._lock:
            return self._repeats.get(asked)
