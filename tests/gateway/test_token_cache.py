"""The token cache under a clock that is turned by hand and mints that end when they are told to."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations
from threading import Barrier, Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import FakeClock
from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.errors import UpstreamRejected, UpstreamUnavailable
from widgetsvc.gateway.token_cache import CachedToken, TokenCache, TokenKey
from widgetsvc.permissions import Permission

HERD = 200
PATIENCE = 10  # seconds after which a test that hangs fails
LIFE = 1000
DUE = 800  # 80 % of LIFE, where the jitter is nought

ORIGIN = "https://jobs.example.com"
KEY = TokenKey("acme", ("apc_1", "apc_2"), (Permission.AGENDA, Permission.AVAILABILITY), ORIGIN)
OTHER_KEY = TokenKey("acme", ("apc_1",), (Permission.AGENDA,), ORIGIN)


class RollCallClock(FakeClock):
    """Sets `all_here` once every caller has read it, which each does on its way in."""

    def __init__(self, callers: int) -> None:
        super().__init__(now=5_000.0)
        self.all_here = Event()
        self._missing = callers

    def __call__(self) -> float:
        self._missing -= 1  # the cache reads its clock under its lock, until all are in
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


@pytest.fixture
def cache(clock: FakeClock) -> TokenCache:
    return TokenCache(clock=clock, jitter=lambda: 0.5)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


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
        assert cache.stats() == TokenCacheStats(hits=1, misses=1, mints=1)

    def test_expires_in_is_what_is_left_rounded_down(self, cache, clock, upstream):
        assert cache.get(KEY, upstream).expires_in == LIFE

        clock.now += 100.5

        assert cache.get(KEY, upstream).expires_in == 899

    def test_key_is_the_same_in_any_order_and_repetition(self, cache, upstream):
        shuffled = TokenKey(
            "acme",
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
        assert cache.stats() == TokenCacheStats(hits=0, misses=HERD, mints=1)
        assert upstream.asked == 1

    @pytest.mark.parametrize(
        "error", [outage(retry_after=17), UpstreamRejected("no", status=422), KeyError("bug"), SystemExit(1)]
    )
    def test_failure_is_shared_and_not_remembered(self, error: BaseException):
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

        upstream.error = None
        assert cache.get(KEY, upstream).token == "token-2"

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


class TestRenewal:
    @pytest.mark.parametrize(("jitter", "due"), [(0.0, 720), (0.5, 800), (1.0, 880)])
    def test_due_at_four_fifths_give_or_take_a_tenth(self, clock, upstream, jitter: float, due: int):
        cache = TokenCache(clock=clock, jitter=lambda: jitter)
        cache.get(KEY, upstream)

        clock.now += due - 1
        assert cache.get(KEY, upstream).token == "token-1"

        clock.now += 1.1
        assert cache.get(KEY, upstream).token == "token-2"
        assert cache.get(KEY, upstream).hit

    def test_others_are_served_the_old_one_meanwhile(self, cache, clock, upstream):
        cache.get(KEY, upstream)
        clock.now += DUE

        with mint_under_way(cache, upstream) as (_, leader):
            meanwhile = [cache.get(KEY, upstream) for _ in range(3)]
            assert not leader.done()

        assert meanwhile == [CachedToken(token("token-1"), LIFE - DUE, hit=True)] * 3
        assert leader.result() == CachedToken(token("token-2"), LIFE, hit=False)
        assert upstream.asked == 2

    def test_who_comes_after_the_old_one_ran_out_waits_for_the_renewal(self, upstream):
        clock = FakeClock(5_000.0)
        cache = TokenCache(clock=clock, jitter=lambda: 0.5)
        cache.get(KEY, upstream)
        clock.now += DUE

        with mint_under_way(cache, upstream) as (held, leader), ThreadPoolExecutor(1) as pool:
            clock.now += LIFE - DUE - 60
            follower = pool.submit(cache.get, KEY, upstream)
            held.released.set()
            assert follower.result(PATIENCE).token == leader.result(PATIENCE).token

        assert upstream.asked == 2

    def test_outage_serves_the_old_one_on(self, cache, clock, upstream):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.error = outage()

        assert cache.get(KEY, upstream) == CachedToken(token("token-1"), LIFE - DUE, hit=False)

    def test_outage_puts_the_next_renewal_off_as_long_as_it_says(self, cache, clock, upstream):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.error = outage(retry_after=30)
        cache.get(KEY, upstream)
        upstream.error = None

        clock.now += 29
        assert cache.get(KEY, upstream).token == "token-1"

        clock.now += 1
        assert cache.get(KEY, upstream).token == "token-3"

    def test_outage_that_outlasts_the_old_one_is_raised(self, cache, clock, upstream):
        cache.get(KEY, upstream)
        clock.now += DUE

        def slow_failure() -> ElementToken:
            clock.now += LIFE - DUE - 60
            raise outage()

        with pytest.raises(UpstreamUnavailable):
            cache.get(KEY, slow_failure)

    def test_rejection_is_raised_and_drops_the_old_one(self, cache, clock, upstream):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.error = UpstreamRejected("revoked", status=422)

        for _ in range(2):
            with pytest.raises(UpstreamRejected, match="revoked"):
                cache.get(KEY, upstream)

        assert len(cache) == 0
        assert upstream.asked == 3

    def test_renewal_with_a_short_lived_token_does_not_keep_the_old_one(self, cache, clock, upstream):
        cache.get(KEY, upstream)
        clock.now += DUE
        upstream.life = 30

        assert cache.get(KEY, upstream).token == "token-2"
        assert len(cache) == 0


class TestInvalidate:
    def test_matching_entries_go_and_others_stay(self, cache, upstream):
        cache.get(KEY, upstream)
        cache.get(OTHER_KEY, upstream)

        cache.invalidate(lambda key: "apc_2" in key.subs)

        assert cache.get(OTHER_KEY, upstream).hit
        assert not cache.get(KEY, upstream).hit

    def test_mint_under_way_is_not_kept(self, cache, upstream):
        with mint_under_way(cache, upstream) as (_, leader):
            cache.invalidate(lambda key: key == KEY)

        assert leader.result().token == "token-1"
        assert not cache.get(KEY, upstream).hit

    def test_mint_under_way_for_another_key_is_kept(self, cache, upstream):
        with mint_under_way(cache, upstream):
            cache.invalidate(lambda key: key == OTHER_KEY)

        assert cache.get(KEY, upstream).hit

    def test_call_after_it_does_not_join_the_mint_before_it(self, cache, upstream):
        with mint_under_way(cache, upstream) as (_, leader):
            cache.invalidate(lambda key: key == KEY)
            later = cache.get(KEY, upstream)

        assert (later.token, leader.result().token) == ("token-1", "token-2")
        assert cache.get(KEY, upstream).token == later.token

    @pytest.mark.parametrize("error", [outage(), UpstreamRejected("revoked", status=422)])
    def test_renewal_under_way_that_fails_neither_serves_the_old_one_nor_drops_the_new(
        self, cache, clock, upstream, error: Exception
    ):
        cache.get(KEY, upstream)
        clock.now += DUE
        failing = Upstream()
        failing.error = error

        with mint_under_way(cache, failing) as (_, leader):
            cache.invalidate(lambda key: key == KEY)
            later = cache.get(KEY, upstream)

        with pytest.raises(type(error)):
            leader.result()
        assert cache.get(KEY, upstream) == CachedToken(later.token, LIFE, hit=True)


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

    @settings(deadline=None)
    @given(st.data())
    def test_requests_share_a_token_exactly_if_they_ask_for_the_same(self, data: st.DataObject):
        one = tenant, subs, permissions, origin = data.draw(ASKED)
        shuffled = st.permutations(subs).map(lambda subs: (tenant, (*subs, *subs), permissions[::-1], origin))
        other = data.draw(ASKED | shuffled)
        cache, upstream = TokenCache(), Upstream()

        cache.get(TokenKey(*one), upstream)

        assert cache.get(TokenKey(*other), upstream).hit == (as_sets(*one) == as_sets(*other))


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
