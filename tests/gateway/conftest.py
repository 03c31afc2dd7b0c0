"""Tenants and calendars in a fresh database, over a stand-in for Cronofy's API."""

import json
from urllib.parse import parse_qsl

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine

from tests.clocks import FakeClock
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.registry import TenantRegistry
from widgetsvc.gateway.signing_keys import SigningKeyStore
from widgetsvc.gateway.tenants import TenantDirectory

API_URL = "https://api.cronofy.com"


class Upstream:
    """Application calendars and tokens as Cronofy gives them; it keeps what it was asked for, in order."""

    def __init__(self) -> None:
        self.upserts: list[str] = []
        self.mints: list[dict[str, object]] = []
        self.revoked: list[str] = []
        self.refreshes: list[str] = []
        self.dead: set[str] = set()
        self.requests: list[str] = []
        self.calendar_id = "cal_1"
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.path)
        if request.url.path == "/v1/calendars":
            return self._calendars(request.headers["Authorization"].removeprefix("Bearer "))
        if request.url.path == "/oauth/token":
            return self._refresh(dict(parse_qsl(request.content.decode())))
        body = json.loads(request.content)
        if request.url.path == "/oauth/token/revoke":
            if self.status == 200:
                self.revoked.append(body["sub"])
            return httpx.Response(self.status)
        document = self._token(body) if request.url.path == "/v1/element_tokens" else self._calendar(body)
        return httpx.Response(self.status, json=document)

    def _calendars(self, access_token: str) -> httpx.Response:
        if self._is_dead(access_token):
            return httpx.Response(401)
        calendar = {"calendar_id": self.calendar_id, "profile_id": "pro_1"}
        return httpx.Response(self.status, json={"calendars": [calendar]})

    def _refresh(self, form: dict[str, str]) -> httpx.Response:
        self.refreshes.append(form["refresh_token"])
        if self._is_dead(form["refresh_token"]):
            return httpx.Response(400, json={"error": "invalid_grant"})
        access_token = f"renewed.{len(self.refreshes)}.{form['refresh_token'].partition('.')[2]}"
        return httpx.Response(self.status, json={"access_token": access_token, "expires_in": 3_600})

    def _is_dead(self, token: str) -> bool:
        return token in self.dead or token.rpartition(".")[2] in self.revoked

    def _token(self, body: dict[str, object]) -> dict[str, object]:
        self.mints.append({name: body[name] for name in ("permissions", "subs", "origin")})
        granted = {"permissions": body["permissions"], "origin": body["origin"], "expires_in": 64_800}
        return {"element_token": {"token": f"token-{len(self.mints)}", **granted}}

    def _calendar(self, body: dict[str, str]) -> dict[str, object]:
        name = body["application_calendar_id"]
        self.upserts.append(name)
        sub = f"apc_{name.replace(':', '_')}"
        lives = self.revoked.count(sub)
        sub = f"{sub}_{lives + 1}" if lives else sub
        return {
            "sub": sub,
            "application_calendar_id": name,
            "access_token": f"access.{len(self.upserts)}.{sub}",
            "refresh_token": f"refresh.{sub}",
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
def cipher() -> Fernet:
    return Fernet(Fernet.generate_key())


@pytest.fixture
def tenants(engine: Engine, trail: AuditTrail, cipher: Fernet, clock: FakeClock) -> TenantDirectory:
    return TenantDirectory(engine, trail, cipher, clock)


@pytest.fixture
def signing_keys(engine: Engine, trail: AuditTrail, cipher: Fernet, clock: FakeClock) -> SigningKeyStore:
    return SigningKeyStore(engine, trail, cipher, clock)


@pytest.fixture
def calendars(
    engine: Engine, trail: AuditTrail, cronofy: CronofyClient, clock: FakeClock
) -> CalendarDirectory:
    cipher = Fernet(Fernet.generate_key())
    return CalendarDirectory(engine, trail, cronofy, clock, cipher=cipher, monotonic=clock)


@pytest.fixture
def registry(
    tenants: TenantDirectory,
    calendars: CalendarDirectory,
    signing_keys: SigningKeyStore,
    trail: AuditTrail,
    clock: FakeClock,
) -> TenantRegistry:
    return TenantRegistry(tenants, calendars, signing_keys, trail, clock, clock)
