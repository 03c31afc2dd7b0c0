"""`POST /v1/application_calendars` and `POST /oauth/token`."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.calendars.conftest import Api, Calendar
from tests.clocks import FakeClock
from tests.stored import everything
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.store.accounts import ACCESS_TOKEN_LIFE, REUSE_WHILE_REMAINING

pytestmark = pytest.mark.on_every_database

PATH = "/v1/application_calendars"


def test_the_first_use_creates_an_account_with_one_profile_and_one_calendar(calendar: Calendar) -> None:
    document = calendar.document
    profile = document["linking_profile"]

    assert list(document) == [
        "token_type",
        "access_token",
        "expires_in",
        "refresh_token",
        "scope",
        "application_calendar_id",
        "sub",
        "linking_profile",
    ]
    assert document["sub"].startswith("apc_")
    assert len(document["access_token"]) == 32
    assert profile["profile_id"] == f"pro_{profile['profile_name']}"
    assert calendar.calendar_id.startswith(f"cal_{profile['profile_name']}_")


def test_a_second_use_returns_the_same_account_and_tokens(api: Api, clock: FakeClock) -> None:
    first = api.calendar().document
    clock.advance(60)
    second = api.calendar().document

    assert second == first | {"expires_in": ACCESS_TOKEN_LIFE - 60}


def test_an_access_token_near_its_end_is_replaced_but_lives_on(api: Api, clock: FakeClock) -> None:
    first = api.calendar()
    clock.advance(ACCESS_TOKEN_LIFE - REUSE_WHILE_REMAINING + 1)
    second = api.calendar()

    assert second.document["access_token"] != first.document["access_token"]
    assert first.get("/v1/calendars").status_code == 200


def test_an_expired_access_token_is_refused(calendar: Calendar, clock: FakeClock) -> None:
    clock.advance(ACCESS_TOKEN_LIFE)

    response = calendar.get("/v1/calendars")

    assert response.status_code == 401
    assert response.data == b""
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_two_applications_may_use_the_same_id(backend: Backend, http: FlaskClient, api: Api) -> None:
    other = Api(backend, http, "another")

    assert other.calendar("store-42").sub != api.calendar("store-42").sub


def test_concurrent_first_uses_agree(backend: Backend, api: Api) -> None:
    app = create_backend_app(backend)
    fields = api.client_fields(application_calendar_id="contested")

    def upsert(_n: int) -> str:
        return str(app.test_client().post(PATH, json=fields).json["sub"])

    with ThreadPoolExecutor(16) as pool:
        subs = set(pool.map(upsert, range(64)))

    assert len(subs) == 1


@pytest.mark.parametrize("header", ["Bearer None", "Bearer undefined", "Bearer stale"])
def test_body_credentials_make_the_authorization_header_irrelevant(api: Api, header: str) -> None:
    fields = api.client_fields(application_calendar_id="a")

    assert api.http.post(PATH, json=fields, headers={"Authorization": header}).status_code == 200


def test_forms_are_accepted_as_the_ruby_sdk_sends_them(api: Api) -> None:
    fields = api.client_fields(application_calendar_id="a")

    assert api.http.post(PATH, data=fields).json["application_calendar_id"] == "a"


def test_a_plain_body_under_a_content_encoding_header_is_read_as_it_is(api: Api) -> None:
    headers = {"Content-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3"}
    fields = api.client_fields(application_calendar_id="a")

    assert api.http.post(PATH, json=fields, headers=headers).status_code == 200


def test_unknown_credentials_are_401_without_a_body(api: Api) -> None:
    fields = api.client_fields(application_calendar_id="a") | {"client_secret": "wrong"}

    response = api.http.post(PATH, json=fields)

    assert (response.status_code, response.data) == (401, b"")


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, "errors.required"),
        ("", "errors.required"),
        ("  ", "errors.required"),
        ("x" * 256, "errors.too_long"),
        (7, "errors.invalid"),
        ("nul\x00", "errors.invalid"),
    ],
)
def test_an_unusable_id_is_422_at_its_name(api: Api, value: object, key: str) -> None:
    response = api.http.post(PATH, json=api.client_fields(application_calendar_id=value))

    assert response.status_code == 422
    assert response.json["errors"]["application_calendar_id"][0]["key"] == key


def test_all_faults_are_listed_at_once(api: Api) -> None:
    response = api.http.post(PATH, json={"client_id": 5})

    assert set(response.json["errors"]) == {"client_id", "client_secret", "application_calendar_id"}


@pytest.mark.parametrize("body", [b"{oops", b"[]", b'"text"', b"NaN", b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_object_is_422_on_the_base(api: Api, body: bytes) -> None:
    response = api.http.post(PATH, data=body, content_type="application/json")

    assert response.status_code == 422
    assert list(response.json["errors"]) == ["base"]


def test_a_body_beyond_a_megabyte_is_413(api: Api) -> None:
    response = api.http.post(PATH, data=b" " * 2_000_000, content_type="application/json")

    assert response.status_code == 413


@pytest.mark.parametrize("encoding", ["json", "data"])
def test_a_refresh_returns_the_same_refresh_token(api: Api, calendar: Calendar, encoding: str) -> None:
    token = calendar.document["refresh_token"]
    fields = api.client_fields(grant_type="refresh_token", refresh_token=token)

    response = api.http.post("/oauth/token", **{encoding: fields})

    assert response.status_code == 200
    assert response.json["refresh_token"] == token
    assert response.json["access_token"] == calendar.document["access_token"]
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"refresh_token": "wrong"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_grant"),
        ({"grant_type": None}, "invalid_request"),
        ({"refresh_token": None}, "invalid_request"),
        ({"client_id": 5}, "invalid_request"),
    ],
)
def test_a_bad_refresh_is_400_as_rfc_6749_says(
    api: Api, calendar: Calendar, change: dict[str, object], error: str
) -> None:
    fields = api.client_fields(grant_type="refresh_token", refresh_token=calendar.document["refresh_token"])

    response = api.http.post("/oauth/token", json=fields | change)

    assert (response.status_code, response.json["error"]) == (400, error)


def test_another_application_cannot_refresh_the_token(
    backend: Backend, http: FlaskClient, calendar: Calendar
) -> None:
    other = Api(backend, http, "another")
    fields = other.client_fields(grant_type="refresh_token", refresh_token=calendar.document["refresh_token"])

    assert http.post("/oauth/token", json=fields).json["error"] == "invalid_grant"


def test_no_token_or_secret_stands_in_the_database(calendar: Calendar, engine: Engine) -> None:
    stored = everything(engine)

    for secret in ("access_token", "refresh_token"):
        assert calendar.document[secret].encode() not in stored
    assert calendar.api.credentials.client_secret.encode() not in stored
    assert calendar.sub.encode() in stored


def test_userinfo_describes_the_application_calendar(calendar: Calendar) -> None:
    document = calendar.get("/v1/userinfo").json
    data = document["cronofy.data"]

    assert document["sub"] == calendar.sub
    assert document["email"] == "store-42"
    assert document["cronofy.type"] == "application_calendar"
    assert data["application_calendar"] == {"application_calendar_id": "store-42"}
    assert data["profiles"][0]["profile_calendars"][0]["calendar_id"] == calendar.calendar_id


def test_calendars_come_before_sub_in_their_list(calendar: Calendar) -> None:
    assert list(calendar.get("/v1/calendars").json) == ["calendars", "sub"]


def test_a_get_with_a_json_body_is_answered_as_pycronofy_sends_it(calendar: Calendar) -> None:
    response = calendar.api.http.get("/v1/calendars", headers=calendar.headers, json={})

    assert response.status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer", "Basic abc", "Bearer unknown"])
def test_without_a_known_token_nothing_is_read(api: Api, header: str | None) -> None:
    response = api.http.get("/v1/calendars", headers={"Authorization": header} if header else {})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_the_status_header_speaks_to_the_ruby_sdk(api: Api) -> None:
    assert api.http.post(PATH, json={}).headers["Status"] == "422 Unprocessable Entity"
