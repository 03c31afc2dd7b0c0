"""Limits that hold for all processes together.

What each has counted is added up in Redis a few times a second, so that a limit holds give or take what comes
in between. While Redis does not answer each process goes on with what it knows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from widgetsvc.clock import Clock, system_clock
from widgetsvc.limits import Limited, LocalCounts
from widgetsvc.repeating import repeating
from widgetsvc.shared.connection import Connection, SharedCacheDown

SYNC_SECONDS = 0.25
"""How often processes tell each other what they have counted."""

_BATCH = 1_000


class SharedCounts(LocalCounts):
    """Counts that processes add up in Redis."""

    def __init__(self, connection: Connection, clock: Clock = system_clock) -> None:
        """The connection is asked in the background only."""
        super().__init__(clock)
        self._connection = connection

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """Add up in a thread of its own until the context is left."""
        try:
            with repeating(self.sync, seconds=SYNC_SECONDS, name="limits"):
                yield
        finally:
            self.sync()

    def sync(self) -> None:
        """Tell what was counted here, and hear what it comes to everywhere; later where Redis fails."""
        with self._lock:
            changed = [
                (limited, window.number, window.unsent)
                for limited, window in self._windows.items()
                if window.unsent
            ]
        try:
            for start in range(0, len(changed), _BATCH):
                self._exchange(changed[start : start + _BATCH])
        except SharedCacheDown:
            # What Redis took before it failed is counted twice then: too strict rather than unlimited.
            return

    def _exchange(self, changed: Sequence[tuple[Limited, int, int]]) -> None:
        with self._connection.asked() as redis:
            pipeline = redis.pipeline(transaction=False)
            for limited, number, unsent in changed:
                pipeline.incrby(_name(limited, number), unsent)
                pipeline.get(_name(limited, number - 1))
                pipeline.expire(_name(limited, number), 2 * limited.allowance.seconds)
            answers = pipeline.execute()
        with self._lock:
            for index, (limited, number, sent) in enumerate(changed):
                window = self._windows.get(limited)
                if window is not None and window.number == number:
                    window.unsent -= sent
                    window.now = int(answers[3 * index]) + window.unsent
                    window.before = max(window.before, int(answers[3 * index + 1] or 0))


def _name(limited: Limited, number: int) -> str:
    allowance = limited.allowance
    return f"widgetsvc:limit:{limited.scope}:{limited.who}:{allowance.amount}/{allowance.seconds}:{number}"
