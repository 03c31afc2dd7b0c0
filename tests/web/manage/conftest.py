"""Tenants' servers, which call the management API with secret keys. A module's tests share the service."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.clocks import FakeClock
from tests.conftest import NOON
from tests.processes import share_elements
from tests.web.conftest import PAGE
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.gateway.tenant_models import NewTenant, Policy
from widgetsvc.services import Services
from widgetsvc.wiring import build_services

__all__ = ["PAGE"]

PUBLIC_URL = "http://127.0.0.1:8080"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Settings:
    folder = tmp_path_factory.mktemp("service")
    share_elements(folder)
    (folder / "widgetsvc.sqlite3").write_bytes(migrated.read_bytes())
    return Settings.from_environment({"WIDGETSVC_RATE_LIMIT": "off"}, data_dir=folder)


@pytest.fixture(scope="module")
def services(settings: Settings, clock: FakeClock) -> Iterator[Services]:
    with closing(build_services(settings, clock, clock)) as services:
        yield services


@pytest.fixture(scope="module")
def http(settings: Settings, services: Services) -> FlaskClient:
    return create_app(settings, services).test_client()


@dataclass
class Server:
    """A server of a tenant."""

    http: FlaskClient
    created: NewTenant

    @property
    def slug(self) -> str:
        return self.created.tenant.slug

    def call(
        self, method: str, path: str, *, headers: Any = None, key: str | None = None, **more: Any
    ) -> Any:
        authorization = {"Authorization": f"Bearer {key or self.created.secret_key}"}
        return self.http.open(
            f"/manage/v1{path}", method=method, headers={**authorization, **(headers or {})}, **more
        )

    def get(self, path: str, **more: Any) -> Any:
        return self.call("GET", path, **more)

    def post(self, path: str, body: object = None, **more: Any) -> Any:
        return self.call("POST", path, json={} if body is None else body, **more)

    def patch(self, path: str, body: object, **more: Any) -> Any:
        return self.call("PATCH", path, json=body, **more)

    def delete(self, path: str, **more: Any) -> Any:
        return self.call("DELETE", path, **more)

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """What a list holds, page after page."""
        found: list[dict[str, Any]] = []
        while True:
            response = self.get(path, query_string=query)
            assert response.status_code == 200, response.text
            found += response.json["items"]
            if response.json["next_cursor"] is None:
                return found
            query["cursor"] = response.json["next_cursor"]


NewServer = Callable[..., Server]


@pytest.fixture(scope="module")
def server_of(services: Services, http: FlaskClient) -> NewServer:
    """Makes a server of a new tenant."""

    def make(name: str, policy: Policy | None = None) -> Server:
        slug = f"{name.lower()}-{next(_numbers)}"
        return Server(http, services.tenants.create(slug, name, [PAGE], policy))

    return make


@pytest.fixture
def acme(server_of: NewServer) -> Server:
    return server_of("Acme")


def problem(response: TestResponse) -> tuple[int, str]:
    """Status and code of a refusal."""
    assert response.mimetype == "application/problem+json", response.text
    assert response.json is not None
    assert response.json["status"] == response.status_code
    return response.status_code, response.json["code"]


def faulty_fields(response: TestResponse) -> list[str]:
    assert problem(response) == (400, "invalid_request")
    assert response.json is not None
    return [fault["field"] for fault in response.json["errors"]]
