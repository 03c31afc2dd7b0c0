"""Key sets that tenants publish, fetched from a real server on this machine."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.clocks import FakeClock
from tests.receivers import Receiver, Reply
from tests.signing import public_jwk
from widgetsvc.errors import InvalidValue
from widgetsvc.gateway.key_sets import ASK_AGAIN_SECONDS, STALE_SECONDS, KeySets, read_key_set
from widgetsvc.gateway.origins import OriginRules
from widgetsvc.gateway.tenant_models import Policy, Tenant
from widgetsvc.outbound import Outbound


def key_set(*kids: str, **headers: str) -> Reply:
    keys = [public_jwk("ES256", kid=kid) for kid in kids]
    return Reply(
        headers={"Cache-Control": "max-age=600", **headers}, body=json.dumps({"keys": keys}).encode()
    )


def tenant(url: str, tenant_id: int = 1) -> Tenant:
    return Tenant(tenant_id, "acme", "Acme", Policy(), False, (), OriginRules.of([]), url, 1)


def sets(clock: FakeClock, *, private: bool = True) -> KeySets:
    return KeySets(Outbound(allow_private=private), clock)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_key_is_found_by_its_kid_and_the_set_fetched_once(clock: FakeClock) -> None:
    known = sets(clock)
    with Receiver(key_set("one", "two")) as server:
        found = [known.find(tenant(server.url), kid) for kid in ("one", "two", "one")]

    assert [key and (key.kid, key.alg) for key in found] == [
        ("one", "ES256"),
        ("two", "ES256"),
        ("one", "ES256"),
    ]
    assert server.received.qsize() == 1


def test_a_tenant_without_an_address_has_no_set(clock: FakeClock) -> None:
    assert sets(clock).find(replace(tenant(""), jwks_url=None), "one") is None


def test_an_unknown_kid_has_the_set_fetched_again_once_a_minute(clock: FakeClock) -> None:
    known = sets(clock)
    with Receiver(key_set("one"), key_set("one", "two")) as server:
        acme = tenant(server.url)
        assert known.find(acme, "one") is not None
        assert [known.find(acme, "two") for _ in range(5)] == [None] * 5
        assert server.received.qsize() == 1

        clock.now += ASK_AGAIN_SECONDS
        assert known.find(acme, "two") is not None
    assert server.received.qsize() == 2


def test_a_set_is_renewed_in_the_background_when_its_time_is_over(clock: FakeClock) -> None:
    known = sets(clock)
    with Receiver(key_set("one"), key_set("two")) as server:
        acme = tenant(server.url)
        assert known.find(acme, "one") is not None
        clock.now += 599
        assert known.find(acme, "one") is not None
        assert server.received.qsize() == 1

        clock.now += 1
        assert known.find(acme, "one") is not None
        eventually(lambda: known.find(acme, "one") is None)
        assert known.find(acme, "two") is not None
    assert server.received.qsize() == 2


@pytest.mark.parametrize(
    ("cache_control", "kept"),
    [
        ("max-age=1", 300),
        ("no-store", 300),
        ("max-age=7200, no-cache", 300),
        ("public, MAX-AGE=7200", 7_200),
        ("max-age=999999999", 86_400),
        ("", 3_600),
        ("max-age=soon", 3_600),
    ],
)
def test_how_long_a_set_is_kept_has_bounds(clock: FakeClock, cache_control: str, kept: int) -> None:
    known = sets(clock)
    with Receiver(key_set("one", **{"Cache-Control": cache_control}), key_set("one")) as server:
        acme = tenant(server.url)
        known.find(acme, "one")
        clock.now += kept - 1
        known.find(acme, "one")
        assert server.received.qsize() == 1
        if kept < STALE_SECONDS:
            clock.now += 1
            known.find(acme, "one")
            eventually(lambda: server.received.qsize() == 2)


BAD_ANSWERS = {
    "an error": Reply(status=500),
    "not found": Reply(status=404, body=json.dumps({"keys": []}).encode()),
    "a redirect": Reply(status=302, headers={"Location": "/elsewhere"}),
    "no JSON": Reply(body=b"<html>"),
    "no UTF-8": Reply(body=b'{"keys":["\xff"]}'),
    "deep JSON": Reply(body=b"[" * 60_000),
    "a list": Reply(body=b"[]"),
    "no keys": Reply(body=b"{}"),
    "keys that are no list": Reply(body=b'{"keys": {}}'),
    "too much": Reply(body=b'{"keys": []' + b" " * 65_536 + b"}"),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_the_last_good_set_is_kept_for_a_day_when_none_comes(clock: FakeClock, answer: Reply) -> None:
    known = sets(clock)
    with Receiver(key_set("one"), answer, *[Reply(status=500)] * 3) as server:
        acme = tenant(server.url)
        assert known.find(acme, "one") is not None
        clock.now += ASK_AGAIN_SECONDS
        assert known.find(acme, "two") is None  # which has it fetched
        assert server.received.qsize() == 2
        assert known.find(acme, "one") is not None

        clock.now += STALE_SECONDS
        assert known.find(acme, "one") is None


def test_a_redirect_is_not_followed(clock: FakeClock) -> None:
    with Receiver(key_set("one")) as target:
        moved = Reply(status=307, headers={"Location": target.url})
        with Receiver(moved) as server:
            assert sets(clock).find(tenant(server.url), "one") is None

    assert target.received.empty()


def test_a_private_address_is_never_asked(clock: FakeClock) -> None:
    with Receiver(key_set("one")) as server:
        port = server.port
        for host in ("127.0.0.1", "localhost", "[::1]", "2130706433"):
            found = sets(clock, private=False).find(tenant(f"https://{host}:{port}/jwks"), "one")
            assert found is None

    assert server.received.empty()


@pytest.mark.parametrize(
    "url", ["http://acme.example/jwks", "https://10.0.0.1/jwks", "https://u:p@acme.example/", "file:///etc"]
)
def test_an_address_that_is_never_asked_is_refused_when_it_is_set(clock: FakeClock, url: str) -> None:
    with pytest.raises(InvalidValue, match="key set must"):
        sets(clock, private=False).check_address(url)


def test_tenants_have_their_own_sets_and_a_new_address_is_asked_at_once(clock: FakeClock) -> None:
    known = sets(clock)
    with Receiver(key_set("one")) as first, Receiver(key_set("two")) as second:
        assert known.find(tenant(first.url), "one") is not None
        assert known.find(tenant(second.url, tenant_id=2), "one") is None
        assert known.find(tenant(second.url, tenant_id=2), "two") is not None
        assert known.find(tenant(f"{second.url}/new"), "one") is None
        assert second.received.qsize() == 2


LEFT_OUT: dict[str, Any] = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "bad"},
    "symmetric with an alg of ours": {**public_jwk("ES256"), "k": "c2VjcmV0", "kid": "bad"},
    "private": {**public_jwk("ES256"), "d": "c2VjcmV0", "kid": "bad"},
    "for encryption": public_jwk("ES256", kid="bad", use="enc"),
    "of another algorithm": public_jwk("RS256", kid="bad", alg="PS256"),
    "of another curve": public_jwk("P-384", kid="bad"),
    "too short": public_jwk("RSA-1024", kid="bad"),
    "without a kid": public_jwk("ES256"),
    "with a kid that is none": public_jwk("ES256", kid=["bad"]),
    "of no type": {"kid": "bad"},
    "of an odd type": {"kty": ["EC"], "crv": {}, "kid": "bad"},
    "no object": "bad",
    "nothing": None,
}


@pytest.mark.parametrize("member", LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_key_that_cannot_be_used_is_left_out_and_the_others_stay(member: Any) -> None:
    body = json.dumps({"keys": [member, public_jwk("EdDSA", kid="good")]}).encode()

    assert list(read_key_set(body)) == ["good"]


def test_a_kid_that_stands_twice_names_no_key() -> None:
    keys = [public_jwk("EdDSA", kid="a"), public_jwk("ES256", kid="a"), public_jwk("RS256", kid="b")]

    assert list(read_key_set(json.dumps({"keys": keys}).encode())) == ["b"]
