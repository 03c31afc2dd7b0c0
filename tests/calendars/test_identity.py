"""Who a token belongs to, for each kind of account: userinfo, account, profiles and calendars."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.calendars.conftest import Api, Calendar
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.records import AccountIdentity, AccountKind

PAGE = "https://jobs.example.com"
JANE = AccountIdentity(AccountKind.USER, email="jane@example.com", name="Jane Doe", tzid="Europe/London")
ROOM = AccountIdentity(AccountKind.RESOURCE, name="Room 1")


@pytest.fixture
def jane(api: Api) -> Calendar:
    return api.account(JANE)


@pytest.fixture
def room(api: Api) -> Calendar:
    return api.account(ROOM)


def test_a_users_userinfo_has_the_documented_shape(jane: Calendar) -> None:
    document = jane.get("/v1/userinfo").json

    assert list(document) == ["sub", "email", "name", "zoneinfo", "cronofy.type", "cronofy.data"]
    assert document["sub"].startswith("acc_")
    assert document["email"] == "jane@example.com"
    assert (document["name"], document["zoneinfo"]) == ("Jane Doe", "Europe/London")
    assert document["cronofy.type"] == "account"
    data = document["cronofy.data"]
    assert list(data) == ["authorization", "profiles", "conferencing_profiles"]
    assert data["authorization"] == {"scope": "read_write", "status": "active"}
    (profile,) = data["profiles"]
    assert profile["profile_name"] == "jane@example.com"
    (calendar,) = profile["profile_calendars"]
    assert (calendar["calendar_id"], calendar["calendar_name"]) == (jane.calendar_id, "Jane Doe")


def test_what_is_not_known_of_an_account_is_absent_from_its_userinfo(room: Calendar) -> None:
    document = room.get("/v1/userinfo").json

    assert list(document) == ["sub", "name", "cronofy.type", "cronofy.data"]
    assert document["sub"].startswith("res_")
    assert document["cronofy.type"] == "resource"


def test_an_application_calendars_userinfo_has_neither_name_nor_zone(calendar: Calendar) -> None:
    document = calendar.get("/v1/userinfo").json

    assert list(document) == ["sub", "email", "cronofy.type", "cronofy.data"]
    assert list(document["cronofy.data"]) == [
        "authorization",
        "application_calendar",
        "profiles",
        "conferencing_profiles",
    ]


def test_a_users_account_has_the_documented_shape(jane: Calendar) -> None:
    document = jane.get("/v1/account").json

    assert document == {
        "account": {
            "account_id": jane.sub,
            "email": "jane@example.com",
            "name": "Jane Doe",
            "default_tzid": "Europe/London",
            "scope": "read_write",
        }
    }
    assert list(document["account"]) == ["account_id", "email", "name", "default_tzid", "scope"]


def test_an_application_calendar_has_an_account_too(calendar: Calendar) -> None:
    assert calendar.get("/v1/account").json["account"] == {
        "account_id": calendar.sub,
        "email": "",
        "name": "",
        "default_tzid": "Etc/UTC",
        "scope": "read_write",
        "type": "application_calendar",
    }


@pytest.mark.parametrize("kind", ["calendar", "jane", "room"])
def test_an_account_has_one_connected_profile(kind: str, request: pytest.FixtureRequest) -> None:
    calendar: Calendar = request.getfixturevalue(kind)

    (profile,) = calendar.get("/v1/profiles").json["profiles"]

    assert list(profile) == [
        "provider_name",
        "provider_service",
        "profile_id",
        "profile_name",
        "profile_connected",
        "profile_initial_sync_required",
    ]
    assert profile["profile_id"] == calendar.get("/v1/calendars").json["calendars"][0]["profile_id"]
    assert (profile["profile_connected"], profile["profile_initial_sync_required"]) == (True, False)


def test_revoking_its_profile_revokes_an_application_calendar(calendar: Calendar) -> None:
    path = f"/v1/profiles/{calendar.profile_id}/revoke"

    response = calendar.post(path, {})

    assert (response.status_code, response.data) == (202, b"")
    assert calendar.get("/v1/userinfo").status_code == 401
    assert calendar.post(path, {}).status_code == 401


@pytest.mark.parametrize("kind", ["jane", "room"])
def test_people_and_resources_go_on_without_a_profile(
    api: Api, kind: str, request: pytest.FixtureRequest
) -> None:
    account: Calendar = request.getfixturevalue(kind)
    account.write("one", "2024-06-25T09:00:00Z", "2024-06-25T10:00:00Z")
    path = f"/v1/profiles/{account.profile_id}/revoke"

    assert account.post(path, {}).status_code == 202

    assert account.get("/v1/userinfo").json["cronofy.data"]["profiles"] == []
    assert account.get("/v1/profiles").json == {"profiles": []}
    assert account.get("/v1/calendars").json == {"calendars": [], "sub": account.sub}
    assert account.event_ids() == []
    assert account.post(account.events_path, {"event_id": "two"}).status_code == 422
    two = {"event_id": "two", "summary": "", "start": "2024-06-25", "end": "2024-06-26"}
    assert account.post(account.events_path, two).status_code == 404
    assert account.post(path, {}).status_code == 404
    query = {
        "participants": [{"members": [account.sub]}],
        "required_duration": {"minutes": 30},
        "query_periods": [{"start": "2024-06-25T09:00:00Z", "end": "2024-06-25T10:00:00Z"}],
    }
    assert list(api.availability(query).json["errors"]) == ["participants[0].members[0].sub"]


def test_the_calendar_sync_element_revokes_a_profile(api: Api, calendar: Calendar) -> None:
    token = api.element_token(calendar, permission="account_management", origin=PAGE)
    path = f"/v1/profiles/{calendar.profile_id}/revoke?et={token}"

    response = api.http.post(path, headers={"Origin": PAGE}, json={})

    assert response.status_code == 202
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert calendar.get("/v1/userinfo").status_code == 401
    assert api.http.post(path, headers={"Origin": PAGE}).status_code == 403


@pytest.mark.parametrize(
    ("permission", "origin", "status"),
    [("agenda", PAGE, 403), ("account_management", "https://evil.example.com", 401)],
)
def test_other_element_tokens_revoke_no_profile(
    api: Api, calendar: Calendar, permission: str, origin: str, status: int
) -> None:
    token = api.element_token(calendar, permission=permission, origin=PAGE)

    response = api.http.post(
        f"/v1/profiles/{calendar.profile_id}/revoke?et={token}", headers={"Origin": origin}
    )

    assert response.status_code == status
    assert calendar.get("/v1/userinfo").status_code == 200


def test_another_accounts_profile_is_not_found(api: Api, calendar: Calendar) -> None:
    other = api.calendar("other")

    for unreachable in (other.profile_id, "pro_none", "%00", "\u2026"):
        assert calendar.post(f"/v1/profiles/{unreachable}/revoke", {}).status_code == 404
    assert other.get("/v1/userinfo").status_code == 200


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({}, {"profile_id": "errors.not_supported", "name": "errors.not_supported"}),
        ({"profile_id": "pro_none"}, {"profile_id": "errors.not_recognized", "name": "errors.not_supported"}),
        ({"name": " "}, {"name": "errors.required"}),
        ({"profile_id": None, "name": None}, {"profile_id": "errors.required", "name": "errors.required"}),
    ],
)
def test_there_is_no_second_calendar(
    calendar: Calendar, change: dict[str, object], keys: dict[str, str]
) -> None:
    body = {"profile_id": calendar.profile_id, "name": "Home", "color": "#49BED8"}

    response = calendar.post("/v1/calendars", body | change)

    assert response.status_code == 422
    assert {path: faults[0]["key"] for path, faults in response.json["errors"].items()} == keys
    assert len(calendar.get("/v1/calendars").json["calendars"]) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/account"),
        ("GET", "/v1/profiles"),
        ("POST", "/v1/calendars"),
        ("POST", "/v1/profiles/p/revoke"),
    ],
)
def test_strangers_learn_nothing(api: Api, http: FlaskClient, method: str, path: str) -> None:
    headers: dict[str, Any] = {"Authorization": "Bearer nobody's"}

    response = http.open(path, method=method, headers=headers, json={})

    assert (response.status_code, response.data) == (401, b"")


@pytest.mark.parametrize("identity", [JANE, ROOM])
def test_people_and_resources_refresh_and_revoke_as_calendars_do(
    backend: Backend, api: Api, identity: AccountIdentity
) -> None:
    owner = api.account(identity)
    owner.write("standup", "2026-11-24T09:00:00Z", "2026-11-24T09:15:00Z")
    refresh = api.client_fields(grant_type="refresh_token", refresh_token=owner.document["refresh_token"])

    answer = api.http.post("/oauth/token", json=refresh)
    assert answer.json["access_token"] == owner.document["access_token"]
    assert owner.event_ids() == ["standup"]

    assert api.http.post("/oauth/token/revoke", json=api.client_fields(sub=owner.sub)).status_code == 200
    assert owner.get("/v1/userinfo").status_code == 401
    assert api.http.post("/oauth/token", json=refresh).json["error"] == "invalid_grant"


def test_the_seeds_query_mixes_a_calendar_a_person_and_a_room(
    api: Api, calendar: Calendar, jane: Calendar, room: Calendar
) -> None:
    calendar.write("interviews", "2024-06-25T09:00:00Z", "2024-06-25T12:00:00Z")
    jane.write("holiday", "2024-06-26T00:00:00Z", "2024-06-27T00:00:00Z")
    room.write("cleaning", "2024-06-25T15:00:00Z", "2024-06-25T18:00:00Z")
    query = {
        "participants": [
            {"members": [{"sub": each.sub} for each in (calendar, jane, room)], "required": "all"}
        ],
        "required_duration": {"minutes": 60},
        "available_periods": [
            {"start": f"{day}T09:00:00Z", "end": f"{day}T18:00:00Z"} for day in ("2024-06-25", "2024-06-26")
        ],
    }

    response = api.availability(query)

    assert response.status_code == 200
    assert response.json == {
        "available_periods": [
            {
                "start": "2024-06-25T12:00:00Z",
                "end": "2024-06-25T15:00:00Z",
                "participants": [{"sub": each.sub} for each in (calendar, jane, room)],
            }
        ]
    }


def test_element_tokens_are_minted_for_people_too(api: Api, jane: Calendar) -> None:
    jane.write("standup", "2026-11-24T09:00:00Z", "2026-11-24T09:15:00Z")
    token = api.element_token(jane, permission="agenda", origin=PAGE)
    query = {"tzid": "Etc/UTC", "include_managed": "true", "et": token}

    response = api.http.get("/v1/events", query_string=query, headers={"Origin": PAGE})

    assert [found["event_id"] for found in response.json["events"]] == ["standup"]
