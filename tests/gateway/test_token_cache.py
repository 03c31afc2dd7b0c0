"""The token cache under a clock that is turned by hand and mints that end when they are told to."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations
from threading import Barrier, Event, Lock
from threading import enumerate as threads
from time import monotonic, sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import FakeClock
from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.errors import UpstreamRejected, UpstreamUnavailable
from widgetsvc.gateway.audit import Action, Change
from widgetsvc.gateway.renewals import Renewals
from widgetsvc.gateway.token_cache import REFUSABLE_FROM, CachedToken, TokenCache, TokenKey
from widgetsvc.permissions import Permission

HERD = 200
PATIENCE = 60  # seconds after which a test that hangs fails
LIFE = 1000
DUE = 800  # 80 % of LIFE, where the jitter is nought

ORIGIN = "https://jobs.example.com"
KEY = TokenKey("7", ("apc_1", "apc_2"), (Permission.AGENDA, Permission.AVAILABILITY), ORIGIN)
OTHER_KEY = TokenKey("7", ("apc_1",), (Permission.AGENDA,), ORIGIN)


class RollCallClock(FakeClock):
    """Sets `all_here` once every caller has read it on its way in, and the one that mints before it asks."""

    def __init__(self, callers: int) -> None:
        super().__init__(now=5_000.0)
        self.all_here = Event()
        self._missing = callers + 1
        self._counting = Lock()

    def __call__(self) -> float:
        with self._counting:
            self._missing -= 1
            if self._missing == 0:
                self.all_here.set()
        return super().__call__()


class Upstream:
    """Mints `token-1`, `token-2`, …, or fails with whatever `error` holds at the time."""

    def __init__(self, life: int = LIFE) -> None:
        self.life = life
        self.error: BaseException | None = None
        self.asked = 0

    def __call__(self) -> ElementToken:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return token(f"token-{self.asked}", self.life)


class Held:
    """A mint that begins, and ends only when it is released."""

    def __init__(self, mint: Callable[[], ElementToken]) -> None:
        self._mint = mint
        self.begun = Event()
        self.released = Event()

    def __call__(self) -> ElementToken:
        self.begun.set()
        assert self.released.wait(PATIENCE)
        return self._mint()


def token(text: str, life: int = LIFE) -> ElementToken:
    return ElementToken(token=text, permissions=frozenset(KEY.permissions), origin=ORIGIN, expires_in=life)


def outage(retry_after: int = 5) -> UpstreamUnavailable:
    return UpstreamUnavailable("POST /v1/element_tokens answered 503", retry_after=retry_after)


class Jobs:
    """A background in which nothing happens until it is told to; it takes `room` jobs at a time."""

    def __init__(self, room: int = 10) -> None:
        self._room = room
        self._waiting: list[Callable[[], None]] = []

    def submit(self, job: Callable[[], None]) -> bool:
        if len(self._waiting) == self._room:
            return False
        self._waiting.append(job)
        return True

    def run(self) -> int:
        """Do what waits, and say how many jobs there were."""
        waiting, self._waiting = self._waiting, []
        for job in waiting:
            job()
        return len(waiting)


def counts(cache: TokenCache, *names: str) -> tuple[int, ...]:
    stats = cache.stats()
    return tuple(getattr(stats, name) for name in names)


def change(action: Action, entry_id: int = 1, tenant_id: int = 7, **details: object) -> Change:
    return Change(entry_id, 0, tenant_id, "acme", "operator", action, details=details)


SUSPENDED = change(Action.TENANT_SUSPENDED)


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def cache(clock: FakeClock, jobs: Jobs) -> TokenCache:
    return TokenCache(clock=clock, jitter=lambda: 0.5, run=jobs.submit)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@contextmanager
def renewal_under_way(cache: TokenCache, jobs: Jobs, mint: Callable[[], ElementToken]) -> Iterator[Held]:
    """Have the background in the midst of renewing KEY's token; it is done on leaving."""
    held = Held(mint)
    cache.get(KEY, held)
    with ThreadPoolExecutor(1) as pool:
        renewal = pool.submit(jobs.run)
        try:
            assert held.begun.wait(PATIENCE)
            yield held
        finally:
            held.released.set()
            assert renewal.result(PATIENCE) == 1


@contextmanager
def mint_under_way(
    cache: TokenCache, mint: Callable[[], ElementToken]
) -> Iterator[tuple[Held, Future[CachedToken]]]:
    """Have another thread in the midst of minting for KEY; it is released at the latest on leaving."""
    held = Held(mint)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.get, KEY, held)
        try:
            assert held.begun.wait(PATIENCE)
            yield held, leader
        finally:
            held.released.set()


def stampede(cache: TokenCache, mint: Callable[[], ElementToken]) -> list[Future[CachedToken]]:
    barrier = Barrier(HERD)

    def ask() -> CachedToken:
        barrier.wait(PATIENCE)
        return cache.get(KEY, mint)

    with ThreadPoolExecutor(HERD) as pool:
        return [pool.submit(ask) for _ in range(HERD)]


class TestHits:
    def test_second_call_gets_the_same_token_without_a_mint(self, cache, upstream):
        first, second = cache.get(KEY, upstream), cache.get(KEY, upstream)

        assert (first.token, first.hit) == ("token-1", False)
        assert (second.token, second.hit) == ("token-1", True)
        assert counts(cache, "hits", "misses", "mints") == (1, 1, 1)

    def test_expires_in_is_what_is_left_rounded_down(self, cache, clock, upstream):
        assert cache.get(KEY, upstream).expires_in == LIFE

        clock.now += 100.5

        assert cache.get(KEY, upstream).expires_in == 899

    def test_key_is_the_same_in_any_order_and_repetition(self, cache, upstream):
        shuffled = TokenKey(
            "7",
            ("apc_2", "apc_1", "apc_2"),
            (Permission.AVAILABILITY, Permission.AGENDA, Permission.AGENDA),
            ORIGIN,
        )
        cache.get(KEY, upstream)

        assert shuffled == KEY
        assert cache.get(shuffled, upstream).hit

    def test_least_recently_used_goes_when_full(self, clock, upstream):
        cache = TokenCache(maxsize=2, clock=clock)
        first, second, third = (TokenKey("acme", (sub,), (), ORIGIN) for sub in "123")
        for key in (first, second, first, third):
            cache.get(key, upstream)

        assert len(cache) == 2
        assert cache.get(first, upstream).hit
        assert not cache.get(second, upstream).hit

    def test_neither_key_nor_answer_shows_the_token(self, cache):
        assert "s3cret" not in repr(cache.get(KEY, lambda: token("s3cret")))


class TestSingleFlight:
    def test_stampede_mints_once(self):
        clock = RollCallClock(HERD)
        cache = TokenCache(clock=clock)
        upstream = Upstream()

        def mint() -> ElementToken:
            assert clock.all_here.wait(PATIENCE)
            return upstream()

        results = [future.result() for future in stampede(cache, mint)]

        assert {result.token for result in results} == {"token-1"}
        assert counts(cache, "hits", "misses", "mints") == (0, HERD, 1)
        assert upstream.asked == 1

    @pytest.mark.parametrize(
        "error", [outage(retry_after=17), UpstreamRejected("no", status=422), KeyError("bug"), SystemExit(1)]
    )
    def test_failure_is_shared(self, error: BaseException):
        clock = RollCallClock(HERD)
        cache = TokenCache(clock=clock)
        upstream = Upstream()
        upstream.error = error

        def mint() -> ElementToken:
            assert clock.all_here.wait(PATIENCE)
            return upstream()

        raised = [future.exception() for future in stampede(cache, mint)]

        assert upstream.asked == 1
        assert {(type(each), str(each), repr(vars(each))) for each in raised} == {
            (type(error), str(error), repr(vars(error)))
        }
        assert len({id(each) for each in raised}) == HERD, "each thread raises its own"
        assert all(each is error or each.__cause__ is error for each in raised)

    def test_other_keys_do_not_wait(self, cache, upstream):
        with mint_under_way(cache, upstream) as (_, leader):
            assert cache.get(OTHER_KEY, upstream).token == "token-1"
            assert not leader.done()

        assert leader.result().token == "token-2"


class TestExpiry:
    def test_token_is_served_while_more_than_a_minute_is_left(self, cache, clock, upstream):
        cache.get(KEY, upstream)
        upstream.error = outage()

        clock.now += LIFE - 60.5
        assert cache.get(KEY, upstream).expires_in == 60

        clock.now += 0.5
        with pytest.raises(UpstreamUnavailable):
            cache.get(KEY, upstream)

    def test_token_that_cronofy_refuses_is_not_served_again(self, cache, clock, upstream):
        cache.get(KEY, upstream)
        clock.advance(REFUSABLE_FROM)
        cache.get(OTHER_KEY, upstream)

        cache.refuse(KEY, "token-1")

        assert cache.get(KEY, upstream).token == "token-3"
        assert cache.get(OTHER_KEY, upstream).token == "token-2"

    @pytest.mark.parametrize(("age", "said"), [(REFUSABLE_FROM - 1, "token-1"), (REFUSABLE_FROM, "token-0")])
    def test_visitors_cannot_have_tokens_minted_by_calling_them_refused(
        self, cache, clock, upstream, age: int, said: str
    ):
        cache.get(KEY, upstream)
        clock.advance(age)

        cache.refuse(KEY, said)

        assert cache.get(KEY, upstream).token == "token-1"

    def test_life_counts_from_before_the_mint(self, cache, clock, upstream):
        def slow_mint() -> ElementToken:
            clock.now += 4
            return upstream()

        assert cache.get(KEY, slow_mint).expires_in == LIFE - 4
        assert cache.get(KEY, upstream).expires_in == LIFE - 4

    @pytest.mark.parametrize("life", [1, 59, 60])
    def test_short_lived_token_is_handed_out_and_not_kept(self, cache, life: int):
        upstream = Upstream(life)

        assert cache.get(KEY, upstream).expires_in == life
        assert not cache.get(KEY, upstream).hit
        assert len(cache) == 0

    def test_token_that_ran_out_during_its_mint_has_nothing_left(self, cache, clock):
        def slow_mint() -> ElementToken:
            clock.now += 4
            return token("brief", life=2)

        assert cache.get(KEY, slow_mint).expires_in == 0


class TestBackoff:
    def test_key_that_fails_is_not_asked_for_again_until_it_may_be(self, cache, clock, upstream):
        upstream.error = outage(retry_after=17)
        with pytest.raises(UpstreamUnavailable):
            cache.get(KEY, upstream)
        upstream.error = None

        clock.now += 16.5
        with pytest.raises(UpstreamUnavailable, match="answered 503") as raised:
            cache.get(KEY, upstream)
        assert (raised.value.retry_after, upstream.asked) == (1, 1)
        assert counts(cache, "mints", "backoffs") == (1, 1)

        clock.now += 0.5
        assert cache.get(KEY, upstream).token == "token-2"

    def test_what_remains_is_told(self, cache, clock, upstream):
        upstream.error = outage(retry_after=17)
        told = []
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable) as raised:
                cache.get(KEY, upstream)
            told.append(raised.value.retry_after)
            clock.now += 4

        assert told == [17, 13, 9]

    def test_other_keys_are_asked_for(self, cache, upstream):
        failing = Upstream()
        failing.error = outage()
        with pytest.raises(UpstreamUnavailable):
            cache.get(KEY, failing)

        assert cache.get(OTHER_KEY, upstream).token == "token-1"

    def test_rejection_is_remembered_for_a_moment(self, cache, clock, upstream):
        upstream.error = UpstreamRejected("no such sub", status=422)
        for _ in range(3):
            with pytest.raises(UpstreamRejected, match="no such sub") as raised:
                cache.get(KEY, upstream)
            assert raised.value.status == 422
        assert upstream.asked == 1
        upstream.error = None

        clock.now += 5
        assert cache.get(KEY, upstream).token == "token-2"

    def test_fault_of_our_own_is_not_remembered(self, cache, upstream):
        upstream.error = KeyError("bug")
        with pytest.raises(KeyError):
            cache.get(KEY, upstream)
        upstream.error = None

        assert cache.get(KEY, upstream).token == "token-2"


class TestRenewal:
    @pytest.mark.parametrize(("jitter", "due"), [(0.0, 720), (0.5, 800), (1.0, 880)])
    def test_due_at_four_fifths_give_or_take_a_tenth(self, clock, upstream, jobs, jitter: float, due: int):
        cache = TokenCache(clock=clock, jitter=lambda: jitter, run=jobs.submit)
        cache.get(KEY, upstream)

        clock.now += due - 1
        cache.get(KEY, upstream)
        assert jobs.run() == 0

        clock.now += 1.1
        assert cache.get(KEY, upstream).token == "token-1"
        assert jobs.run() == 1
        assert cache.get(KEY, upstream) == served("token-2", LIFE)
        assert counts(cache, "hits", "misses", "renewals") == (3, 1, 1)

    def test_nobody_waits_for_it(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE

        with renewal_under_way(cache, jobs, upstream):
            assert [cache.get(KEY, upstream) for _ in range(3)] == [served("token-1", LIFE - DUE)] * 3

        assert upstream.asked == 2

    def test_is_asked_for_once(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE

        for _ in range(5):
            cache.get(KEY, upstream)

        assert (jobs.run(), upstream.asked) == (1, 2)

    def test_runs_where_nobody_has_started_the_background(self, clock, upstream):
        cache = TokenCache(clock=clock, jitter=lambda: 0.5)
        cache.get(KEY, upstream)
        clock.now += DUE
        renewed = Held(upstream)
        renewed.released.set()

        assert cache.get(KEY, renewed).token == "token-1"

        assert renewed.begun.wait(PATIENCE)
        eventually(lambda: cache.get(KEY, upstream).token == "token-2")

    def test_background_that_is_full_puts_it_off(self, clock, upstream):
        jobs = Jobs(room=1)
        cache = TokenCache(clock=clock, jitter=lambda: 0.5, run=jobs.submit)
        for key in (KEY, OTHER_KEY):
            cache.get(key, upstream)
        clock.now += DUE

        assert [cache.get(key, upstream).token for key in (KEY, OTHER_KEY)] == ["token-1", "token-2"]
        jobs.run()
        assert [cache.get(key, upstream).token for key in (KEY, OTHER_KEY)] == ["token-3", "token-2"]

        clock.now += 2
        cache.get(OTHER_KEY, upstream)
        jobs.run()
        assert cache.get(OTHER_KEY, upstream).token == "token-4"

    def test_who_comes_after_the_old_one_ran_out_waits_for_the_renewal(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE

        with renewal_under_way(cache, jobs, upstream) as held, ThreadPoolExecutor(1) as pool:
            clock.now += LIFE - DUE - 60
            follower = pool.submit(cache.get, KEY, upstream)
            eventually(lambda: counts(cache, "misses") == (2,))
            held.released.set()
            assert follower.result(PATIENCE).token == "token-2"

        assert upstream.asked == 2

    def test_who_comes_before_a_belated_renewal_has_begun_mints(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE
        cache.get(KEY, upstream)
        clock.now += LIFE - DUE

        assert cache.get(KEY, upstream).token == "token-2"
        jobs.run()
        assert (cache.get(KEY, upstream).token, upstream.asked) == ("token-2", 2)

    def test_who_waits_for_a_renewal_that_fails_asks_for_itself(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE
        failing = Upstream()
        failing.error = outage()

        with renewal_under_way(cache, jobs, failing) as held, ThreadPoolExecutor(1) as pool:
            clock.now += LIFE - DUE - 60
            follower = pool.submit(cache.get, KEY, upstream)
            eventually(lambda: counts(cache, "misses") == (2,))
            held.released.set()
            assert follower.result(PATIENCE).token == "token-2"

    def test_outage_serves_the_old_one_on_and_puts_it_off_as_long_as_it_says(
        self, cache, clock, upstream, jobs
    ):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.error = outage(retry_after=30)
        cache.get(KEY, upstream)
        jobs.run()
        upstream.error = None

        clock.now += 29
        assert cache.get(KEY, upstream) == served("token-1", LIFE - DUE - 29)
        assert jobs.run() == 0

        clock.now += 1
        cache.get(KEY, upstream)
        jobs.run()
        assert cache.get(KEY, upstream).token == "token-3"
        assert counts(cache, "renewals", "renewal_failures") == (2, 1)

    def test_outage_that_outlasts_the_old_one_is_raised(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.error = outage(retry_after=1)
        cache.get(KEY, upstream)
        jobs.run()

        clock.now += LIFE - DUE - 60
        with pytest.raises(UpstreamUnavailable):
            cache.get(KEY, upstream)

    def test_rejection_drops_the_old_one(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.error = UpstreamRejected("revoked", status=422)
        cache.get(KEY, upstream)
        jobs.run()

        with pytest.raises(UpstreamRejected, match="revoked"):
            cache.get(KEY, upstream)

        assert (len(cache), upstream.asked) == (0, 2)

    def test_fault_of_our_own_leaves_the_old_one_and_is_tried_again(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.error = KeyError("bug")
        cache.get(KEY, upstream)
        with pytest.raises(KeyError):
            jobs.run()
        upstream.error = None

        assert cache.get(KEY, upstream).token == "token-1"
        clock.now += 2
        cache.get(KEY, upstream)
        jobs.run()
        assert cache.get(KEY, upstream).token == "token-3"

    def test_with_a_short_lived_token_does_not_keep_the_old_one(self, cache, clock, upstream, jobs):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.life = 30
        cache.get(KEY, upstream)
        jobs.run()

        assert len(cache) == 0


class TestNarrowing:
    @pytest.mark.parametrize(
        "narrowing",
        [
            SUSPENDED,
            change(Action.TENANT_DELETED),
            change(Action.KEY_REVOKED),
            change(Action.SIGNING_KEY_REVOKED),
            change(Action.TENANT_UPDATED, allowed_origins=[[ORIGIN, "https://a.example"], [ORIGIN]]),
            change(Action.TENANT_UPDATED, permissions=[["agenda", "availability"], ["agenda"]]),
            change(Action.CALENDAR_REVOKED, sub="apc_2"),
            change(Action.CALENDAR_REVOKED),
        ],
        ids=lambda change: f"{change.action}-{'-'.join(change.details)}",
    )
    def test_what_takes_something_away_drops_the_token(self, cache, upstream, narrowing: Change):
        cache.get(KEY, upstream)

        cache.narrow([narrowing])

        assert cache.get(KEY, upstream) == served("token-2", LIFE, hit=False)
        assert cache.get(KEY, upstream).hit

    @pytest.mark.parametrize(
        "harmless",
        [
            change(Action.TENANT_SUSPENDED, tenant_id=8),
            change(Action.TENANT_RESUMED),
            change(Action.KEY_ROTATED),
            change(Action.CALENDAR_ADDED),
            change(Action.WIDGET_DELETED),
            change(Action.TENANT_UPDATED, allowed_origins=[[ORIGIN], [ORIGIN, "https://a.example"]]),
            change(Action.TENANT_UPDATED, name=["Acme", "ACME"]),
            change(Action.CALENDAR_REVOKED, sub="apc_3"),
            change(Action.CALENDAR_REVOKED, tenant_id=8, sub="apc_2"),
        ],
        ids=lambda change: f"{change.tenant_id}-{change.action}-{'-'.join(change.details)}",
    )
    def test_what_takes_nothing_away_leaves_it(self, cache, upstream, harmless: Change):
        cache.get(KEY, upstream)

        cache.narrow([harmless])

        assert cache.get(KEY, upstream).hit

    def test_hearing_of_it_again_does_no_harm(self, cache, upstream):
        cache.narrow([SUSPENDED])
        cache.get(KEY, upstream)
        cache.narrow([SUSPENDED])

        assert cache.get(KEY, upstream).hit

    def test_any_number_of_narrowings_is_minded(self, cache, upstream):
        cache.get(KEY, upstream)
        others = [change(Action.TENANT_SUSPENDED, entry_id=each, tenant_id=each) for each in range(8, 20_008)]
        cache.narrow([SUSPENDED, *others])

        assert not cache.get(KEY, upstream).hit
        assert cache.get(KEY, upstream).hit
        assert len(cache._narrowed) <= 10_000

    def test_mint_under_way_is_not_kept(self, cache, upstream):
        with mint_under_way(cache, upstream) as (_, leader):
            cache.narrow([SUSPENDED])

        assert leader.result().token == "token-1"
        assert not cache.get(KEY, upstream).hit

    def test_mint_under_way_for_another_tenant_is_kept(self, cache, upstream):
        with mint_under_way(cache, upstream):
            cache.narrow([change(Action.TENANT_SUSPENDED, tenant_id=8)])

        assert cache.get(KEY, upstream).hit

    def test_call_after_it_does_not_join_the_mint_before_it(self, cache, upstream):
        with mint_under_way(cache, upstream) as (_, leader):
            cache.narrow([SUSPENDED])
            later = cache.get(KEY, upstream)

        assert (later.token, leader.result().token) == ("token-1", "token-2")
        assert cache.get(KEY, upstream).token == later.token

    @pytest.mark.parametrize("error", [outage(), UpstreamRejected("revoked", status=422)])
    def test_renewal_under_way_that_fails_does_not_drop_the_new_one(
        self, cache, clock, upstream, jobs, error: Exception
    ):
        cache.get(KEY, upstream)
        clock.now += DUE
        failing = Upstream()
        failing.error = error

        with renewal_under_way(cache, jobs, failing):
            cache.narrow([SUSPENDED])
            later = cache.get(KEY, upstream)

        assert cache.get(KEY, upstream) == served(later.token, LIFE)


class TestThreads:
    def test_renewals_begin_without_being_started_and_end_when_they_are_told_to(self):
        renewals = Renewals(threads=2)
        done = Event()
        before = set(threads())
        with renewals.running():
            assert renewals.submit(done.set)
            assert done.wait(PATIENCE)

        assert not renewals.submit(done.set)
        assert set(threads()) <= before

    def test_renewals_take_no_more_than_they_have_room_for(self):
        renewals = Renewals(threads=1, capacity=2)
        held = Held(Upstream())
        with renewals.running():
            renewals.submit(held)
            assert held.begun.wait(PATIENCE)
            taken = [renewals.submit(Event().set) for _ in range(4)]
            held.released.set()

        assert taken == [True, True, False, False]


class TestSeparation:
    def test_no_two_of_all_combinations_share_a_token(self, upstream):
        cache = TokenCache()
        keys = [
            TokenKey(tenant, subs, permissions, origin)
            for tenant in ("", "a", "b", "ab")
            for subs in subsets("a", "b", "a,b")
            for permissions in subsets(*Permission)
            for origin in ("https://a.example", "https://a.example:8443", "http://a.example")
        ]

        minted = [cache.get(key, upstream).token for key in keys]

        assert len(set(minted)) == len(keys) == 4 * 2**3 * 2**4 * 3
        assert [cache.get(key, upstream).token for key in keys] == minted

    @given(st.data())
    def test_requests_share_a_token_exactly_if_they_ask_for_the_same(self, data: st.DataObject):
        one = tenant, subs, permissions, origin = data.draw(ASKED)
        shuffled = st.permutations(subs).map(lambda subs: (tenant, (*subs, *subs), permissions[::-1], origin))
        other = data.draw(ASKED | shuffled)
        cache, upstream = TokenCache(), Upstream()

        cache.get(TokenKey(*one), upstream)

        assert cache.get(TokenKey(*other), upstream).hit == (as_sets(*one) == as_sets(*other))


def served(text: str, left: int, *, hit: bool = True) -> CachedToken:
    return CachedToken(text, KEY.permissions, ORIGIN, left, hit)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline
        sleep(0.005)


def subsets(*items: str) -> list[tuple[str, ...]]:
    return [chosen for size in range(len(items) + 1) for chosen in combinations(items, size)]


def as_sets(
    tenant: str, subs: tuple[str, ...], permissions: tuple[str, ...], origin: str
) -> tuple[object, ...]:
    return tenant, frozenset(subs), frozenset(permissions), origin


def tuples_of(items: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(items, max_size=3).map(tuple)


# Separators, because keys glued together from their parts would collide by them.
NAMES = st.text(alphabet="a,|", max_size=2)
ASKED = st.tuples(
    st.just("a") | NAMES,
    tuples_of(NAMES),
    tuples_of(st.sampled_from(Permission)),
    st.just("a") | NAMES,
)
