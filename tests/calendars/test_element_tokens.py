"""Element tokens: minting them, and the calls that browsers make with `?et=`."""

import base64
import json
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar
from tests.calendars.imports import fill
from tests.clocks import FakeClock
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.api.events import EVENTS_PER_PAGE
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.element_tokens import LIFE

PAGE = "https://jobs.example.com"
EVENTS = {
    "tzid": "Europe/London",
    "include_managed": "true",
    "include_geo": "true",
    "include_userinfo": "true",
}
QUERY: dict[str, Any] = {
    "required_duration": {"minutes": 60},
    "query_periods": [{"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T10:00:00Z"}],
    "response_format": "overlapping_slots",
}


def availability_of(*calendars: Calendar) -> dict[str, Any]:
    return QUERY | {"participants": [{"members": [c.sub for c in calendars], "required": "all"}]}


def test_a_token_is_minted_in_cronofys_shape(api: Api, calendar: Calendar) -> None:
    body = {"version": "1", "permissions": ["agenda"], "subs": [calendar.sub], "origin": "http://localhost"}
    document = api.http.post("/v1/element_tokens", headers=api.api_key, json=body).json["element_token"]

    token = document.pop("token")
    assert document == {"permissions": ["agenda"], "origin": "http://localhost", "expires_in": 64_800}
    assert all(character.isalnum() or character in "-_." for character in token)


def test_a_url_is_cut_to_its_origin(api: Api, calendar: Calendar) -> None:
    body = {"permissions": ["agenda"], "subs": [calendar.sub], "origin": "https://Jobs.example.com:443/path"}
    response = api.http.post("/v1/element_tokens", headers=api.api_key, json=body)

    assert response.json["element_token"]["origin"] == PAGE


@pytest.mark.parametrize(
    ("change", "path", "key"),
    [
        ({"permissions": []}, "permissions", "errors.required"),
        ({"permissions": ["agenda", "world"]}, "permissions[1]", "errors.not_recognized"),
        ({"permissions": "agenda"}, "permissions", "errors.invalid"),
        ({"origin": None}, "origin", "errors.required"),
        ({"origin": "null"}, "origin", "errors.invalid"),
        ({"origin": "https://a.test, https://b.test"}, "origin", "errors.invalid"),
        ({"origin": "https://a.test:99999"}, "origin", "errors.invalid"),
        ({"origin": f"http://{'a' * 300}.com"}, "origin", "errors.too_long"),
        ({"subs": ["apc_unknown"]}, "subs[0]", "errors.not_recognized"),
        ({"subs": [None]}, "subs[0]", "errors.invalid"),
        ({"version": "2"}, "version", "errors.invalid"),
        ({"bookable_event_ids": ["bev_1"]}, "bookable_event_ids", "errors.not_supported"),
    ],
)
def test_a_faulty_request_is_422(
    api: Api, calendar: Calendar, change: dict[str, object], path: str, key: str
) -> None:
    body = {"version": "1", "permissions": ["agenda"], "subs": [calendar.sub], "origin": PAGE}

    response = api.http.post("/v1/element_tokens", headers=api.api_key, json=body | change)

    assert response.status_code == 422
    assert response.json["errors"][path][0]["key"] == key


def test_another_applications_account_is_not_recognized(
    backend: Backend, api: Api, calendar: Calendar
) -> None:
    stranger = Api(backend, api.http, "stranger")
    body = {"permissions": ["agenda"], "subs": [calendar.sub], "origin": PAGE}

    response = api.http.post("/v1/element_tokens", headers=stranger.api_key, json=body)

    assert list(response.json["errors"]) == ["subs[0]"]


def test_an_access_token_mints_nothing(api: Api, calendar: Calendar) -> None:
    assert calendar.post("/v1/element_tokens", {}).status_code == 401


def test_the_agendas_read_shows_events_and_userinfo(api: Api, calendar: Calendar) -> None:
    calendar.write("standup", "2026-11-24T09:00:00Z", "2026-11-24T09:15:00Z")
    token = api.element_token(calendar, permission="agenda", origin=PAGE)

    response = api.http.get("/v1/events", query_string=EVENTS | {"et": token}, headers={"Origin": PAGE})

    assert response.status_code == 200
    assert [event["event_id"] for event in response.json["events"]] == ["standup"]
    assert response.json["userinfo"]["cronofy.data"]["profiles"][0]["profile_calendars"]
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Origin" in response.vary


def test_next_page_carries_no_token(api: Api, backend: Backend, calendar: Calendar) -> None:
    fill(backend, calendar, EVENTS_PER_PAGE + 1)
    token = api.element_token(calendar, permission="agenda", origin=PAGE)
    page = {"Origin": PAGE}

    first = api.http.get("/v1/events", query_string=EVENTS | {"et": token}, headers=page).json
    link = first["pages"]["next_page"]
    second = api.http.get(f"{link.removeprefix(PUBLIC_URL)}?et={token}", headers=page)

    assert token not in link
    assert len(second.json["events"]) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": PAGE}, 200),
        ({"Origin": "https://evil.example.com"}, 401),
        ({"Origin": "null"}, 401),
        ({"Origin": f"{PAGE}, https://evil.example.com"}, 401),
        ({"Origin": f"{PAGE}:443"}, 401),
        ({"Referer": f"{PAGE}/page?x=1"}, 200),
        ({"Referer": "https://evil.example.com/"}, 401),
        ({"Referer": "https://[bad/"}, 401),
        ({"Sec-Fetch-Site": "same-origin"}, 401),
        ({}, 401),
    ],
)
def test_only_the_tokens_own_origin_may_use_it(
    api: Api, calendar: Calendar, headers: dict[str, str], status: int
) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PAGE)

    response = api.http.get("/v1/events", query_string=EVENTS | {"et": token}, headers=headers)

    assert response.status_code == status


def test_a_frame_of_our_own_origin_sends_no_origin_and_is_let_in(api: Api, calendar: Calendar) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PUBLIC_URL)
    headers = {"Sec-Fetch-Site": "same-origin"}

    response = api.http.get("/v1/events", query_string=EVENTS | {"et": token}, headers=headers)

    assert response.status_code == 200


def test_a_token_reaches_only_the_accounts_it_names(api: Api, calendar: Calendar) -> None:
    other = api.calendar("other")
    token = api.element_token(calendar, permission="availability", origin=PAGE)

    def status(*calendars: Calendar) -> int:
        path = f"/v1/availability?et={token}"
        return api.http.post(path, json=availability_of(*calendars), headers={"Origin": PAGE}).status_code

    assert status(calendar) == 200
    assert status(calendar, other) == 403


def test_a_permission_that_is_not_in_the_token_is_403(api: Api, calendar: Calendar) -> None:
    agenda = api.element_token(calendar, permission="agenda", origin=PAGE)
    availability = api.element_token(calendar, permission="availability", origin=PAGE)
    page = {"Origin": PAGE}

    query = availability_of(calendar)
    assert api.http.post(f"/v1/availability?et={agenda}", json=query, headers=page).status_code == 403
    assert api.http.get("/v1/events", query_string={"et": availability}, headers=page).status_code == 403


def test_element_tokens_neither_write_events_nor_list_calendars(api: Api, calendar: Calendar) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PAGE)
    page = {"Origin": PAGE}

    assert api.http.post(f"{calendar.events_path}?et={token}", json={}, headers=page).status_code == 401
    assert api.http.get(f"/v1/calendars?et={token}", headers=page).status_code == 401


def test_an_expired_token_is_401_and_the_page_can_read_that(
    api: Api, calendar: Calendar, clock: FakeClock
) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PAGE)
    clock.advance(LIFE)

    response = api.http.get("/v1/events", query_string={"et": token}, headers={"Origin": PAGE})

    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == PAGE


def header_of(crit: object) -> str:
    header = json.dumps({"alg": "HS256", "crit": crit}).encode()
    return base64.urlsafe_b64encode(header).decode().rstrip("=") + ".e30.eA"


@pytest.mark.parametrize(
    "token",
    [
        *("", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 10_000, "é", "\x00"),
        *map(header_of, (1, None, [1], [[]], "x", ["exp"])),
    ],
)
def test_a_token_of_nobody_is_401_and_the_page_can_read_that(api: Api, token: str) -> None:
    response = api.http.get("/v1/events", query_string={"et": token}, headers={"Origin": PAGE})

    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == PAGE


def test_a_token_of_another_server_is_401(
    engine: Engine, backend: Backend, calendar: Calendar, api: Api
) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PAGE)
    elsewhere = Backend.over(engine, b"another secret, of thirty-two bytes", PUBLIC_URL, backend.clock)

    response = (
        create_backend_app(elsewhere).test_client().get(f"/v1/events?et={token}", headers={"Origin": PAGE})
    )

    assert response.status_code == 401


def test_a_bad_query_is_422_that_the_page_can_read(api: Api, calendar: Calendar) -> None:
    token = api.element_token(calendar, permission="availability", origin=PAGE)
    body = {"response_format": "overlapping_slots"}

    response = api.http.post(f"/v1/availability?et={token}", json=body, headers={"Origin": PAGE})

    assert response.status_code == 422
    assert "participants" in response.json["errors"]
    assert response.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize("path", ["/v1/events", "/v1/availability", "/v1/events/pages/x", "/v1/later"])
def test_preflights_need_no_live_token(api: Api, calendar: Calendar, clock: FakeClock, path: str) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PAGE)
    clock.advance(LIFE)

    response = api.http.options(path, query_string={"et": token}, headers={"Origin": PAGE})

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Cronofy-Element" in response.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in response.headers


def test_nothing_is_readable_across_origins_without_an_element_token(calendar: Calendar) -> None:
    headers = calendar.headers | {"Origin": PAGE}

    response = calendar.api.http.get("/v1/calendars", headers=headers)

    assert "Access-Control-Allow-Origin" not in response.headers
