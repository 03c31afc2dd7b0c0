"""`/manage/v1/widgets`, `/signing-keys`, `/origins/refused` and `/usage`."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.web.manage.conftest import PAGE, NewServer, Server, faulty_fields, problem
from widgetsvc.gateway.tenant_models import Policy
from widgetsvc.permissions import Element
from widgetsvc.services import Services

WEEK = [{"day": "monday", "start_time": "09:00", "end_time": "17:00"}]
DRAFT = {
    "element": "slot-picker",
    "calendars": ["store-42"],
    "query": {
        "duration_minutes": 30,
        "days_ahead": 14,
        "tzid": "Europe/London",
        "minimum_notice_minutes": 60,
        "weekly_hours": WEEK,
    },
}


@pytest.fixture
def shop(acme: Server) -> Server:
    """A tenant with two calendars."""
    for name in ("store-42", "store-43"):
        assert acme.post("/calendars", {"application_calendar_id": name}).status_code == 201
    return acme


def create(server: Server, draft: Any = DRAFT) -> Any:
    response = server.post("/widgets", draft)
    assert response.status_code == 201, response.text
    return response


def test_a_widget_reads_as_it_was_written(shop: Server) -> None:
    created = create(shop)

    widget_id = created.json["widget_id"]
    assert created.json == DRAFT | {
        "widget_id": widget_id,
        "name": None,
        "look": {},
        "after_pick": {"kind": "callback"},
        "version": 1,
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
    }
    assert created.headers["Location"] == f"/manage/v1/widgets/{widget_id}"
    assert created.headers["ETag"] == '"v1"'
    assert shop.get(f"/widgets/{widget_id}").json == created.json
    assert shop.items("/widgets") == [created.json]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Consultations"},
        {"element": "availability-viewer"},
        {"calendars": ["store-42", "store-43"]},
        {"query": {"days_ahead": 3}},
        {"look": {"locale": "en-GB", "colors": {"primary": "#0a7cff"}}},
        {"after_pick": {"kind": "message", "text": "Thank you."}},
        {"after_pick": {"kind": "redirect", "url": "https://www.example.com/thanks"}},
    ],
    ids=str,
)
def test_each_member_is_replaced_by_itself(shop: Server, change: dict[str, Any]) -> None:
    before = create(shop).json
    path = f"/widgets/{before['widget_id']}"

    changed = shop.patch(path, change)

    assert changed.status_code == 200, changed.text
    assert changed.json == before | change | {"version": 2}
    assert changed.headers["ETag"] == '"v2"'
    assert shop.get(path).json == changed.json


def test_changing_nothing_changes_nothing(shop: Server) -> None:
    widget = create(shop).json

    for nothing in ({}, {"query": DRAFT["query"]}, {"after_pick": {"kind": "callback"}}):
        assert shop.patch(f"/widgets/{widget['widget_id']}", nothing).json == widget


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["calendars", "element"]),
        (DRAFT | {"element": "clock"}, ["element"]),
        (DRAFT | {"calendars": []}, ["calendars"]),
        (DRAFT | {"calendars": "store-42"}, ["calendars"]),
        (DRAFT | {"query": {"duration_minutes": 1, "days": 1}}, ["query.days", "query.duration_minutes"]),
        (
            DRAFT | {"query": {"weekly_hours": [WEEK[0] | {"end_time": "8"}]}},
            ["query.weekly_hours[0].end_time"],
        ),
        (DRAFT | {"after_pick": {"kind": "redirect", "url": "javascript:1"}}, ["after_pick.url"]),
        (DRAFT | {"widget_id": "wgt_1", "version": 3}, ["version", "widget_id"]),
        ({"element": "agenda", "calendars": ["store-42"], "query": {"days_ahead": 1}}, ["query"]),
    ],
)
def test_every_fault_of_a_widget_is_listed(shop: Server, body: object, fields: list[str]) -> None:
    assert sorted(faulty_fields(shop.post("/widgets", body))) == fields


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"query": {"days": 1}, "name": ""}, ["name", "query.days"]),
        ({"element": "agenda"}, ["query"]),
        ({"calendars": None}, ["calendars"]),
        ({"after_pick": {"kind": "redirect", "url": "javascript:1"}}, ["after_pick.url"]),
        ({"version": 3}, ["version"]),
    ],
)
def test_every_fault_of_a_change_is_listed(shop: Server, change: object, fields: list[str]) -> None:
    widget_id = create(shop).json["widget_id"]

    assert sorted(faulty_fields(shop.patch(f"/widgets/{widget_id}", change))) == fields


def test_a_widget_is_for_the_tenants_own_calendars_and_elements(shop: Server, server_of: NewServer) -> None:
    unknown = shop.post("/widgets", DRAFT | {"calendars": ["store-42", "elsewhere"]})
    assert problem(unknown) == (422, "invalid_value")
    assert unknown.json["errors"][0]["field"] == "calendars[1]"

    narrow = server_of("Narrow", Policy(elements=frozenset({Element.AGENDA})))
    narrow.post("/calendars", {"application_calendar_id": "store-42"})
    refused = narrow.post("/widgets", DRAFT)
    assert problem(refused) == (422, "invalid_value")
    assert refused.json["errors"][0]["field"] == "element"


def test_of_two_changes_made_for_one_version_one_is_made(shop: Server) -> None:
    created = create(shop)
    path, read = f"/widgets/{created.json['widget_id']}", {"If-Match": created.headers["ETag"]}

    assert shop.patch(path, {"name": "A"}, headers=read).status_code == 200
    assert problem(shop.patch(path, {"name": "B"}, headers=read)) == (412, "precondition_failed")
    assert problem(shop.delete(path, headers=read)) == (412, "precondition_failed")
    assert shop.get(path).json["name"] == "A"
    assert shop.get(path, headers={"If-None-Match": '"v2"'}).status_code == 304
    assert shop.delete(path, headers={"If-Match": '"v2"'}).status_code == 204


def test_a_deleted_widget_is_gone(shop: Server) -> None:
    path = f"/widgets/{create(shop).json['widget_id']}"

    assert shop.delete(path).status_code == 204

    for response in (shop.get(path), shop.patch(path, {}), shop.delete(path)):
        assert problem(response) == (404, "unknown_widget")
    assert shop.items("/widgets") == []


def test_widgets_come_in_pages_the_oldest_first(shop: Server) -> None:
    made = [create(shop, DRAFT | {"name": str(number)}).json for number in range(5)]

    for limit in (1, 2, 5, 100):
        listed = shop.items("/widgets", limit=limit)
        assert sorted(listed, key=lambda each: each["name"]) == made
        assert listed == shop.items("/widgets")


def test_a_repeated_creation_makes_one_widget(shop: Server) -> None:
    first, again = (shop.post("/widgets", DRAFT, headers={"Idempotency-Key": "a"}) for _ in range(2))

    assert first.data == again.data
    assert again.headers["ETag"] == '"v1"'
    assert len(shop.items("/widgets")) == 1


# Signing keys


def pem_of(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_public_key_is_registered_as_pem_or_jwk(acme: Server) -> None:
    pem = acme.post("/signing-keys", {"alg": "EdDSA", "public_key": pem_of(Ed25519PrivateKey.generate())})
    assert pem.status_code == 201, pem.text
    assert acme.delete(f"/signing-keys/{pem.json['kid']}").status_code == 204

    body = {"alg": "EdDSA", "public_key": pem.json["public_key"], "kid": "mine"}
    jwk = acme.post("/signing-keys", body)

    assert jwk.status_code == 201, jwk.text
    assert (jwk.json["kid"], jwk.json["public_key"]) == ("mine", pem.json["public_key"])
    assert jwk.json in acme.items("/signing-keys")
    assert problem(acme.post("/signing-keys", body)) == (409, "already_exists")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"alg": "HS256", "public_key": "x"}, (422, "invalid_value")),
        ({"alg": "EdDSA", "public_key": "x"}, (422, "invalid_value")),
        ({"alg": "EdDSA", "public_key": {"kty": "OKP", "d": "secret"}}, (422, "invalid_value")),
        ({"alg": "none", "public_key": "x"}, (400, "invalid_request")),
        ({"alg": "EdDSA", "public_key": 1}, (400, "invalid_request")),
    ],
)
def test_what_is_no_public_key_is_refused(acme: Server, body: object, answer: tuple[int, str]) -> None:
    assert problem(acme.post("/signing-keys", body)) == answer


def test_a_rotated_secret_is_shown_once(acme: Server) -> None:
    rotated = acme.post("/signing-keys/rotate", {"overlap_seconds": 0})

    assert rotated.status_code == 201, rotated.text
    assert len(rotated.json["secret"]) == 43
    assert [key["kid"] for key in acme.items("/signing-keys")] == [rotated.json["kid"]]
    assert rotated.json["secret"] not in acme.get("/signing-keys").text + acme.get("/audit").text


def test_a_rotation_needs_no_body(acme: Server) -> None:
    assert acme.call("POST", "/signing-keys/rotate").status_code == 201
    assert len(acme.items("/signing-keys")) == 2


def test_an_unknown_signing_key_is_not_found(acme: Server) -> None:
    assert problem(acme.delete("/signing-keys/none")) == (404, "unknown_resource")


# Refused origins and usage


def note(server: Server, services: Services, origin: str, times: int = 1) -> None:
    for _ in range(times):
        services.refused_origins.note(server.created.tenant, origin, nearest_rule=PAGE, referer=None)


def test_refused_origins_are_listed_until_they_are_forgotten(shop: Server, services: Services) -> None:
    for number in range(3):
        note(shop, services, f"https://{number}.example.net", number + 1)

    listed = shop.items("/origins/refused", limit=2)
    assert {each["origin"]: each["count"] for each in listed} == {
        "https://0.example.net": 1,
        "https://1.example.net": 2,
        "https://2.example.net": 3,
    }
    query = {"origin": "https://1.example.net"}
    assert shop.delete("/origins/refused", query_string=query).status_code == 204
    assert problem(shop.delete("/origins/refused", query_string=query)) == (404, "unknown_resource")
    assert len(shop.items("/origins/refused")) == 2


def test_an_origin_that_is_allowed_now_is_listed_no_more(shop: Server, services: Services) -> None:
    note(shop, services, "https://new.example.com")
    assert len(shop.items("/origins/refused")) == 1

    shop.patch("/tenant", {"allowed_origins": ["https://new.example.com"]})

    assert shop.items("/origins/refused") == []


def test_usage_is_counted_by_day_element_and_outcome(shop: Server, services: Services) -> None:
    for element, outcome, count in (
        (Element.AGENDA, "hit", 3),
        (None, "miss", 1),
        (Element.AGENDA, "miss", 2),
    ):
        for _ in range(count):
            services.usage.count(shop.created.tenant, element, outcome)

    counts = shop.items("/usage", **{"from": "2026-11-01", "to": "2026-11-30", "limit": 1})

    assert [tuple(each.values()) for each in counts] == [
        ("2026-11-22", None, "miss", 1),
        ("2026-11-22", "agenda", "hit", 3),
        ("2026-11-22", "agenda", "miss", 2),
    ]
    assert shop.items("/usage", **{"from": "2026-11-23", "to": "2026-11-30"}) == []


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", ["from", "to"]),
        ("from=2026-11-01", ["to"]),
        ("from=2026-11-02&to=2026-11-01", ["to"]),
        ("from=2025-01-01&to=2026-11-01", ["to"]),
        ("from=1700000000&to=2026-02-30", ["from", "to"]),
        ("from=0000-01-01&to=99999-01-01", ["from", "to"]),
    ],
)
def test_days_that_make_no_sense_are_refused(acme: Server, query: str, fields: list[str]) -> None:
    assert sorted(faulty_fields(acme.get(f"/usage?{query}"))) == fields
