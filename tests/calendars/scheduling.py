"""Real-time scheduling as applications and visitors use it."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar

MONDAY = "2026-11-23"
ELEVEN = f"{MONDAY}T11:00:00Z"
OWN_FORM = {"Origin": PUBLIC_URL}


def wanted(*calendars: Calendar, **members: Any) -> dict[str, Any]:
    """The body for a link: half an hour on Monday morning, with all of the calendars."""
    body = {
        "oauth": {"redirect_uri": "https://jobs.example.com/back"},
        "event": {"event_id": "interview-1", "summary": "Interview"},
        "availability": {
            "participants": [{"members": [{"sub": c.sub} for c in calendars], "required": "all"}],
            "required_duration": {"minutes": 30},
            "query_periods": [{"start": f"{MONDAY}T10:00:00Z", "end": f"{MONDAY}T12:00:00Z"}],
        },
        "target_calendars": [{"sub": c.sub, "calendar_id": c.calendar_id} for c in calendars],
    }
    return body | members


def ask(api: Api, body: object) -> TestResponse:
    return api.http.post("/v1/real_time_scheduling", headers=api.api_key, json=body)


def create(api: Api, *calendars: Calendar, **members: Any) -> dict[str, Any]:
    response = ask(api, wanted(*calendars, **members))
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json["real_time_scheduling"]
    return document


def status(api: Api, link: dict[str, Any]) -> dict[str, Any]:
    path = f"/v1/real_time_scheduling/{link['real_time_scheduling_id']}"
    document: dict[str, Any] = api.http.get(path, headers=api.api_key).json["real_time_scheduling"]
    return document


def page_of(link: dict[str, Any]) -> str:
    return str(link["url"]).removeprefix(PUBLIC_URL)


def pick(http: FlaskClient, link: dict[str, Any], start: str = ELEVEN, **fields: str) -> TestResponse:
    return http.post(page_of(link), data={"start": start, **fields}, headers=OWN_FORM)
