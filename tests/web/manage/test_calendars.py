"""`/manage/v1/calendars` and `/manage/v1/origins`."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.web.manage.conftest import PAGE, NewServer, Server, faulty_fields, problem

ODD_IDS = ["rooms/4", "/4", "4/", "a//b", "tel:+44", "ä?&#%25+;=@", "😀", "rotate", ".hidden"]


def add(server: Server, name: str) -> Any:
    response = server.post("/calendars", {"application_calendar_id": name})
    assert response.status_code in {200, 201}, response.text
    return response


def test_a_new_calendar_has_a_sub_and_an_address(acme: Server) -> None:
    created = add(acme, "store-42")

    assert created.status_code == 201
    assert created.json["sub"].startswith("apc_")
    assert created.json == {
        "application_calendar_id": "store-42",
        "sub": created.json["sub"],
        "revoked_at": None,
    }
    assert created.headers["Location"] == "/manage/v1/calendars/store-42"
    assert acme.get("/calendars/store-42").json == created.json


def test_creating_it_again_changes_nothing(acme: Server) -> None:
    first, again = add(acme, "store-42"), add(acme, "store-42")

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json


@pytest.mark.parametrize("name", ODD_IDS)
def test_any_id_has_an_address(acme: Server, name: str) -> None:
    created = add(acme, name)
    assert created.headers["Location"] == f"/manage/v1/calendars/{quote(name, safe='')}"

    path = created.headers["Location"].removeprefix("/manage/v1")
    assert acme.get(path).json == created.json
    assert acme.delete(path).status_code == 204
    assert acme.get(path).json["revoked_at"] is not None


@pytest.mark.parametrize("name", ["", "a b", "x" * 181, "tab\t"])
def test_what_is_no_id_is_refused(acme: Server, name: str) -> None:
    response = acme.post("/calendars", {"application_calendar_id": name})

    assert problem(response) == (422, "invalid_name")
    assert acme.items("/calendars") == []


def test_a_calendar_cannot_be_mapped_to_anothers(acme: Server) -> None:
    body = {"application_calendar_id": "mine", "upstream_id": "other:store-42"}

    assert faulty_fields(acme.post("/calendars", body)) == ["upstream_id"]


def test_a_revoked_calendar_is_not_embedded_and_can_be_made_anew(acme: Server) -> None:
    first = add(acme, "store-42").json
    embed = {"key": acme.created.tenant.publishable_key, "element": "agenda", "calendar": "store-42"}
    page = {"Origin": PAGE}
    assert acme.http.post("/embed/token", json=embed, headers=page).status_code == 200

    revoked = acme.delete("/calendars/store-42")
    assert (revoked.status_code, revoked.data) == (204, b"")
    assert acme.delete("/calendars/store-42").status_code == 204
    assert acme.http.post("/embed/token", json=embed, headers=page).status_code == 410
    assert acme.get("/calendars/store-42").json["revoked_at"] == "2026-11-22T12:00:00Z"

    second = add(acme, "store-42")
    assert second.status_code == 201
    assert second.json["sub"] != first["sub"]
    assert acme.http.post("/embed/token", json=embed, headers=page).status_code == 200


def test_an_unknown_calendar_is_not_found(acme: Server) -> None:
    for response in (acme.get("/calendars/none"), acme.delete("/calendars/none")):
        assert problem(response) == (404, "unknown_calendar")


def test_calendars_come_in_pages_in_order(acme: Server) -> None:
    names = ["b", "c", "a", "e/1", "d"]
    for name in names:
        add(acme, name)

    listed = [
        [item["application_calendar_id"] for item in acme.items("/calendars", limit=n)] for n in (1, 2, 9)
    ]

    assert listed == [sorted(names)] * 3


def test_pages_go_on_where_they_were_whatever_comes_or_goes(acme: Server) -> None:
    for name in ("a", "c", "e"):
        add(acme, name)
    cursor = acme.get("/calendars", query_string={"limit": 2}).json["next_cursor"]

    acme.delete("/calendars/c")
    add(acme, "b")
    add(acme, "d")

    rest = acme.get("/calendars", query_string={"cursor": cursor}).json
    assert [item["application_calendar_id"] for item in rest["items"]] == ["d", "e"]
    assert rest["next_cursor"] is None


BAD_CURSORS = [
    "x",
    "ü",
    "bnVsbA",
    "WyJjYWxlbmRhcnMiXQ",
    "WyJjYWxlbmRhcnMiLCAxXQ",
    "WyJjYWxlbmRhcnMiLCJcdTAwMDAiXQ",
]
"""No base64, no JSON, null, one part, a number as position, U+0000 as position."""


@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_a_cursor_that_was_not_given_out_is_refused(acme: Server, cursor: str) -> None:
    assert faulty_fields(acme.get("/calendars", query_string={"cursor": cursor})) == ["cursor"]


def test_a_cursor_of_another_list_is_refused(acme: Server) -> None:
    for name in ("a", "b"):
        add(acme, name)
    cursor = acme.get("/calendars", query_string={"limit": 1}).json["next_cursor"]

    for path in ("/audit", "/keys"):
        assert faulty_fields(acme.get(path, query_string={"cursor": cursor})) == ["cursor"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=1&limit=2", "page=2", "limit=" + "9" * 5_000]
)
def test_a_page_that_cannot_be_is_refused(acme: Server, query: str) -> None:
    assert faulty_fields(acme.get(f"/calendars?{query}")) == [query.partition("=")[0]]


# Origins


def test_an_allowed_origin_is_explained_by_its_rule(acme: Server) -> None:
    response = acme.get("/origins/explain", query_string={"origin": PAGE})

    assert response.json == {
        "allowed": True,
        "rule": PAGE,
        "reason": f"{PAGE} is allowed by the rule {PAGE}.",
        "suggestion": None,
    }


@pytest.mark.parametrize(
    "origin", ["http://jobs.example.com", "null", "jobs.example.com", "https://a b", "x" * 9_000]
)
def test_a_refused_origin_is_explained_with_what_would_help(acme: Server, origin: str) -> None:
    explained = acme.get("/origins/explain", query_string={"origin": origin}).json

    assert explained["allowed"] is False
    assert explained["reason"]
    assert explained["suggestion"]


def test_an_explanation_needs_an_origin(acme: Server) -> None:
    for path in ("/origins/explain", "/origins/explain?origin="):
        assert faulty_fields(acme.get(path)) == ["origin"]


def test_origins_are_explained_by_the_tenants_own_rules(acme: Server, server_of: NewServer) -> None:
    other = server_of("Other")
    acme.patch("/tenant", {"allowed_origins": ["https://mine.example.com"]})

    query = {"origin": "https://mine.example.com"}
    assert acme.get("/origins/explain", query_string=query).json["allowed"] is True
    assert other.get("/origins/explain", query_string=query).json["allowed"] is False
