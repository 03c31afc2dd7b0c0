"""A backend over a fresh database, and an application that talks to it over HTTP."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from tests.clocks import FakeClock
from tests.conftest import NOON
from widgetsvc import database
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.records import AccountIdentity, Credentials

PUBLIC_URL = "http://127.0.0.1:8080"
SECRET = b"a secret of the tests, 32 bytes long"


class Calendar:
    """One application calendar as its application uses it."""

    def __init__(self, api: "Api", document: dict[str, Any]) -> None:
        self.api = api
        self.document = document
        self.sub: str = document["sub"]
        self.headers = {"Authorization": f"Bearer {document['access_token']}"}
        self.calendar_id: str = self.get("/v1/calendars").json["calendars"][0]["calendar_id"]

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.api.http.get(path, headers=self.headers, query_string=query)

    def post(self, path: str, body: object) -> TestResponse:
        return self.api.http.post(path, headers=self.headers, json=body)

    @property
    def profile_id(self) -> str:
        return str(self.get("/v1/profiles").json["profiles"][0]["profile_id"])

    @property
    def events_path(self) -> str:
        return f"/v1/calendars/{self.calendar_id}/events"

    def write(self, event_id: str, start: str, end: str, **members: Any) -> None:
        event = {"event_id": event_id, "summary": event_id, "start": start, "end": end} | members
        response = self.post(self.events_path, event)
        assert response.status_code == 202, response.text

    def event_ids(self, **query: Any) -> list[str]:
        response = self.get("/v1/events", tzid="Europe/London", include_managed="true", **query)
        return [event["event_id"] for event in response.json["events"]]


class Api:
    """An application of the backend."""

    def __init__(self, backend: Backend, http: FlaskClient, name: str = "tests") -> None:
        self.backend = backend
        self.http = http
        self.credentials: Credentials = backend.accounts.create_application(name)
        self.api_key = {"Authorization": f"Bearer {self.credentials.client_secret}"}

    def client_fields(self, **more: Any) -> dict[str, Any]:
        credentials = {
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
        }
        return credentials | more

    def calendar(self, name: str = "store-42") -> Calendar:
        fields = self.client_fields(application_calendar_id=name)
        response = self.http.post("/v1/application_calendars", json=fields)
        assert response.status_code == 200, response.text
        return Calendar(self, response.json)

    def account(self, identity: AccountIdentity) -> Calendar:
        """Somebody or something with a calendar, as the operator creates them."""
        application = self.backend.accounts.application_by_client_id(self.credentials.client_id)
        assert application is not None
        grant = self.backend.accounts.create_account(application, identity)
        tokens = {"access_token": grant.access_token, "refresh_token": grant.refresh_token}
        return Calendar(self, {"sub": grant.account.sub, **tokens})

    def element_token(self, *calendars: Calendar, permission: str, origin: str) -> str:
        body = {"permissions": [permission], "subs": [c.sub for c in calendars], "origin": origin}
        response = self.http.post("/v1/element_tokens", headers=self.api_key, json=body)
        assert response.status_code == 200, response.text
        return str(response.json["element_token"]["token"])

    def availability(self, body: object) -> TestResponse:
        return self.http.post("/v1/availability", headers=self.api_key, json=body)


def undisturbed(engine: Engine) -> Backend:
    """A backend for tests that share it, at whose time nothing happens."""
    return Backend.over(engine, SECRET, PUBLIC_URL, FakeClock(NOON))


@pytest.fixture(scope="module")
def shared(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An application that all tests of a module share, with a database of its own."""
    path = tmp_path_factory.mktemp("shared") / "test.sqlite3"
    shutil.copyfile(migrated, path)
    engine = database.connect(f"sqlite:///{path}")
    backend = undisturbed(engine)
    yield Api(backend, create_backend_app(backend).test_client())
    engine.dispose()


@pytest.fixture
def backend(engine: Engine, clock: FakeClock) -> Backend:
    return Backend.over(engine, SECRET, PUBLIC_URL, clock)


@pytest.fixture
def http(backend: Backend) -> FlaskClient:
    return create_backend_app(backend).test_client()


@pytest.fixture
def api(backend: Backend, http: FlaskClient) -> Api:
    return Api(backend, http)


@pytest.fixture
def calendar(api: Api) -> Calendar:
    return api.calendar()
