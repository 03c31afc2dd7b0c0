"""Tenants and calendars in a fresh database, over a stand-in for Cronofy's API."""

import json

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine

from tests.clocks import FakeClock
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.registry import TenantRegistry
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.gateway.widgets import WidgetStore

API_URL = "https://api.cronofy.com"


class Upstream:
    """Application calendars and tokens as Cronofy gives them; it keeps what it was asked for, in order."""

    def __init__(self) -> None:
        self.upserts: list[str] = []
        self.mints: list[dict[str, object]] = []
        self.revoked: list[str] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/calendars":
            calendar = {"calendar_id": "cal_1", "profile_id": "pro_1"}
            return httpx.Response(self.status, json={"calendars": [calendar]})
        body = json.loads(request.content)
        if request.url.path == "/oauth/token/revoke":
            if self.status == 200:
                self.revoked.append(body["sub"])
            return httpx.Response(self.status)
        document = self._token(body) if request.url.path == "/v1/element_tokens" else self._calendar(body)
        return httpx.Response(self.status, json=document)

    def _token(self, body: dict[str, object]) -> dict[str, object]:
        self.mints.append({name: body[name] for name in ("permissions", "subs", "origin")})
        granted = {"permissions": body["permissions"], "origin": body["origin"], "expires_in": 64_800}
        return {"element_token": {"token": f"token-{len(self.mints)}", **granted}}

    def _calendar(self, body: dict[str, str]) -> dict[str, object]:
        name = body["application_calendar_id"]
        self.upserts.append(name)
        sub = f"apc_{name.replace(':', '_')}"
        lives = self.revoked.count(sub)
        return {
            "sub": f"{sub}_{lives + 1}" if lives else sub,
            "application_calendar_id": name,
            "access_token": "access",
            "refresh_token": "refresh",
            "expires_in": 3_600,
            "linking_profile": {"profile_id": "pro_1"},
        }


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def cronofy(upstream: Upstream) -> CronofyClient:
    http = http_client(API_URL, transport=httpx.MockTransport(upstream))
    return CronofyClient(http, client_id="app_1", client_secret="secret")


@pytest.fixture
def trail(engine: Engine, clock: FakeClock) -> AuditTrail:
    return AuditTrail(engine, clock)


@pytest.fixture
def tenants(engine: Engine, trail: AuditTrail, clock: FakeClock) -> TenantDirectory:
    return TenantDirectory(engine, trail, Fernet(Fernet.generate_key()), clock)


@pytest.fixture
def calendars(
    engine: Engine, trail: AuditTrail, cronofy: CronofyClient, clock: FakeClock
) -> CalendarDirectory:
    return CalendarDirectory(engine, trail, cronofy, clock)


@pytest.fixture
def widgets(engine: Engine, trail: AuditTrail, calendars: CalendarDirectory) -> WidgetStore:
    return WidgetStore(engine, trail, calendars)


@pytest.fixture
def registry(
    tenants: TenantDirectory, calendars: CalendarDirectory, trail: AuditTrail, clock: FakeClock
) -> TenantRegistry:
    return TenantRegistry(tenants, calendars, trail, clock, clock)
