"""How many requests an application may make, whoever calls on its behalf."""

import pytest
from flask.testing import FlaskClient
from limits import parse_many
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar
from tests.clocks import FakeClock
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.rate_limits import RateLimits
from widgetsvc.config import Settings
from widgetsvc.wiring import build_operations

PAGE = "https://jobs.example.com"


def limited(engine: Engine, clock: FakeClock, limits: str) -> tuple[Backend, FlaskClient]:
    """Windows of a month: the limits' clock is the system's, and no window ends while a test runs."""
    backend = Backend.over(
        engine,
        b"a secret of the tests, 32 bytes long",
        PUBLIC_URL,
        clock,
        rate_limits=RateLimits(parse_many(limits) if limits else []),
    )
    return backend, create_backend_app(backend).test_client()


@pytest.fixture
def api(engine: Engine, clock: FakeClock) -> Api:
    """An application that may make eight requests."""
    backend, http = limited(engine, clock, "8/month")
    return Api(backend, http)


def spend(calendar: Calendar, requests: int) -> list[int]:
    return [calendar.get("/v1/calendars").status_code for _ in range(requests)]


def names(response: TestResponse) -> list[str | None]:
    return [response.headers.get(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")]


def test_beyond_the_limit_requests_are_refused_with_a_time_to_wait(calendar: Calendar) -> None:
    assert spend(calendar, 7) == [200] * 6 + [429]

    response = calendar.get("/v1/calendars")

    assert (response.status_code, response.data) == (429, b"")
    assert 1 <= int(response.headers["Retry-After"]) <= 31 * 86_400
    assert response.headers["RateLimit-Limit"] == "8"
    assert response.headers["RateLimit-Remaining"] == "0"
    assert response.headers["RateLimit-Reset"] == response.headers["Retry-After"]
    assert response.headers["Status"] == "429 Too Many Requests"


def test_every_answer_says_what_is_left(calendar: Calendar) -> None:
    first, second = calendar.get("/v1/calendars"), calendar.post(calendar.events_path, {})

    assert (first.status_code, second.status_code) == (200, 422)
    assert names(first)[:2] == ["8", "5"]
    assert names(second)[:2] == ["8", "4"]
    assert int(names(first)[2] or 0) >= 1


def test_the_limit_nearest_to_its_end_is_told(engine: Engine, clock: FakeClock) -> None:
    backend, http = limited(engine, clock, "100/month;8/year")
    calendar = Api(backend, http).calendar()

    assert names(calendar.get("/v1/calendars"))[:2] == ["8", "5"]
    assert spend(calendar, 6) == [200] * 5 + [429]


def test_all_credentials_of_an_application_draw_on_one_account(api: Api, calendar: Calendar) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PAGE)
    refresh = api.client_fields(grant_type="refresh_token", refresh_token=calendar.document["refresh_token"])
    responses = [
        calendar.get("/v1/userinfo"),
        api.http.get("/v1/userinfo", query_string={"et": token}, headers={"Origin": PAGE}),
        api.availability({}),
        api.http.post("/oauth/token", json=refresh),
        api.http.post("/v1/application_calendars", json=api.client_fields(application_calendar_id="another")),
    ]

    assert [names(response)[1] for response in responses] == ["4", "3", "2", "1", "0"]
    assert calendar.get("/v1/userinfo").status_code == 429


def test_applications_do_not_use_up_each_others(engine: Engine, clock: FakeClock) -> None:
    backend, http = limited(engine, clock, "8/month")
    first, second = Api(backend, http, "first").calendar(), Api(backend, http, "second").calendar()
    spend(first, 9)

    assert second.get("/v1/calendars").status_code == 200


def test_unknown_credentials_count_for_nobody(api: Api, calendar: Calendar) -> None:
    nobody = {"Authorization": "Bearer nobody's"}
    responses = [api.http.get("/v1/userinfo", headers=nobody) for _ in range(20)]

    assert {response.status_code for response in responses} == {401}
    assert names(responses[0]) == [None] * 3
    assert calendar.get("/v1/calendars").status_code == 200


def test_a_page_may_read_why_it_was_refused(api: Api, calendar: Calendar) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PAGE)
    spend(calendar, 8)

    response = api.http.get("/v1/userinfo", query_string={"et": token}, headers={"Origin": PAGE})

    assert response.status_code == 429
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert set(exposed) == {"Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}


def test_an_exempt_application_is_not_counted(engine: Engine, clock: FakeClock) -> None:
    backend, http = limited(engine, clock, "8/month")
    api = Api(backend, http)
    application = backend.accounts.application_by_secret(api.credentials.client_secret)
    assert application is not None
    backend.rate_limits.exempt(application.application_id)

    calendar = api.calendar()

    assert spend(calendar, 9) == [200] * 9
    assert names(calendar.get("/v1/calendars")) == [None] * 3


def test_without_limits_nothing_is_counted(engine: Engine, clock: FakeClock) -> None:
    backend, http = limited(engine, clock, "")
    calendar = Api(backend, http).calendar()

    assert spend(calendar, 9) == [200] * 9


@pytest.mark.parametrize(("rate_limit", "status"), [("on", 429), ("off", 200)])
def test_the_settings_limit_applications_and_not_the_gateway(
    settings: Settings, clock: FakeClock, rate_limit: str, status: int
) -> None:
    operations = build_operations(
        settings.model_copy(update={"api_rate_limits": "8/month", "rate_limit": rate_limit}), clock
    )
    assert operations.applications is not None
    assert operations.backend_app is not None
    credentials = operations.applications.create_application("outside")
    for number in range(9):
        operations.cronofy.upsert_application_calendar(f"calendar-{number}")

    body = {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "application_calendar_id": "a",
    }
    http = operations.backend_app.test_client()
    statuses = [http.post("/v1/application_calendars", json=body).status_code for _ in range(9)]
    operations.close()

    assert statuses == [200] * 8 + [status]


@pytest.fixture
def settings(engine: Engine) -> Settings:
    return Settings.from_environment({}, database_url=str(engine.url), secret_key="0123456789abcdef" * 4)
