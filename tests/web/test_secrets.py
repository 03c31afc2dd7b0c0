"""No secret leaves the service by its logs, metrics, error pages or representations."""

import io
import logging
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from flask.testing import FlaskClient

from tests.clocks import FakeClock
from tests.gateway.conftest import Upstream
from tests.processes import share_elements
from tests.web.conftest import PAGE, Embedder, embedder
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.logs import configure_logging
from widgetsvc.services import Services
from widgetsvc.wiring import build_services

SECRET_KEY = secrets.token_hex(32)
CLIENT_SECRET = f"client-secret-{secrets.token_hex(16)}"
METRICS_TOKEN = secrets.token_hex(32)
MARK = "geheim"
"""Part of every secret that a test makes up."""


@pytest.fixture(params=["json", "text"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Everything that is logged, the most talkative libraries included."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging(request.param, stream)
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers, root.level = handlers, level


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    share_elements(tmp_path)
    (tmp_path / "widgetsvc.sqlite3").write_bytes(migrated.read_bytes())
    given = {"WIDGETSVC_SECRET_KEY": SECRET_KEY, "WIDGETSVC_METRICS_TOKEN": METRICS_TOKEN}
    return Settings.from_environment(given, data_dir=tmp_path)


def told(log: io.StringIO, http: FlaskClient) -> str:
    metrics = http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    assert metrics.status_code == 200
    return log.getvalue() + metrics.text


def test_an_embed_and_all_that_it_leads_to(log: io.StringIO, services: Services, acme: Embedder) -> None:
    http = acme.http
    token = acme.ask(element="agenda", calendar="store-42").json["element_token"]["token"]
    http.get(f"/v1/events?et={token}&tzid=Etc/UTC&include_managed=true", headers={"Origin": PAGE})
    http.get("/v1/events", headers={"Authorization": f"Bearer access-{MARK}"})
    http.get(f"/v1/events?access_token=access-{MARK}")
    http.post("/oauth/token", json={"client_secret": f"client-{MARK}", "refresh_token": f"refresh-{MARK}"})
    acme.ask(assertion=f"a.{MARK}.c", element="agenda", calendar="store-42")
    body = {"element": "agenda", "calendar": "store-42"}
    http.post("/embed/token", json=body, headers={"Authorization": f"Bearer x.{MARK}.z", "Origin": PAGE})
    acme.ask(key=f"pk_{MARK}", element="agenda", calendar="store-42")
    acme.ask(key=acme.created.secret_key, element="agenda", calendar="store-42")
    acme.ask(element="agenda", calendar="store-42", **{f"field-{MARK}": f"value-{MARK}"})
    http.get(f"/manage/v1/tenant?key=sk_{MARK}", headers={"Authorization": f"Bearer sk_{MARK}"})
    http.get("/manage/v1/tenant", headers={"Authorization": f"Bearer {acme.created.secret_key}"})
    http.get(f"/frame/agenda?key=pk_{MARK}&calendar=store-42")
    for path in (f"/feeds/{MARK}.ics", f"/schedule/{MARK}", f"/schedule/{MARK}/confirm", f"/feeds//{MARK}"):
        http.get(path)
    http.get("/metrics", headers={"Authorization": f"Bearer {MARK}"})

    text = told(log, http)
    created = acme.created
    for secret in (
        MARK,
        token,
        created.secret_key,
        created.signing_key.secret.decode(),
        SECRET_KEY,
        acme.key,
    ):
        assert secret not in text


def test_a_failure_whose_frames_hold_secrets(
    log: io.StringIO, settings: Settings, services: Services
) -> None:
    app = create_app(settings, services)

    @app.get("/boom")
    def boom() -> str:
        token = f"token-{MARK}"
        raise KeyError(len(token))

    response = app.test_client().get("/boom", headers={"Authorization": f"Bearer {MARK}"})

    assert response.status_code == 500
    assert "KeyError" in log.getvalue()
    assert MARK not in told(log, app.test_client()) + response.text


class Talkative(Upstream):
    """A Cronofy whose failures repeat what it was sent, and more."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = super().__call__(request)
        if self.status == 200:
            return answer
        sent = request.content.decode() + str(request.headers.raw)
        body = f'{{"error": "access-{MARK}", "element_token": {{"token": "token-{MARK}"}}}} {sent}'
        return httpx.Response(self.status, text=body, headers={"X-Token": f"token-{MARK}"})


@pytest.mark.parametrize("status", [400, 401, 402, 403, 422, 429, 500, 503, 302, 204])
def test_a_cronofy_that_repeats_secrets_when_it_fails(
    log: io.StringIO, settings: Settings, clock: FakeClock, status: int
) -> None:
    upstream = Talkative()
    cloud = settings.model_copy(update={"cronofy_client_id": "app", "cronofy_client_secret": CLIENT_SECRET})
    with closing(build_services(cloud, clock, transport=httpx.MockTransport(upstream))) as services:
        http = create_app(cloud, services).test_client()
        acme = embedder(services, http)
        upstream.status = status
        response = acme.ask(element="agenda", calendar="store-42")
        text = told(log, http) + response.text

    assert response.status_code in {502, 503}
    for secret in (MARK, CLIENT_SECRET, SECRET_KEY):
        assert secret not in text


def test_representations(settings: Settings, services: Services, acme: Embedder) -> None:
    cloud = settings.model_copy(update={"cronofy_client_secret": CLIENT_SECRET})
    created = acme.created
    shown = " ".join(map(repr, (cloud, services, created, created.tenant, created.signing_key)))

    for secret in (
        SECRET_KEY,
        METRICS_TOKEN,
        CLIENT_SECRET,
        created.secret_key,
        created.signing_key.secret.decode(),
    ):
        assert secret not in shown
