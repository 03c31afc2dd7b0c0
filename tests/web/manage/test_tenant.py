"""`/manage/v1/tenant`: reading it, changing it, and not undoing each other's changes."""

from typing import Any

import pytest

from tests.web.manage.conftest import PAGE, NewServer, Server, faulty_fields, problem
from widgetsvc.gateway.tenant_models import Policy, TenantUpdate
from widgetsvc.permissions import Element, Permission
from widgetsvc.services import Services


def test_it_reads_as_it_is(acme: Server) -> None:
    response = acme.get("/tenant")

    assert response.json == {
        "tenant": acme.slug,
        "name": "Acme",
        "publishable_key": acme.created.tenant.publishable_key,
        "access": "public",
        "allowed_origins": [PAGE],
        "permissions": ["agenda", "availability"],
        "elements": None,
        "tzid": "Etc/UTC",
        "lazy_calendars": False,
        "single_use_assertions": False,
        "test_mode": False,
        "jwks_url": None,
        "version": 1,
    }
    assert response.headers["ETag"] == '"v1"'


CHANGES: list[dict[str, Any]] = [
    {"name": "Acme Stores"},
    {"allowed_origins": ["https://a.example.com", "https://*.b.example.com:*"]},
    {"allowed_origins": []},
    {"access": "signed"},
    {"permissions": ["agenda"]},
    {"elements": ["agenda", "slot-picker"]},
    {"tzid": "Europe/London"},
    {"lazy_calendars": True},
    {"single_use_assertions": True},
    {"test_mode": True},
    {"jwks_url": "https://www.example.com/.well-known/jwks.json"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_each_member_can_be_changed_by_itself(acme: Server, change: dict[str, Any]) -> None:
    before = acme.get("/tenant").json

    changed = acme.patch("/tenant", change)

    assert changed.status_code == 200, changed.text
    assert changed.json == before | change | {"version": 2}
    assert changed.headers["ETag"] == '"v2"'
    assert acme.get("/tenant").json == changed.json


def test_changing_nothing_changes_nothing(acme: Server) -> None:
    for nothing in ({}, {"name": "Acme"}, {"elements": None}, {"jwks_url": None}):
        assert acme.patch("/tenant", nothing).json["version"] == 1
    assert [entry["action"] for entry in acme.items("/audit")] == ["tenant.created"]


def test_an_address_of_keys_can_be_taken_away(acme: Server) -> None:
    acme.patch("/tenant", {"jwks_url": "https://www.example.com/jwks.json"})

    assert acme.patch("/tenant", {"jwks_url": None}).json["jwks_url"] is None


def test_new_origins_hold_at_once(acme: Server) -> None:
    body = {"key": acme.created.tenant.publishable_key, "element": "agenda", "calendar": "store-42"}
    acme.post("/calendars", {"application_calendar_id": "store-42"})
    page = {"Origin": "https://new.example.com"}
    assert acme.http.post("/embed/token", json=body, headers=page).status_code == 403

    acme.patch("/tenant", {"allowed_origins": ["https://new.example.com"]})

    assert acme.http.post("/embed/token", json=body, headers=page).status_code == 200


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"allowed_origins": [PAGE, "jobs.example.com"]}, "invalid_origin_rule", "jobs.example.com"),
        ({"allowed_origins": ["https://*.com"]}, "invalid_origin_rule", "*.com"),
        ({"allowed_origins": ["*"]}, "invalid_origin_rule", "*"),
        ({"allowed_origins": ["\ud83d\ude00"]}, "invalid_origin_rule", ""),
        ({"tzid": "Mars/Olympus"}, "invalid_name", "Mars/Olympus"),
        ({"name": " "}, "invalid_name", ""),
        ({"name": "x" * 256}, "invalid_name", ""),
        ({"name": "a\nb"}, "invalid_name", ""),
        ({"jwks_url": "http://www.example.com/jwks.json"}, "invalid_value", "jwks_url"),
        ({"jwks_url": "https://"}, "invalid_value", "jwks_url"),
        ({"jwks_url": "file:///etc/passwd"}, "invalid_value", "jwks_url"),
    ],
)
def test_what_means_nothing_is_named_and_nothing_is_changed(
    acme: Server, change: dict[str, Any], code: str, named: str
) -> None:
    response = acme.patch("/tenant", {"access": "signed"} | change)

    assert problem(response) == (422, code)
    assert named in response.json["detail"]
    assert acme.get("/tenant").json["version"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"permissions": ["agenda", "availability", "managed_availability"]},
        {"permissions": ["account_management"]},
    ],
)
def test_permissions_cannot_be_widened(acme: Server, change: dict[str, Any]) -> None:
    response = acme.patch("/tenant", change)

    assert problem(response) == (403, "permission_not_allowed")
    assert "operator" in response.json["detail"]


def test_what_was_given_up_comes_back_from_the_operator_only(acme: Server, services: Services) -> None:
    acme.patch("/tenant", {"permissions": ["agenda"]})
    both = {"permissions": ["agenda", "availability"]}
    assert problem(acme.patch("/tenant", both)) == (403, "permission_not_allowed")

    granted = frozenset({Permission.AGENDA, Permission.AVAILABILITY})
    services.tenants.update(acme.created.tenant, TenantUpdate(permissions=granted))

    assert acme.patch("/tenant", both).status_code == 200


@pytest.mark.parametrize("elements", [None, ["slot-picker"], ["agenda", "slot-picker"]])
def test_elements_cannot_be_widened(server_of: NewServer, elements: list[str] | None) -> None:
    server = server_of("Some", Policy(elements=frozenset({Element.AGENDA, Element.DATE_TIME_PICKER})))

    assert problem(server.patch("/tenant", {"elements": elements})) == (403, "permission_not_allowed")
    assert server.patch("/tenant", {"elements": ["agenda"]}).json["elements"] == ["agenda"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"suspended": False}, ["suspended"]),
        ({"tenant": "other"}, ["tenant"]),
        ({"version": 9}, ["version"]),
        ({"name": 1, "access": "secret", "tzid": None}, ["access", "name", "tzid"]),
        ({"name": None}, ["name"]),
        ({"allowed_origins": PAGE}, ["allowed_origins"]),
        ({"allowed_origins": [PAGE, 7, None]}, ["allowed_origins[1]", "allowed_origins[2]"]),
        ({"permissions": []}, ["permissions"]),
        ({"permissions": ["all"]}, ["permissions[0]"]),
        ({"lazy_calendars": "yes"}, ["lazy_calendars"]),
        ({"lazy_calendars": 1}, ["lazy_calendars"]),
        ({"jwks_url": "https://a.example/" + "x" * 2_048}, ["jwks_url"]),
    ],
)
def test_every_fault_of_a_body_is_listed(acme: Server, body: object, fields: list[str]) -> None:
    assert sorted(faulty_fields(acme.patch("/tenant", body))) == fields


# Versions


def test_who_has_the_newest_version_need_not_load_it_again(acme: Server) -> None:
    etag = acme.get("/tenant").headers["ETag"]

    for header in (etag, f'"v0", {etag}', f"W/{etag}", "*"):
        again = acme.get("/tenant", headers={"If-None-Match": header})
        assert (again.status_code, again.data) == (304, b""), header
        assert again.headers["ETag"] == etag

    acme.patch("/tenant", {"access": "signed"})
    assert acme.get("/tenant", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("header", ['"v1"', "*", '"v9", "v1"'])
def test_a_change_made_for_the_present_version_is_made(acme: Server, header: str) -> None:
    response = acme.patch("/tenant", {"access": "signed"}, headers={"If-Match": header})

    assert (response.status_code, response.json["version"]) == (200, 2)


@pytest.mark.parametrize("header", ['"v0"', '"v2", "v9"', 'W/"v1"', "nonsense", "", '"'])
def test_a_change_made_for_another_version_is_refused(acme: Server, header: str) -> None:
    response = acme.patch("/tenant", {"access": "signed"}, headers={"If-Match": header})

    assert problem(response) == (412, "precondition_failed")
    assert acme.get("/tenant").json["access"] == "public"


def test_of_two_changes_made_for_one_version_one_is_made(acme: Server) -> None:
    read = {"If-Match": acme.get("/tenant").headers["ETag"]}

    statuses = [acme.patch("/tenant", {"name": name}, headers=read).status_code for name in ("A", "B")]

    assert statuses == [200, 412]
    assert acme.get("/tenant").json["name"] == "A"


def test_a_faulty_change_is_told_its_faults_before_its_version(acme: Server) -> None:
    response = acme.patch("/tenant", {"name": 1}, headers={"If-Match": '"v9"'})

    assert problem(response) == (400, "invalid_request")
