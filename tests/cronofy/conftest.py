"""A client with its guard over answers given in turn, whose time is made up."""

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest
from limits import parse_many

from tests.clocks import FakeClock
from widgetsvc.cronofy.breaker import CircuitBreaker
from widgetsvc.cronofy.budget import Budget
from widgetsvc.cronofy.client import CronofyClient, Exchange, http_client
from widgetsvc.cronofy.guard import Guard

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date in RFC 9110's examples

Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class Cloud:
    """Stands where the network would: `answer` is what it does now, and `seconds` how long it takes."""

    clock: FakeClock
    answer: Handler
    seconds: float = 0.0
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.clock.advance(self.seconds)
        return self.answer(request)

    def answers_in_turn(self, *answers: Handler) -> None:
        turns = iter(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            return next(turns)(request)

        self.answer = answer


@dataclass
class Guarded:
    """The client, and what it did."""

    client: CronofyClient
    cloud: Cloud
    clock: FakeClock
    slept: list[float]
    exchanges: list[Exchange]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def guarded(clock: FakeClock) -> Callable[..., Guarded]:
    def make(answer: Handler, limits: str = "50/second;500/minute") -> Guarded:
        slept: list[float] = []
        exchanges: list[Exchange] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock.advance(seconds)

        cloud = Cloud(clock, answer)
        budget = Budget("client-1", parse_many(limits), monotonic=clock)
        client = CronofyClient(
            http_client("https://api.cronofy.test", transport=httpx.MockTransport(cloud)),
            client_id="client-1",
            client_secret="CRN_client-SECRET-7f3k",
            guard=Guard(CircuitBreaker(clock), budget, sleep=sleep),
            observe=exchanges.append,
            clock=clock,
            monotonic=clock,
        )
        return Guarded(client, cloud, clock, slept, exchanges)

    return make
