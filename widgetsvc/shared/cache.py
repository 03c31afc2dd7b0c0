"""What stands in Redis for the processes of one service, put together."""

from collections.abc import Callable

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.gateway.renewals import Job
from widgetsvc.shared.changes import ChangeFeed
from widgetsvc.shared.connection import Connection, State
from widgetsvc.shared.counts import SharedCounts
from widgetsvc.shared.seal import Seal
from widgetsvc.shared.tokens import SharedTokens


class SharedCache:
    """One Redis, and what the service does with it."""

    def __init__(self, url: str, *, key: bytes, issuer: str, mint_seconds: float) -> None:
        """Seal all with `key` (32 bytes); `issuer` and `mint_seconds` are SharedTokens'."""
        self.connection = Connection(url)
        self._seal = Seal(key)
        self._issuer = issuer
        self._mint_seconds = mint_seconds
        self.changes = ChangeFeed(self.connection, self._seal)

    def tokens(self, run: Callable[[Job], bool], clock: Clock = monotonic_clock) -> SharedTokens:
        """The tokens that all processes share; `run` has a job run in the background."""
        return SharedTokens(
            self.connection,
            self._seal,
            issuer=self._issuer,
            mint_seconds=self._mint_seconds,
            run=run,
            clock=clock,
        )

    def counts(self, clock: Clock) -> SharedCounts:
        """What is counted for limits, for all processes together."""
        return SharedCounts(self.connection, clock)

    def close(self) -> None:
        """Close the connections that are open."""
        self.connection.close()

    def state(self) -> State:
        """How Redis did, the last time that it was asked."""
        return self.connection.state
