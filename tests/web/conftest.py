"""The whole service in process, with a tenant that embeds two calendars."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.clocks import FakeClock
from tests.processes import share_elements
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.gateway.tenant_models import NewTenant, Policy
from widgetsvc.services import Services
from widgetsvc.wiring import build_services

PAGE = "https://jobs.example.com"
PUBLIC_URL = "http://127.0.0.1:8080"


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    share_elements(tmp_path)
    (tmp_path / "widgetsvc.sqlite3").write_bytes(migrated.read_bytes())
    return Settings.from_environment({}, data_dir=tmp_path)


@pytest.fixture
def uptime() -> FakeClock:
    """The services' monotonic clock."""
    return FakeClock(1_000.0)


@pytest.fixture
def services(settings: Settings, clock: FakeClock, uptime: FakeClock) -> Iterator[Services]:
    with closing(build_services(settings, clock, uptime)) as services:
        yield services


@pytest.fixture
def http(settings: Settings, services: Services) -> FlaskClient:
    return create_app(settings, services).test_client()


@dataclass
class Embedder:
    """A tenant, and how its pages ask for tokens."""

    http: FlaskClient
    created: NewTenant

    @property
    def key(self) -> str:
        return self.created.tenant.publishable_key

    def ask(self, *, origin: str | None = PAGE, key: str | None = None, **fields: object) -> TestResponse:
        headers = {} if origin is None else {"Origin": origin}
        body = {"key": key or self.key, **fields}
        return self.http.post("/embed/token", json=body, headers=headers)


def embedder(
    services: Services, http: FlaskClient, slug: str = "acme", policy: Policy | None = None
) -> Embedder:
    created = services.tenants.create(slug, slug.title(), [PAGE, "https://*.example.org"], policy)
    for calendar in ("store-42", "store-43"):
        services.calendars.add(created.tenant, calendar)
    return Embedder(http, created)


@pytest.fixture
def acme(services: Services, http: FlaskClient) -> Embedder:
    return embedder(services, http)
