"""The budget: what is counted where, what Retry-After holds back, and what becomes of it without Redis."""

from collections.abc import Iterator

import pytest
from limits import parse_many

from tests.clocks import FakeClock
from tests.processes import free_port
from tests.servers import RedisServer
from widgetsvc.cronofy.budget import REDIS_REST_SECONDS, Budget
from widgetsvc.cronofy.faults import BudgetSpent

# Days are long enough for none to end in the midst of a test.
THREE = "3/day"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_000.0)


_opened: list[Budget] = []


def budget(clock: FakeClock, limits: str = THREE, url: str = "memory://", application: str = "app") -> Budget:
    """A budget that is closed when the test ends."""
    _opened.append(Budget(application, parse_many(limits), cache_url=url, monotonic=clock))
    return _opened[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def spend_all(*budgets: Budget) -> int:
    """Count the calls that may go out when these take turns."""
    for spent in range(100):
        try:
            budgets[spent % len(budgets)].spend()
        except BudgetSpent:
            return spent
    pytest.fail("nothing limits them")


def refusal(budget: Budget) -> BudgetSpent:
    with pytest.raises(BudgetSpent) as caught:
        budget.spend()
    return caught.value


def test_a_budget_is_spent_call_by_call(clock: FakeClock) -> None:
    limited = budget(clock)

    assert spend_all(limited) == 3
    assert "3 per 1 day" in str(refusal(limited))
    assert refusal(limited).retry_after == 60


def test_every_limit_counts(clock: FakeClock) -> None:
    assert spend_all(budget(clock, "50/day;2/month")) == 2


def test_no_limit_is_no_budget(clock: FakeClock) -> None:
    unlimited = Budget("app", [], monotonic=clock)

    for _ in range(1_000):
        unlimited.spend()


def test_nothing_goes_out_while_a_retry_after_lasts(clock: FakeClock) -> None:
    held = budget(clock)
    held.hold(30)
    clock.advance(10.5)
    assert refusal(held).retry_after == 20
    clock.advance(19.5)

    assert spend_all(held) == 3


def test_the_longest_retry_after_counts(clock: FakeClock) -> None:
    held = budget(clock)
    held.hold(30)
    held.hold(5)

    assert refusal(held).retry_after == 30


def test_processes_share_a_budget_in_redis(clock: FakeClock, redis_url: str) -> None:
    assert spend_all(budget(clock, url=redis_url), budget(clock, url=redis_url)) == 3


def test_applications_do_not_share_it(clock: FakeClock, redis_url: str) -> None:
    spend_all(budget(clock, url=redis_url))

    assert spend_all(budget(clock, url=redis_url, application="other")) == 3


def test_processes_share_a_retry_after_in_redis(clock: FakeClock, redis_url: str) -> None:
    first, second = budget(clock, url=redis_url), budget(clock, url=redis_url)
    first.hold(40)
    first.hold(2)

    assert 35 <= refusal(second).retry_after <= 40


def test_without_redis_each_process_counts_for_itself(clock: FakeClock) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"

    assert spend_all(budget(clock, url=url)) == 3


def test_what_redis_cannot_share_holds_in_the_process(clock: FakeClock) -> None:
    held = budget(clock, url=f"redis://127.0.0.1:{free_port()}/0")
    held.hold(40)

    assert refusal(held).retry_after == 40


def test_redis_is_asked_again_when_it_has_had_a_rest(clock: FakeClock) -> None:
    with RedisServer() as redis:
        here, there = budget(clock, url=redis.url), budget(clock, url=redis.url)
        redis.freeze()
        here.spend()
        redis.thaw()
        assert spend_all(there) == 3
        here.spend()
        clock.advance(REDIS_REST_SECONDS)

        assert spend_all(here) == 0
