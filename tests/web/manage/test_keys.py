"""`/manage/v1/keys` and `/manage/v1/audit`."""

from contextlib import closing

import pytest

from tests.clocks import FakeClock
from tests.web.manage.conftest import PAGE, NewServer, Server, faulty_fields, problem
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.services import Services
from widgetsvc.wiring import build_services


def of_kind(server: Server, kind: str) -> list[str]:
    return [key["key_id"] for key in server.items("/keys") if key["kind"] == kind]


def test_keys_are_listed_without_secrets(acme: Server) -> None:
    response = acme.get("/keys")

    (publishable,) = (key for key in response.json["items"] if key["kind"] == "publishable")
    (secret,) = (key for key in response.json["items"] if key["kind"] == "secret")
    assert publishable["publishable_key"] == acme.created.tenant.publishable_key
    assert secret["publishable_key"] is None
    assert secret["hint"] == acme.created.secret_key[-4:]
    assert secret["expires_at"] is None
    assert secret["created_at"].endswith("Z")
    assert acme.created.secret_key not in response.text


def test_a_rotated_key_and_the_old_one_are_good_until_the_overlap_ends(
    acme: Server, clock: FakeClock
) -> None:
    rotated = acme.post("/keys/rotate", {"kind": "secret", "overlap_seconds": 600})

    assert rotated.status_code == 201
    new = rotated.json["key"]
    assert new.startswith("sk_")
    assert rotated.headers["Cache-Control"] == "no-store"
    assert [acme.get("/keys", key=key).status_code for key in (new, acme.created.secret_key)] == [200, 200]
    clock.advance(600)
    assert acme.get("/keys", key=new).status_code == 200
    assert problem(acme.get("/keys")) == (401, "unknown_key")


def test_without_an_overlap_the_old_key_ends_at_once(acme: Server) -> None:
    new = acme.post("/keys/rotate", {"kind": "secret", "overlap_seconds": 0}).json["key"]

    assert problem(acme.get("/keys")) == (401, "unknown_key")
    assert acme.get("/keys", key=new).status_code == 200


def test_a_publishable_key_is_rotated_in_the_same_way(acme: Server) -> None:
    old = acme.created.tenant.publishable_key

    new = acme.post("/keys/rotate", {"kind": "publishable"}).json

    assert new["key"] == new["publishable_key"] != old
    assert acme.get("/tenant").json["publishable_key"] == new["key"]
    acme.post("/calendars", {"application_calendar_id": "a"})
    for key in (old, new["key"]):
        body = {"key": key, "element": "agenda", "calendar": "a"}
        assert acme.http.post("/embed/token", json=body, headers={"Origin": PAGE}).status_code == 200


def test_a_third_key_has_to_wait(acme: Server) -> None:
    new = acme.post("/keys/rotate", {"kind": "secret"}).json

    refused = acme.post("/keys/rotate", {"kind": "secret"})
    assert problem(refused) == (409, "conflict")
    (old,) = set(of_kind(acme, "secret")) - {new["key_id"]}
    assert old in refused.json["detail"]

    assert acme.delete(f"/keys/{old}", key=new["key"]).status_code == 204
    assert acme.post("/keys/rotate", {"kind": "secret"}, key=new["key"]).status_code == 201


def test_a_revoked_key_is_dead_in_every_process_at_once(
    acme: Server, settings: Settings, clock: FakeClock
) -> None:
    with closing(build_services(settings, clock, clock)) as elsewhere:
        there = Server(create_app(settings, elsewhere).test_client(), acme.created)
        new = acme.post("/keys/rotate", {"kind": "secret"}).json
        assert there.get("/keys").status_code == 200

        (old,) = set(of_kind(acme, "secret")) - {new["key_id"]}
        assert acme.delete(f"/keys/{old}").status_code == 204

        assert problem(there.get("/keys")) == (401, "unknown_key")
        assert there.get("/keys", key=new["key"]).status_code == 200


def test_the_last_key_of_a_kind_stays(acme: Server) -> None:
    for kind in ("secret", "publishable"):
        (key_id,) = of_kind(acme, kind)
        assert problem(acme.delete(f"/keys/{key_id}")) == (409, "conflict")


@pytest.mark.parametrize("key_id", ["key_none", "x" * 3_000, "%ff", "a/b"])
def test_an_unknown_key_is_not_found(acme: Server, key_id: str) -> None:
    assert problem(acme.delete(f"/keys/{key_id}")) == (404, "unknown_resource")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["kind"]),
        ({"kind": "both"}, ["kind"]),
        ({"kind": "secret", "overlap_seconds": -1}, ["overlap_seconds"]),
        ({"kind": "secret", "overlap_seconds": 7_776_001}, ["overlap_seconds"]),
        ({"kind": "secret", "overlap_seconds": "1"}, ["overlap_seconds"]),
        ({"kind": "secret", "overlap_seconds": 1.5}, ["overlap_seconds"]),
        ({"kind": 1, "overlap": 1}, ["kind", "overlap"]),
    ],
)
def test_a_rotation_that_makes_no_sense_is_refused(acme: Server, body: object, fields: list[str]) -> None:
    assert sorted(faulty_fields(acme.post("/keys/rotate", body))) == fields


# Audit trail


def test_every_change_is_in_the_trail_with_who_made_it(acme: Server, services: Services) -> None:
    (key_id,) = of_kind(acme, "secret")
    acme.patch("/tenant", {"tzid": "Europe/London"})
    acme.post("/calendars", {"application_calendar_id": "a"})
    acme.delete("/calendars/a")
    new = acme.post("/keys/rotate", {"kind": "secret"}).json

    entries = acme.items("/audit")

    assert [(entry["action"], entry["by"], entry["subject"]) for entry in entries] == [
        ("key.rotated", f"key {key_id}", new["key_id"]),
        ("calendar.revoked", f"key {key_id}", "a"),
        ("calendar.added", f"key {key_id}", "a"),
        ("tenant.updated", f"key {key_id}", None),
        ("tenant.created", "operator", None),
    ]
    assert entries[3]["details"] == {"tzid": ["Etc/UTC", "Europe/London"]}
    assert new["key"] not in acme.get("/audit").text


def test_the_trail_comes_in_pages(acme: Server) -> None:
    for number in range(4):
        acme.patch("/tenant", {"name": f"Acme {number}"})

    assert acme.items("/audit", limit=2) == acme.items("/audit")
    assert len(acme.items("/audit")) == 5


def test_the_trail_is_the_tenants_own(acme: Server, server_of: NewServer) -> None:
    other = server_of("Other")
    acme.patch("/tenant", {"name": "Renamed"})

    assert [entry["action"] for entry in other.items("/audit")] == ["tenant.created"]
