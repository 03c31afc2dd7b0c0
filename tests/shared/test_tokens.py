"""Tokens that processes share through a real Redis: found, minted once, and never anybody else's."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis

from tests.shared.conftest import LIFE, ORIGIN, PATIENCE, Mints, Process, eventually
from widgetsvc.cronofy.responses import ElementToken
from widgetsvc.errors import UpstreamRejected, UpstreamUnavailable
from widgetsvc.gateway.audit import Action, Change
from widgetsvc.gateway.token_cache import MIN_REMAINING, REFUSABLE_FROM, TokenKey
from widgetsvc.permissions import Permission

KEY = TokenKey("7", ("apc_1",), (Permission.AGENDA,), ORIGIN)
OTHER_KEY = TokenKey("7", ("apc_2",), (Permission.AGENDA,), ORIGIN)
DUE = 800


@pytest.fixture
def one(redis_url: str) -> Process:
    return Process(redis_url)


@pytest.fixture
def two(redis_url: str) -> Process:
    return Process(redis_url)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def token_name(client: redis.Redis) -> bytes:
    (name,) = client.keys("widgetsvc:token:*")
    return name


def change(action: Action, entry_id: int = 1, **details: object) -> Change:
    return Change(entry_id, 0, 7, "acme", "operator", action, details=details)


class TestFinding:
    def test_token_of_one_process_is_found_by_the_other(self, one, two, mints):
        first, second = one.cache.get(KEY, mints), two.cache.get(KEY, mints)

        assert (first.token, second.token, mints.asked) == ("token-1", "token-1", 1)
        assert (two.cache.stats().shared_hits, two.cache.stats().mints) == (1, 0)
        assert two.cache.get(KEY, mints).hit

    def test_remaining_life_is_redis_to_count_not_the_hosts(self, one, two, mints, client):
        one.cache.get(KEY, mints)
        two.clock.now = 9e9
        client.pexpire(token_name(client), 100_500)

        assert two.cache.get(KEY, mints).expires_in == 160

    def test_token_ends_in_redis_with_a_minute_left(self, one, mints, client):
        one.cache.get(KEY, mints)

        assert LIFE - 65 < client.ttl(token_name(client)) <= LIFE - 60

    def test_token_that_cronofy_refuses_is_found_by_nobody(self, one, two, mints, client):
        for process in (one, two):
            process.cache.get(KEY, mints)
        client.pexpire(token_name(client), (LIFE - REFUSABLE_FROM - MIN_REMAINING) * 1_000)
        for process in (one, two):
            process.clock.now += REFUSABLE_FROM
            process.cache.refuse(KEY, "token-1")

            assert process.cache.get(KEY, mints).token == "token-2"
        assert mints.asked == 2

    def test_token_that_is_young_or_another_stays_though_it_is_called_refused(self, one, mints, redis_url):
        one.cache.get(KEY, mints)

        one.cache.refuse(KEY, "token-1")
        one.clock.now += REFUSABLE_FROM
        one.cache.refuse(KEY, "token-0")

        assert Process(redis_url).cache.get(KEY, mints).token == "token-1"

    def test_token_that_outlives_redis_entry_is_neither_due_nor_old(self, one, two):
        asked = []

        def mint() -> ElementToken:
            asked.append(KEY)
            return ElementToken(token="long", permissions=frozenset(), origin=ORIGIN, expires_in=30 * 86_400)

        one.cache.get(KEY, mint)
        for _ in range(2):
            two.cache.get(KEY, mint)
            two.run_jobs()
        two.cache.refuse(KEY, "long")
        two.cache.get(KEY, mint)

        assert len(asked) == 1

    @pytest.mark.parametrize(
        "other", [{"issuer": "other"}, {"key": bytes(32)}], ids=["credentials", "secret"]
    )
    def test_others_tokens_are_not_found(self, one, mints, redis_url, other):
        one.cache.get(KEY, mints)

        assert Process(redis_url, **other).cache.get(KEY, mints).token == "token-2"

    def test_neither_token_nor_origin_can_be_read_in_redis(self, one, mints, client):
        one.cache.get(KEY, mints)
        name = token_name(client)

        assert name.startswith(b"widgetsvc:token:7:")
        assert b"token-1" not in client.get(name)
        assert b"jobs.example" not in name + client.get(name)


class TestPoison:
    @pytest.mark.parametrize("junk", [b"", b"x", b"\x80\x04K\x01.", b'{"token": "evil"}', bytes(5_000)])
    def test_junk_is_not_found(self, one, two, mints, client, caplog, junk: bytes):
        one.cache.get(KEY, mints)
        client.set(token_name(client), junk, keepttl=True)

        assert two.cache.get(KEY, mints).token == "token-2"
        assert "was not put there by this service" in caplog.text

    def test_every_flipped_bit_is_noticed(self, one, redis_url, mints, client):
        one.cache.get(KEY, mints)
        name = token_name(client)
        sealed = client.get(name)
        process = Process(redis_url)
        for place in range(len(sealed)):
            damaged = bytearray(sealed)
            damaged[place] ^= 1 << place % 8
            client.set(name, bytes(damaged), px=100_000)

            assert process.tokens.obtain(KEY, mints).token != "token-1"

    def test_anothers_entry_in_its_place_is_not_found(self, one, two, mints, client):
        one.cache.get(KEY, mints)
        name = token_name(client)
        stranger = TokenKey("8", ("apc_9",), (Permission.AGENDA,), ORIGIN)
        one.cache.get(stranger, mints)
        (theirs,) = client.keys("widgetsvc:token:8:*")
        client.copy(theirs, name.decode(), replace=True)

        assert two.cache.get(KEY, mints).token == "token-3"

    def test_entry_of_another_type_is_not_found(self, one, two, mints, client):
        one.cache.get(KEY, mints)
        name = token_name(client)
        client.delete(name)
        client.lpush(name, "junk")

        assert two.cache.get(KEY, mints).token == "token-2"

    def test_entry_that_never_ends_is_not_found(self, one, two, mints, client):
        one.cache.get(KEY, mints)
        client.persist(token_name(client))

        assert two.cache.get(KEY, mints).token == "token-2"


class TestOneMint:
    def test_stampede_on_two_processes_mints_once(self, one, two, mints):
        herd = 40
        barrier = Barrier(2 * herd)

        def ask(process: Process) -> str:
            barrier.wait(PATIENCE)
            return process.cache.get(KEY, mints).token

        with ThreadPoolExecutor(2 * herd) as pool:
            answers = [pool.submit(ask, process) for process in (one, two) for _ in range(herd)]

        assert {answer.result() for answer in answers} == {"token-1"}
        assert mints.asked == 1

    def test_other_process_waits_for_the_mint(self, one, two, mints):
        mints.go_on.clear()
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(one.cache.get, KEY, mints)
            assert mints.begun.wait(PATIENCE)
            second = pool.submit(two.cache.get, KEY, mints)
            eventually(lambda: two.cache.stats().lock_waits == 1)
            mints.go_on.set()

        assert (first.result().token, second.result().token, mints.asked) == ("token-1", "token-1", 1)

    def test_nobody_waits_longer_than_a_mint_may_take(self, redis_url, mints):
        one, two = Process(redis_url), Process(redis_url, mint_seconds=0.1)
        slow = Mints()
        slow.go_on.clear()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(one.cache.get, KEY, slow)
            assert slow.begun.wait(PATIENCE)

            assert two.cache.get(KEY, mints).token == "token-1"
            slow.go_on.set()

    @pytest.mark.parametrize(
        "error", [UpstreamUnavailable("down", retry_after=30), UpstreamRejected("no", status=422)]
    )
    def test_who_waits_for_a_mint_that_fails_does_not_ask_again(self, one, two, mints, error):
        mints.go_on.clear()
        mints.error = error
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(one.cache.get, KEY, mints)
            assert mints.begun.wait(PATIENCE)
            second = pool.submit(two.cache.get, KEY, mints)
            eventually(lambda: two.cache.stats().lock_waits == 1)
            mints.go_on.set()

        for failed in (first, second):
            assert (type(failed.exception()), vars(failed.exception())) == (type(error), vars(error))
        assert mints.asked == 1

    def test_lock_of_a_process_that_died_holds_nobody_up_for_ever(self, redis_url, mints, client):
        process = Process(redis_url, mint_seconds=0.1)
        process.cache.get(KEY, mints)
        name = token_name(client)
        client.set(name.replace(b"token", b"lock", 1), "dead", px=100_000)
        client.delete(name)

        assert Process(redis_url, mint_seconds=0.1).cache.get(KEY, mints).token == "token-2"


class TestRenewal:
    def test_who_finds_the_renewal_under_way_does_not_wait(self, one, two, mints, client):
        for process in (one, two):
            process.cache.get(KEY, mints)
        client.pexpire(token_name(client), (LIFE - DUE - 60) * 1_000)
        for process in (one, two):
            process.clock.now += DUE
            process.cache.get(KEY, mints)
        mints.begun.clear()
        mints.go_on.clear()
        with ThreadPoolExecutor(1) as pool:
            renewal = pool.submit(one.run_jobs)
            assert mints.begun.wait(PATIENCE)
            two.run_jobs()
            assert two.cache.get(KEY, mints).token == "token-1"
            mints.go_on.set()
            renewal.result(PATIENCE)

        two.clock.now += 2
        two.cache.get(KEY, mints)
        two.run_jobs()
        assert (two.cache.get(KEY, mints).token, mints.asked) == ("token-2", 2)

    def test_rejected_renewal_takes_the_token_from_all(self, one, two, mints, client):
        one.cache.get(KEY, mints)
        client.pexpire(token_name(client), (LIFE - DUE - 60) * 1_000)
        one.clock.now += DUE
        one.cache.get(KEY, mints)
        mints.error = UpstreamRejected("revoked", status=422)
        one.run_jobs()

        with pytest.raises(UpstreamRejected):
            two.cache.get(KEY, mints)
        assert mints.asked == 2

    def test_outage_leaves_the_token_to_all(self, one, two, mints, client):
        one.cache.get(KEY, mints)
        client.pexpire(token_name(client), (LIFE - DUE - 60) * 1_000)
        one.clock.now += DUE
        one.cache.get(KEY, mints)
        mints.error = UpstreamUnavailable("down")
        one.run_jobs()

        assert one.cache.get(KEY, mints).token == two.cache.get(KEY, mints).token == "token-1"


class TestNarrowing:
    def test_narrowed_tokens_are_not_found_and_deleted(self, one, two, mints, client):
        one.cache.get(KEY, mints)

        one.tokens.narrow([change(Action.TENANT_SUSPENDED)])

        assert two.cache.get(KEY, mints).token == "token-2"
        one.run_jobs()
        assert client.keys("widgetsvc:token:*") == []

    def test_other_calendars_are_found_when_one_is_revoked(self, one, two, mints):
        for key in (KEY, OTHER_KEY):
            one.cache.get(key, mints)

        one.tokens.narrow([change(Action.CALENDAR_REVOKED, sub="apc_1")])

        assert two.cache.get(OTHER_KEY, mints).token == "token-2"
        assert two.cache.get(KEY, mints).token == "token-3"

    def test_mint_under_way_is_not_found_later(self, one, two, mints):
        mints.go_on.clear()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(one.cache.get, KEY, mints)
            assert mints.begun.wait(PATIENCE)
            two.tokens.narrow([change(Action.TENANT_SUSPENDED)])
            mints.go_on.set()

        assert two.cache.get(KEY, mints).token == "token-2"

    def test_what_was_heard_late_does_not_revive_older_tokens(self, one, two, mints):
        one.tokens.narrow([change(Action.TENANT_SUSPENDED, entry_id=8)])
        one.cache.get(KEY, mints)
        one.tokens.narrow([change(Action.TENANT_SUSPENDED, entry_id=7)])

        assert two.cache.get(KEY, mints).token == "token-1"

    def test_processes_that_hear_of_one_change_narrow_once(self, one, two, mints):
        one.tokens.narrow([change(Action.TENANT_SUSPENDED)])
        one.run_jobs()
        one.cache.get(KEY, mints)
        two.tokens.narrow([change(Action.TENANT_SUSPENDED)])
        two.run_jobs()

        assert two.cache.get(KEY, mints).token == "token-1"


def test_no_two_of_many_thousand_keys_share_a_name() -> None:
    """Keys of few, confusable parts: most pairs differ in one part, or in how parts are put together."""
    chance = random.Random(20_261_122)
    names = ("1", "11", "a", "b", "a,b", 'a","b', "a|b", "", "ü")

    def some(items, most=3):
        return tuple(chance.choice(items) for _ in range(chance.randint(0, most)))

    seen: dict[str, tuple[object, ...]] = {}
    for _ in range(20_000):
        key = TokenKey(chance.choice(names), some(names), some(list(Permission)), chance.choice(names))
        issuer = chance.choice(("i", "ia"))
        meaning = (issuer, key.tenant_id, frozenset(key.subs), frozenset(key.permissions), key.origin)
        assert seen.setdefault(key.digest(issuer), meaning) == meaning
    assert len(seen) == len(set(seen.values())) > 10_000
