"""What keeps an answer from being had, told apart as far as it changes what is done about it.

UpstreamUnavailable
├── Failed          the API is not well: counts towards the circuit breaker, may be worth another attempt
│   └── Overloaded  it says itself for how long
├── Throttled       429: it is well, and wants to be left alone for a while
├── NotAsked        held back here
│   ├── CircuitOpen     by the circuit breaker
│   └── BudgetSpent     by the budget, or by a Retry-After that is not over
└── NotAwaited      the caller had little time, so it says nothing about how the API is
UpstreamRejected
└── InvalidGrant    the refresh token is dead

An UpstreamUnavailable that is none of these came with an answer that is sound but not what was asked for.
"""

from enum import StrEnum

from widgetsvc.errors import UpstreamRejected, UpstreamUnavailable


class Outcome(StrEnum):
    """How an exchange ended, for metrics and logs."""

    OK = "ok"
    REJECTED = "rejected"
    """Cronofy understood and said no."""
    UNAVAILABLE = "unavailable"
    """No answer, or none that can be used."""
    LIMITED = "limited"
    """429, or held back here so that there is none."""
    OPEN = "open"
    """Held back by the circuit breaker."""


class Failed(UpstreamUnavailable):
    """No usable answer. `transient` ones may be gone at the next attempt."""

    def __init__(self, detail: str, *, retry_after: int = 5, transient: bool = False) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.transient = transient


class Overloaded(Failed):
    """A 5xx with a Retry-After."""


class Throttled(UpstreamUnavailable):
    """429."""


class NotAsked(UpstreamUnavailable):
    """Nothing was sent."""


class CircuitOpen(NotAsked):
    """The circuit breaker is open, or its one probe is under way."""


class BudgetSpent(NotAsked):
    """The call would go beyond the application's rate limits, or its Retry-After is not over."""


class NotAwaited(UpstreamUnavailable):
    """No answer in the little time that the caller had for it."""


class InvalidGrant(UpstreamRejected):
    """The refresh token is unknown or revoked (RFC 6749, section 5.2)."""


def outcome_of(error: BaseException | None) -> Outcome:
    """Name how an exchange ended that raised this error, or none."""
    match error:
        case None:
            return Outcome.OK
        case UpstreamRejected():
            return Outcome.REJECTED
        case CircuitOpen():
            return Outcome.OPEN
        case Throttled() | BudgetSpent():
            return Outcome.LIMITED
        case _:
            return Outcome.UNAVAILABLE
