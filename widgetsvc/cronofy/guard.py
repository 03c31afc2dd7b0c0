"""What stands between the service and Cronofy's cloud: repeats what may be repeated, and holds back the rest.

The embedded backend needs none of it: where that fails, so does the service itself.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from widgetsvc.cronofy.breaker import BreakerState, CircuitBreaker
from widgetsvc.cronofy.budget import Budget
from widgetsvc.cronofy.faults import Failed, NotAsked, NotAwaited, Overloaded, Throttled
from widgetsvc.errors import UpstreamError

MAX_RETRIES = 2
MIN_ATTEMPT_SECONDS = 0.5
"""With less than this left, another attempt would only be cut off."""

_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 0.2, 1.0

Sleep = Callable[[float], None]
T = TypeVar("T")


class Guard:
    """Retries, the circuit breaker and the budget of one application; safe to share between threads."""

    def __init__(self, breaker: CircuitBreaker, budget: Budget, *, sleep: Sleep = time.sleep) -> None:
        self._breaker = breaker
        self._budget = budget
        self._sleep = sleep

    @property
    def state(self) -> BreakerState:
        """Whether calls go out now."""
        return self._breaker.state

    def close(self) -> None:
        """Close what the budget has open."""
        self._budget.close()

    def repeat(self, attempt: Callable[[], T], seconds_left: Callable[[], float]) -> T:
        """Make up to two more attempts after failures that may pass, a random while apart (full jitter)."""

        def is_enough(state: RetryCallState) -> bool:
            left = seconds_left() - state.upcoming_sleep
            return state.attempt_number > MAX_RETRIES or left < MIN_ATTEMPT_SECONDS

        retrying = Retrying(
            sleep=self._sleep,
            wait=wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_MAX_WAIT_SECONDS),
            stop=is_enough,
            retry=retry_if_exception(self._is_worth_repeating),
            reraise=True,
        )
        return retrying(attempt)

    def _is_worth_repeating(self, error: BaseException) -> bool:
        return isinstance(error, Failed) and error.transient and self.state is BreakerState.CLOSED

    def exchange(self, send: Callable[[], T]) -> T:
        """Send, unless the breaker or the budget is against it, and learn from what comes of it.

        Raises what `send` raises, CircuitOpen and BudgetSpent.
        """
        ticket = self._breaker.admit()
        try:
            self._budget.spend()
            answer = send()
        except Failed as error:
            self._breaker.record(ticket, success=False)
            if isinstance(error, Overloaded):
                self._budget.hold(error.retry_after)
            raise
        except (NotAsked, NotAwaited):
            self._breaker.withdraw(ticket)
            raise
        except UpstreamError as error:
            # An answer all the same: whoever can refuse is up.
            self._breaker.record(ticket, success=True)
            if isinstance(error, Throttled):
                self._budget.hold(error.retry_after)
            raise
        except BaseException:
            self._breaker.withdraw(ticket)
            raise
        self._breaker.record(ticket, success=True)
        return answer
