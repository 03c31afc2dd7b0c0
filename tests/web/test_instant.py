"""Repeated requests for tokens: answered without Flask, and no differently."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.clocks import FakeClock
from tests.web.conftest import PAGE, Embedder, embedder
from widgetsvc.app import create_app, create_instant
from widgetsvc.config import Settings
from widgetsvc.gateway.keys import KeyKind
from widgetsvc.gateway.tenant_models import Access, Policy, TenantUpdate
from widgetsvc.logs import configure_logging
from widgetsvc.services import Services
from widgetsvc.web.instant import Answer, InstantTokens

JSON = "application/json"


@dataclass
class Asker:
    """Asks for the same token by both ways."""

    instant: InstantTokens
    http: FlaskClient
    body: bytes
    content_type: str = JSON

    def through_flask(self, origin: str = PAGE) -> TestResponse:
        headers = {"Origin": origin, "Content-Type": self.content_type}
        return self.http.post("/embed/token", data=self.body, headers=headers)

    def at_once(self, origin: str = PAGE, **more: Any) -> Answer | None:
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/embed/token",
            "QUERY_STRING": "",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.content_type,
            "HTTP_ORIGIN": origin,
        }
        return self.instant(environ | more, self.body)


@pytest.fixture
def asker(settings: Settings, services: Services, acme: Embedder, uptime: FakeClock) -> Asker:
    body = json.dumps({"key": acme.key, "element": "slot-picker", "calendar": "store-42"}).encode()
    app = create_app(settings, services)
    return Asker(create_instant(app, settings, services, uptime), app.test_client(), body)


def answered(answer: Answer | None) -> dict[str, Any]:
    assert answer is not None
    status, _, body = answer
    assert status == 200
    document: dict[str, Any] = json.loads(body)
    return document


def test_the_first_request_is_left_to_flask(asker: Asker) -> None:
    assert asker.at_once() is None


@pytest.mark.parametrize("is_form", [False, True])
def test_a_repeat_is_answered_as_flask_answers_it(asker: Asker, acme: Embedder, is_form: bool) -> None:
    if is_form:
        asker.body = f"key={acme.key}&element=agenda&calendar=store-43".encode()
        asker.content_type = "application/x-www-form-urlencoded"
    asker.through_flask()
    flask = asker.through_flask()

    answer = asker.at_once()

    at_once = answered(answer)
    assert answer is not None
    assert sorted(answer[1]) == sorted((name.lower(), value) for name, value in flask.headers)
    assert at_once.pop("support_code") != flask.json.pop("support_code")
    assert at_once == {name: value for name, value in flask.json.items() if name != "support_code"}


def test_a_tokens_time_runs_on(asker: Asker, uptime: FakeClock) -> None:
    asker.through_flask()
    first = answered(asker.at_once())["element_token"]

    uptime.advance(0.9)
    asker.through_flask()

    second = answered(asker.at_once())["element_token"]
    assert second["token"] == first["token"]
    assert second["expires_in"] == first["expires_in"] - 1


def test_options_are_those_of_the_moment(asker: Asker, clock: FakeClock, uptime: FakeClock) -> None:
    clock.advance(24 * 3_600)  # Monday noon
    asker.through_flask()
    before = answered(asker.at_once())["options"]["availability_query"]["query_periods"][0]["start"]

    for each in (clock, uptime):
        each.advance(3_600)
    asker.through_flask()
    after = answered(asker.at_once())["options"]["availability_query"]["query_periods"][0]["start"]

    assert (before, after) == ("2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z")


def test_another_origin_key_body_or_method_is_not_a_repeat(asker: Asker) -> None:
    asker.through_flask()

    assert asker.at_once("https://evil.example.com") is None
    assert asker.at_once(REQUEST_METHOD="PUT") is None
    assert asker.at_once(PATH_INFO="/embed/tokens") is None
    assert asker.at_once(QUERY_STRING="x=1") is None
    assert asker.at_once(CONTENT_TYPE="text/plain") is None
    assert asker.at_once(HTTP_AUTHORIZATION="Bearer x") is None
    asker.body += b" "
    assert asker.at_once() is None


def test_what_is_taken_away_is_not_answered_any_more(
    asker: Asker, services: Services, acme: Embedder
) -> None:
    tenant = acme.created.tenant
    asker.through_flask()
    assert asker.at_once() is not None

    services.tenants.suspend(tenant)
    assert asker.at_once() is None
    assert asker.through_flask().status_code == 403

    services.tenants.resume(tenant)
    assert asker.through_flask().status_code == 200
    assert asker.at_once() is not None

    services.tenants.update(tenant, TenantUpdate(allowed_origins=["https://other.example.com"]))
    assert asker.at_once() is None
    assert asker.through_flask().status_code == 403


@pytest.mark.parametrize("test_mode", [True, False])
def test_both_ways_say_when_a_tenant_is_in_test_mode(
    asker: Asker, services: Services, acme: Embedder, test_mode: bool
) -> None:
    asker.through_flask()
    assert "test_mode" not in answered(asker.at_once())

    services.tenants.update(acme.created.tenant, TenantUpdate(test_mode=test_mode))

    assert asker.through_flask().json.get("test_mode", False) is test_mode
    assert answered(asker.at_once()).get("test_mode", False) is test_mode


def test_a_revoked_calendar_is_not_answered_any_more(
    asker: Asker, services: Services, acme: Embedder
) -> None:
    asker.through_flask()
    assert asker.at_once() is not None

    services.calendars.revoke(acme.created.tenant, "store-42")

    assert asker.at_once() is None
    assert asker.through_flask().status_code == 410


def test_a_key_is_good_to_its_last_second(
    asker: Asker, services: Services, acme: Embedder, clock: FakeClock
) -> None:
    services.tenants.rotate_key(acme.created.tenant, KeyKind.PUBLISHABLE, overlap=60)
    asker.through_flask()
    clock.advance(59)
    assert asker.at_once() is not None

    clock.advance(1)

    assert asker.at_once() is None
    assert asker.through_flask().status_code == 401


def test_late_news_of_changes_are_waited_for_elsewhere(asker: Asker, uptime: FakeClock) -> None:
    asker.through_flask()

    uptime.advance(1)

    assert asker.at_once() is None
    asker.through_flask()
    assert asker.at_once() is not None


def test_an_expired_token_is_minted_elsewhere(asker: Asker, clock: FakeClock, uptime: FakeClock) -> None:
    asker.through_flask()
    uptime.advance(64_800 - 60)
    clock.advance(64_800 - 60)

    assert asker.at_once() is None


def test_nothing_signed_is_a_repeat(settings: Settings, services: Services, http: FlaskClient) -> None:
    signed = embedder(services, http, "signed", Policy(Access.SIGNED))
    body = json.dumps({"key": signed.key, "element": "slot-picker", "calendar": "store-42"}).encode()
    asker = Asker(create_instant(http.application, settings, services), http, body)

    assert asker.through_flask().status_code == 403
    assert asker.at_once() is None


def test_repeats_are_limited_with_all_others(settings: Settings, services: Services, acme: Embedder) -> None:
    strict = settings.model_copy(update={"rate_limits_address": "3/minute"})
    app = create_app(strict, services)
    body = json.dumps({"key": acme.key, "element": "slot-picker", "calendar": "store-42"}).encode()
    asker = Asker(create_instant(app, strict, services), app.test_client(), body)
    asker.through_flask()

    assert asker.at_once() is not None
    assert asker.at_once() is not None
    assert asker.at_once() is None
    assert asker.through_flask().status_code == 429
    assert asker.at_once(REMOTE_ADDR="192.0.2.1") is not None


@pytest.mark.parametrize(("hops", "counted"), [(0, False), (1, True), (2, False)])
def test_addresses_are_taken_from_as_many_proxies_as_are_trusted(
    settings: Settings, services: Services, acme: Embedder, hops: int, counted: bool
) -> None:
    strict = settings.model_copy(update={"rate_limits_address": "2/minute", "trusted_proxies": hops})
    app = create_app(strict, services)
    body = json.dumps({"key": acme.key, "element": "slot-picker", "calendar": "store-42"}).encode()
    asker = Asker(create_instant(app, strict, services), app.test_client(), body)
    asker.through_flask()
    forwarded = ("198.51.100.1, 192.0.2.1", "198.51.100.2, 192.0.2.1", "198.51.100.3, 192.0.2.1")

    answers = [asker.at_once(HTTP_X_FORWARDED_FOR=each) for each in forwarded]

    last_hop_is_counted = answers[2] is None
    assert last_hop_is_counted == (counted or hops == 0)


def test_repeats_are_counted_and_logged_like_others(
    asker: Asker, services: Services, acme: Embedder, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("json")
    asker.through_flask()
    asker.through_flask()
    code = answered(asker.at_once())["support_code"]

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    through_flask, at_once = lines[-2:]
    assert at_once["support_code"] == code
    differing = {"support_code", "ms", "timestamp"}
    assert {name: value for name, value in at_once.items() if name not in differing} == {
        name: value for name, value in through_flask.items() if name not in differing
    }
    today = date(2026, 11, 22)
    counts = services.usage.between(acme.created.tenant, today, today)
    assert {(each.outcome, each.count) for each in counts} == {("miss", 1), ("hit", 2)}
