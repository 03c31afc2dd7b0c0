"""Signed access at the token endpoint: what assertions open, what they narrow, and what always needs one."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.clocks import FakeClock
from tests.receivers import Receiver, Reply
from tests.signing import public_jwk, public_pem, signed
from tests.web.conftest import PUBLIC_URL, Embedder, embedder
from widgetsvc.config import Settings
from widgetsvc.gateway.signatures import SigningAlgorithm
from widgetsvc.gateway.tenant_models import Access, Policy, TenantUpdate
from widgetsvc.gateway.used_assertions import CLEAN_SECONDS
from widgetsvc.permissions import Element, Permission
from widgetsvc.services import Services

EVERYTHING = Policy(permissions=frozenset(Permission))
WRITING = [Element.AVAILABILITY_RULES, Element.CALENDAR_SYNC]
Sign = Callable[..., str]


@pytest.fixture
def acme(services: Services, http: FlaskClient) -> Embedder:
    return embedder(services, http, policy=EVERYTHING)


@pytest.fixture
def sign(acme: Embedder, clock: FakeClock) -> Sign:
    """Signs claims with the tenant's secret, or with another key."""

    def sign(alg: str = "HS256", kid: str | None = None, **claims: Any) -> str:
        now = int(clock.now)
        key = acme.created.signing_key
        body = {"iss": "acme", "aud": PUBLIC_URL, "iat": now, "exp": now + 300, **claims}
        return signed(alg, kid or key.kid, body, key.secret if kid is None else None)

    return sign


def change(services: Services, tenant: Embedder, **wanted: Any) -> None:
    services.tenants.update(tenant.created.tenant, TenantUpdate(**wanted))


def outcome(response: TestResponse) -> str:
    """`ok`, or the code of the refusal."""
    return "ok" if response.status_code == 200 else f"{response.status_code} {response.json['code']}"


ELEMENT_OPTIONS = {
    Element.AGENDA: {"api_domain"},
    Element.AVAILABILITY_RULES: {"api_domain", "tzid", "availability_rule_id"},
    Element.AVAILABILITY_VIEWER: {"api_domain", "tzid", "availability_query"},
    Element.CALENDAR_SYNC: {"api_domain", "authorization_url", "single_profile"},
    Element.DATE_TIME_PICKER: {"api_domain", "tzid", "availability_query"},
    Element.SLOT_PICKER: {"api_domain", "tzid", "availability_query"},
}


@pytest.mark.parametrize("element", Element)
def test_every_element_gets_a_token_of_its_permission_and_what_it_starts_with(
    acme: Embedder, sign: Sign, element: Element
) -> None:
    token = sign(element=element, calendars=["store-42"])

    answer = acme.ask(element=element, calendar="store-42", assertion=token).json

    assert answer["element"] == element
    assert answer["element_token"]["permissions"] == [element.permission]
    assert set(answer["options"]) == ELEMENT_OPTIONS[element]


def test_the_backend_takes_the_tokens_of_what_writes(acme: Embedder, sign: Sign) -> None:
    token = sign(element="availability-rules", calendars=["store-42"])
    answer = acme.ask(element="availability-rules", calendar="store-42", assertion=token).json
    rule = answer["options"]["availability_rule_id"]

    read = acme.http.get(
        f"/v1/availability_rules/{rule}",
        query_string={"et": answer["element_token"]["token"]},
        headers={"Origin": answer["element_token"]["origin"]},
    )

    assert read.status_code == 404  # there is no rule yet, and the token is good


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (None, "403 assertion_required"),
        ({}, "403 permission_not_allowed"),
        ({"calendars": ["store-42"]}, "403 permission_not_allowed"),
        ({"element": True}, "403 permission_not_allowed"),
        ({"permissions": True}, "403 permission_not_allowed"),
        ({"element": True, "calendars": ["store-42", "store-43"]}, "403 permission_not_allowed"),
        ({"element": True, "calendars": ["store-43"]}, "403 permission_not_allowed"),
        ({"element": True, "calendars": ["store-42"]}, "ok"),
        ({"permissions": True, "calendars": ["store-42"]}, "ok"),
    ],
)
@pytest.mark.parametrize("element", WRITING)
def test_what_writes_is_named_together_with_its_one_calendar(
    acme: Embedder, sign: Sign, element: Element, claims: dict[str, Any] | None, expected: str
) -> None:
    fields: dict[str, Any] = {"element": element, "calendar": "store-42"}
    if claims is not None:
        names = {"element": element.value, "permissions": [element.permission.value]}
        fields["assertion"] = sign(**{key: names.get(key) if v is True else v for key, v in claims.items()})

    assert outcome(acme.ask(**fields)) == expected


@pytest.mark.parametrize("permission", ["managed_availability", "account_management"])
def test_bare_permissions_that_write_take_an_assertion_too(
    acme: Embedder, sign: Sign, permission: str
) -> None:
    fields = {"permissions": [permission], "calendars": ["store-42"]}
    named = sign(permissions=[permission], calendars=["store-42"])

    assert outcome(acme.ask(**fields)) == "403 assertion_required"
    assert outcome(acme.ask(**fields, assertion=sign())) == "403 permission_not_allowed"
    assert outcome(acme.ask(**fields, assertion=named)) == "ok"


def test_what_writes_has_to_be_in_the_policy_whatever_is_signed(
    services: Services, acme: Embedder, sign: Sign
) -> None:
    change(services, acme, permissions=frozenset({Permission.AVAILABILITY}))
    token = sign(element="availability-rules", calendars=["store-42"])

    asked = acme.ask(element="availability-rules", calendar="store-42", assertion=token)

    assert outcome(asked) == "403 permission_not_allowed"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"element": "slot-picker"}, "ok"),
        ({"element": "date-time-picker"}, "403 permission_not_allowed"),
        ({"element": "agenda"}, "403 permission_not_allowed"),
        ({"permissions": ["availability"]}, "ok"),
        ({"permissions": ["agenda"]}, "403 permission_not_allowed"),
        ({"permissions": ["agenda", "availability"]}, "403 permission_not_allowed"),
    ],
)
def test_a_policy_may_be_held_to_some_elements(
    services: Services, acme: Embedder, fields: dict[str, Any], expected: str
) -> None:
    change(services, acme, elements=frozenset({Element.SLOT_PICKER}))

    assert outcome(acme.ask(calendar="store-42", **fields)) == expected


PICKER = {"element": "slot-picker", "calendar": "store-42"}
BARE = {"permissions": ["agenda", "availability"], "calendars": ["store-42", "store-43"]}
REFUSED = "403 permission_not_allowed"


@pytest.mark.parametrize(
    ("claims", "fields", "expected"),
    [
        ({}, PICKER, "ok"),
        ({}, BARE, "ok"),
        ({"element": "slot-picker"}, PICKER, "ok"),
        ({"element": "date-time-picker"}, PICKER, REFUSED),
        ({"element": "slot-picker"}, BARE, REFUSED),
        ({"permissions": ["availability"]}, PICKER, "ok"),
        ({"permissions": ["agenda"]}, PICKER, REFUSED),
        ({"permissions": ["availability"]}, BARE, REFUSED),
        ({"permissions": ["agenda", "availability"]}, BARE, "ok"),
        ({"calendars": ["store-42"]}, PICKER, "ok"),
        ({"calendars": ["store-43"]}, PICKER, REFUSED),
        ({"calendars": ["store-4"]}, PICKER, REFUSED),
        ({"calendars": ["store-42"]}, BARE, REFUSED),
        ({"calendars": ["store-43", "store-42", "store-44"]}, BARE, "ok"),
        ({"calendars": ["store-44"]}, {**PICKER, "calendar": "store-44"}, "404 unknown_calendar"),
        ({"sub": "visitor-7"}, PICKER, "ok"),
        ({"origin": "https://evil.io"}, PICKER, "401 invalid_assertion"),
    ],
)
def test_claims_narrow_and_never_widen(
    services: Services,
    acme: Embedder,
    sign: Sign,
    claims: dict[str, Any],
    fields: dict[str, Any],
    expected: str,
) -> None:
    change(services, acme, access=Access.SIGNED)

    assert outcome(acme.ask(**fields, assertion=sign(**claims))) == expected
    assert outcome(acme.ask(**fields)) == "403 assertion_required"


def test_an_assertion_is_good_again_and_again_unless_the_policy_says_once(
    services: Services, acme: Embedder, sign: Sign
) -> None:
    token = sign(jti="1")
    assert [outcome(acme.ask(**PICKER, assertion=token)) for _ in range(2)] == ["ok", "ok"]

    change(services, acme, single_use_assertions=True)
    assert outcome(acme.ask(**PICKER, assertion=token)) == "ok"
    replay = acme.ask(**PICKER, assertion=token)
    assert outcome(replay) == "401 invalid_assertion"
    assert "used already" in replay.json["detail"]
    assert outcome(acme.ask(**PICKER, assertion=sign(jti="1", sub="another"))) == "401 invalid_assertion"
    assert "jti" in acme.ask(**PICKER, assertion=sign()).json["detail"]


def test_a_refused_assertion_is_not_used_up(services: Services, acme: Embedder, sign: Sign) -> None:
    change(services, acme, single_use_assertions=True)
    token = sign(jti="1")

    assert outcome(acme.ask(**{**PICKER, "calendar": "store-99"}, assertion=token)) == "404 unknown_calendar"
    assert outcome(acme.ask(**PICKER, assertion=token, origin="https://evil.io")) == "403 origin_not_allowed"
    assert outcome(acme.ask(**PICKER, assertion=token)) == "ok"


def test_tenants_use_up_their_own_assertions_only(
    services: Services, http: FlaskClient, acme: Embedder, sign: Sign, clock: FakeClock
) -> None:
    other = embedder(services, http, "other", replace(EVERYTHING, single_use_assertions=True))
    change(services, acme, single_use_assertions=True)
    now, key = int(clock.now), other.created.signing_key
    body = {"iss": "other", "aud": PUBLIC_URL, "iat": now, "exp": now + 300, "jti": "1"}

    assert outcome(acme.ask(**PICKER, assertion=sign(jti="1"))) == "ok"
    assert outcome(other.ask(**PICKER, assertion=signed("HS256", key.kid, body, key.secret))) == "ok"


def test_used_assertions_are_forgotten_after_they_have_expired_and_not_before(
    services: Services, acme: Embedder, sign: Sign, clock: FakeClock
) -> None:
    change(services, acme, single_use_assertions=True)
    old = sign(jti="old", exp=int(clock.now) + CLEAN_SECONDS + 60)
    assert outcome(acme.ask(**PICKER, assertion=old)) == "ok"

    clock.now += CLEAN_SECONDS
    assert outcome(acme.ask(**PICKER, assertion=sign(jti="new"))) == "ok"  # which cleans up
    assert outcome(acme.ask(**PICKER, assertion=old)) == "401 invalid_assertion"
    clock.now += CLEAN_SECONDS + 1
    assert outcome(acme.ask(**PICKER, assertion=sign(jti="newer"))) == "ok"
    assert outcome(acme.ask(**PICKER, assertion=sign(jti="old"))) == "ok"


def test_an_assertion_adds_the_calendars_that_it_names_where_the_policy_lets_it(
    services: Services, acme: Embedder, sign: Sign
) -> None:
    wanted = {"element": "slot-picker", "calendars": ["store-42", "desk-1"]}
    naming = sign(calendars=["store-42", "desk-1", "desk-2"])
    assert outcome(acme.ask(**wanted, assertion=naming)) == "404 unknown_calendar"

    change(services, acme, lazy_calendars=True)
    assert outcome(acme.ask(**wanted, assertion=sign())) == "404 unknown_calendar"
    assert outcome(acme.ask(**wanted)) == "404 unknown_calendar"
    assert outcome(acme.ask(**wanted, assertion=naming)) == "ok"

    ids = [each.application_calendar_id for each in services.calendars.all_of(acme.created.tenant)]
    assert ids == ["desk-1", "store-42", "store-43"]
    (added,) = [each for each in services.trail.of(acme.created.tenant, 9) if each.subject == "desk-1"]
    assert (added.action, added.by) == ("calendar.added", "assertion")


def test_an_assertion_does_not_revive_what_was_revoked(
    services: Services, acme: Embedder, sign: Sign
) -> None:
    change(services, acme, lazy_calendars=True)
    assert outcome(acme.ask(**PICKER)) == "ok"
    services.calendars.revoke(acme.created.tenant, "store-42")

    asked = acme.ask(**PICKER, assertion=sign(calendars=["store-42"]))

    assert outcome(asked) == "410 calendar_revoked"


@pytest.mark.parametrize("name", ["two words", "c" * 181])
def test_an_assertion_adds_no_calendar_that_markup_could_not_name(
    services: Services, acme: Embedder, sign: Sign, name: str
) -> None:
    change(services, acme, lazy_calendars=True)

    asked = acme.ask(element="slot-picker", calendar=name, assertion=sign(calendars=[name]))

    assert outcome(asked) == "422 invalid_name"


@pytest.mark.parametrize("alg", ["EdDSA", "ES256", "RS256"])
def test_a_registered_public_key_opens_signed_access_until_it_is_revoked(
    services: Services, acme: Embedder, sign: Sign, alg: str
) -> None:
    tenant = acme.created.tenant
    services.signing_keys.add_public(tenant, SigningAlgorithm(alg), public_pem(alg), kid="mine")
    token = sign(alg, "mine")
    assert outcome(acme.ask(**PICKER, assertion=token)) == "ok"

    services.signing_keys.revoke(tenant, "mine")
    assert outcome(acme.ask(**PICKER, assertion=token)) == "401 invalid_assertion"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"allow_private_callbacks": "on"})


def test_a_published_key_opens_signed_access_and_a_registered_one_of_its_kid_wins(
    services: Services, acme: Embedder, sign: Sign
) -> None:
    keys = [public_jwk("ES256", kid="theirs"), public_jwk("ES256", kid="both")]
    with Receiver(Reply(body=json.dumps({"keys": keys}).encode())) as server:
        assert outcome(acme.ask(**PICKER, assertion=sign("ES256", "theirs"))) == "401 invalid_assertion"
        change(services, acme, jwks_url=server.url)
        services.signing_keys.add_public(
            acme.created.tenant, SigningAlgorithm.EDDSA, public_pem("EdDSA"), kid="both"
        )

        assert outcome(acme.ask(**PICKER, assertion=sign("ES256", "theirs"))) == "ok"
        assert outcome(acme.ask(**PICKER, assertion=sign("EdDSA", "both"))) == "ok"
        assert outcome(acme.ask(**PICKER, assertion=sign("ES256", "both"))) == "401 invalid_assertion"
        assert outcome(acme.ask(**PICKER, assertion=sign("ES256", "unknown"))) == "401 invalid_assertion"
    assert server.received.qsize() == 1
