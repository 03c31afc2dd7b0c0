"""`/v1/real_time_scheduling`: create, status, disable."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar
from tests.calendars.scheduling import ask, create, status, wanted
from tests.stored import everything
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.requests.base import parse_json
from widgetsvc.calendars.requests.scheduling import RealTimeSchedulingRequest

pytestmark = pytest.mark.on_every_database

PATH = "/v1/real_time_scheduling"


def test_both_shapes_of_the_answer_are_sent(api: Api, calendar: Calendar) -> None:
    answer = ask(api, wanted(calendar)).json

    link = answer["real_time_scheduling"]
    assert answer["url"] == link["url"]
    assert link["url"].startswith(f"{PUBLIC_URL}/schedule/")
    assert link["real_time_scheduling_id"].startswith("sch_")
    assert len(link["real_time_scheduling_id"]) == len("sch_64b1859e8090ea21640c915f")
    assert link["status"] == "open"
    assert link["event"] == {"event_id": "interview-1", "summary": "Interview", "event_private": False}


def test_the_status_is_found_by_token_and_by_id(api: Api, calendar: Calendar) -> None:
    link = create(api, calendar)
    token = link["url"].rpartition("/")[2]

    by_token = api.http.get(PATH, query_string={"token": token}, headers=api.api_key)

    assert by_token.json == {"real_time_scheduling": link}
    assert status(api, link) == link


# What each SDK sends, as recorded (headers, and whether the credentials are in the body).
STYLES = {
    "python and node": ("Bearer {secret}", False),
    "ruby and c#": (None, True),
    "php with an access token": ("Bearer {access_token}", True),
    "a stale bearer": ("Bearer None", True),
}


@pytest.mark.parametrize("style", STYLES)
def test_each_sdks_credentials_are_taken(api: Api, calendar: Calendar, style: str) -> None:
    header, in_body = STYLES[style]
    secrets = {"secret": api.credentials.client_secret, "access_token": calendar.document["access_token"]}
    body = wanted(calendar) | (api.client_fields() if in_body else {})
    headers = {"Authorization": header.format(**secrets)} if header else {}

    response = api.http.post(PATH, json=body, headers=headers)

    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({}, None),
        ({}, "Bearer nobody's"),
        ({"client_id": "app_1", "client_secret": "wrong"}, "Bearer {secret}"),
        ({"client_id": "app_1"}, "Bearer {secret}"),
    ],
)
def test_wrong_credentials_are_refused(
    api: Api, calendar: Calendar, fields: dict[str, str], header: str | None
) -> None:
    headers = {"Authorization": header.format(secret=api.credentials.client_secret)} if header else {}

    response = api.http.post(PATH, json=wanted(calendar) | fields, headers=headers)

    assert (response.status_code, response.data) == (401, b"")


def test_the_secret_in_the_body_is_not_stored(api: Api, calendar: Calendar, backend: Backend) -> None:
    response = api.http.post(PATH, json=wanted(calendar) | api.client_fields())

    link = backend.scheduling_links.by_token(response.json["url"].rpartition("/")[2])
    assert link is not None
    assert api.credentials.client_secret not in json.dumps(link.request)


def test_every_fault_is_named_at_its_path(api: Api) -> None:
    body = {
        "oauth": {"redirect_uri": "javascript:alert(1)"},
        "event": {"summary": "x", "attendees": {"invite": [{"email": "a@example.com"}]}},
        "availability": {"participants": [{"members": ["apc_nobody"]}], "required_duration": {}},
        "target_calendars": [{"sub": "apc_nobody", "calendar_id": "cal_x"}, {"sub": "apc_nobody"}],
        "tzid": "Europe/Nowhere",
        "minimum_notice": {"hours": -1},
        "event_creation": "many",
        "callback_urls": {"completed_url": "ftp://example.com"},
        "redirect_urls": {"completed_url": "https://example.com/\r\nSet-Cookie: a=b"},
        "formatting": {"hour_format": "x"},
        "selection_mode": "dice",
    }

    errors = ask(api, body).json["errors"]

    assert set(errors) == {
        "oauth.redirect_uri",
        "event.event_id",
        "event.attendees",
        "availability.participants[0].members[0].sub",
        "availability.required_duration",
        "availability.query_periods",
        "target_calendars[0].sub",
        "target_calendars[1].calendar_id",
        "tzid",
        "minimum_notice.hours",
        "event_creation",
        "callback_urls.completed_url",
        "redirect_urls.completed_url",
        "formatting.hour_format",
        "selection_mode",
    }


@pytest.mark.parametrize("more", [{}, {"callback_urls": {"no_times_displayed_url": 7}}, {"tzid": "Nowhere"}])
def test_callbacks_that_nothing_is_ever_sent_to_are_refused_at_their_paths(
    api: Api, calendar: Calendar, more: dict[str, Any]
) -> None:
    body = wanted(calendar, callback_url="http://hooks.example.com/", tzid=more.get("tzid"))
    body["callback_urls"] = {
        "completed_url": "https://169.254.169.254/latest",
        "no_times_suitable_url": "https://hooks.internal/",
        **more.get("callback_urls", {}),
    }

    response = ask(api, body)

    assert response.status_code == 422
    assert set(response.json["errors"]) == {
        "callback_url",
        "callback_urls.completed_url",
        "callback_urls.no_times_suitable_url",
        *({"tzid"} & more.keys()),
        *(f"callback_urls.{name}" for name in more.get("callback_urls", {})),
    }


def test_strangers_are_named_at_their_paths(
    api: Api, calendar: Calendar, backend: Backend, http: FlaskClient
) -> None:
    stranger = Api(backend, http, "another").calendar("theirs")
    body = wanted(calendar, stranger)
    body["target_calendars"] += [{"sub": calendar.sub, "calendar_id": stranger.calendar_id}]

    response = ask(api, body)

    assert response.status_code == 422
    assert set(response.json["errors"]) == {
        "availability.participants[0].members[1].sub",
        "target_calendars[1].sub",
        "target_calendars[2].calendar_id",
    }


def test_a_link_needs_a_calendar_to_write_to(api: Api, calendar: Calendar) -> None:
    response = ask(api, wanted(calendar, target_calendars=[]))

    assert response.json["errors"]["target_calendars"][0]["key"] == "errors.required"


def test_another_applications_link_is_not_found(
    api: Api, calendar: Calendar, backend: Backend, http: FlaskClient
) -> None:
    link = create(api, calendar)
    other = Api(backend, http, "another")
    path = f"{PATH}/{link['real_time_scheduling_id']}"

    answers = [
        http.get(path, headers=other.api_key),
        http.get(PATH, query_string={"token": link["url"].rpartition("/")[2]}, headers=other.api_key),
        http.post(f"{path}/disable", headers=other.api_key, json={"display_message": "Closed"}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert status(api, link)["status"] == "open"


def test_a_link_is_disabled_and_again_with_other_words(api: Api, calendar: Calendar) -> None:
    link = create(api, calendar)
    path = f"{PATH}/{link['real_time_scheduling_id']}/disable"

    for words in ("Filled", "Filled, thank you"):
        response = api.http.post(path, headers=api.api_key, json={"display_message": words})
        assert response.status_code == 200
        assert response.json == {"real_time_scheduling": link | {"status": "disabled"}}


@pytest.mark.parametrize("body", [{}, {"display_message": " "}, {"display_message": "x" * 501}])
def test_visitors_of_a_disabled_link_are_owed_words(
    api: Api, calendar: Calendar, body: dict[str, str]
) -> None:
    link = create(api, calendar)
    path = f"{PATH}/{link['real_time_scheduling_id']}/disable"

    response = api.http.post(path, headers=api.api_key, json=body)

    assert (response.status_code, list(response.json["errors"])) == (422, ["display_message"])


def test_what_is_stored_reads_back_as_it_was(calendar: Calendar) -> None:
    body: dict[str, Any] = wanted(calendar, minimum_notice={"hours": 4}, formatting={"hour_format": "h"})
    body["event"] |= {"url": None, "location": {"description": "Here"}}
    body["availability"] = {
        "participants": [{"members": [calendar.sub], "required": 1}],
        "required_duration": {"hours": 1, "minutes": 15},
        "available_periods": [{"start": "2026-11-23 10:00:00Z", "end": "2026-11-23T12:00:00+01:00"}],
        "start_interval": {"minutes": 15},
        "buffer": {"before": {"minimum": {"minutes": 10}}, "after": {"maximum": {"minutes": 10}}},
        "excluded_events": [{"event_id": "x"}],
    }
    original = parse_json(RealTimeSchedulingRequest, json.dumps(body).encode())

    again = RealTimeSchedulingRequest.restored(json.loads(json.dumps(original.stored())))

    assert again.model_dump() == original.model_dump()
    assert again.stored() == original.stored()


def test_no_token_is_written_to_the_database_as_it_is(api: Api, calendar: Calendar, engine: Engine) -> None:
    token = create(api, calendar)["url"].rpartition("/")[2]

    stored = everything(engine)
    assert token.encode() not in stored
    assert b"interview-1" in stored
