"""Health, readiness, the request log, headers that all answers share."""

import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import create_engine

from tests.servers import RedisServer
from tests.shared.conftest import eventually
from tests.web.conftest import PAGE, Embedder, embedder
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.logs import configure_logging
from widgetsvc.services import Services
from widgetsvc.web.ops import StorageProbe
from widgetsvc.wiring import build_services


def test_health_is_the_processs_own(http: FlaskClient) -> None:
    assert http.get("/healthz").json["status"] == "ok"


def test_readiness_asks_the_database(http: FlaskClient) -> None:
    assert (http.get("/readyz").status_code, http.get("/readyz").json) == (200, {"status": "ok"})


def test_readiness_names_a_database_that_does_not_answer(settings: Settings, services: Services) -> None:
    lost = create_engine(f"sqlite:///{settings.data_dir}")  # a folder

    def check_storage() -> None:
        lost.connect()

    broken = replace(services, check_storage=check_storage)
    response = create_app(settings, broken).test_client().get("/readyz")

    assert response.status_code == 503
    assert response.json["failing"] == {"database": "OperationalError"}


def test_readiness_does_not_wait_for_a_database_that_hangs() -> None:
    ended = threading.Event()
    asked = []

    def hang() -> None:
        asked.append(1)
        ended.wait(30)

    probe = StorageProbe(hang, patience=0.01)
    faults = [probe.fault() for _ in range(3)]
    ended.set()

    assert faults == ["no answer in time"] * 3
    assert len(asked) == 1


def test_readiness_names_what_the_service_goes_on_without(settings: Settings, services: Services) -> None:
    degraded = replace(services, degraded=lambda: {"cache": "down"})
    response = create_app(settings, degraded).test_client().get("/readyz")

    assert (response.status_code, response.json["degraded"]) == (200, {"cache": "down"})


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/embed.js", "/nowhere", "/frame/agenda", "/embed/token", "/v1/events", "/v1/nowhere"],
)
def test_every_answer_is_hardened(http: FlaskClient, path: str) -> None:
    headers = http.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "frame-ancestors" in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_https_is_remembered_by_browsers(settings: Settings) -> None:
    secure = settings.model_copy(update={"public_url": "https://w.example.com"})
    with closing(build_services(secure)) as services:
        answer = create_app(secure, services).test_client().get("/healthz")

    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_an_unexpected_failure_is_a_500_that_tells_only_its_code(
    settings: Settings, services: Services
) -> None:
    app = create_app(settings, services)

    @app.get("/boom")
    def boom() -> str:
        raise RuntimeError("the secret reason")

    response = app.test_client().get("/boom")

    assert (response.status_code, response.json["code"]) == (500, "internal_error")
    assert "secret reason" not in response.text


class Log:
    """What is logged, as text."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self, path: str) -> list[dict[str, Any]]:
        documents = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [document for document in documents if document.get("path") == path]


@pytest.fixture(params=["json"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    log, root = Log(), logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging(request.param, log.stream)
    yield log
    root.handlers, root.level = handlers, level


def test_a_request_is_one_line_with_the_support_code(log: Log, acme: Embedder) -> None:
    response = acme.ask(element="agenda", calendar="store-42")

    (line,) = log.lines("/embed/token")
    assert line["support_code"] == response.json["support_code"]
    assert (line["tenant"], line["origin"], line["cache"]) == ("acme", PAGE, "miss")


@pytest.mark.parametrize("log", ["json", "text"], indirect=True)
def test_no_secret_or_token_is_logged(log: Log, acme: Embedder) -> None:
    token = acme.ask(element="agenda", calendar="store-42").json["element_token"]["token"]
    acme.http.get(f"/v1/events?et={token}&tzid=Etc/UTC&include_managed=true", headers={"Origin": PAGE})
    acme.ask(assertion="a.b.c", element="agenda", calendar="store-42")

    text = log.stream.getvalue()
    assert "/v1/events" in text
    for secret in (token, acme.created.secret_key, acme.created.signing_key.secret.decode(), acme.key):
        assert secret not in text


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/feeds/{}.ics", "/feeds/{{token}}"),
        ("/schedule/{}", "/schedule/{{token}}"),
        ("/schedule/{}/confirm", "/schedule/{{token}}/confirm"),
        ("/feeds//{}.ics", "/feeds//{{token}}"),
        ("/calendars/Feeds/{}.ics", "/calendars/Feeds/{{token}}"),
    ],
)
def test_an_address_that_is_a_secret_is_logged_without_it(
    log: Log, http: FlaskClient, path: str, logged: str
) -> None:
    secret = "zX3-kQ_9" * 4

    http.get(path.format(secret))

    assert secret not in log.stream.getvalue()
    assert len(log.lines(logged.format())) == 1


def test_a_refusal_names_tenant_key_element_and_reason(log: Log, acme: Embedder) -> None:
    acme.ask(origin="https://jobs.example.com:8443", element="agenda", calendar="store-42")

    (line,) = log.lines("/embed/token")
    (key,) = (key for key in acme.created.tenant.keys if key.publishable_key == acme.key)
    assert (line["tenant"], line["key_id"], line["element"]) == ("acme", key.key_id, "agenda")
    assert (line["code"], line["nearest_rule"]) == ("origin_not_allowed", PAGE)


def test_a_token_given_names_the_rule_and_where_it_came_from(log: Log, acme: Embedder) -> None:
    for _ in range(2):
        acme.ask(origin="https://a.example.org", element="agenda", calendar="store-42")

    first, second = log.lines("/embed/token")
    assert first["rule"] == "https://*.example.org"
    assert (first["cache"], second["cache"]) == ("miss", "process")


def test_the_tenant_of_a_malformed_request_is_named(log: Log, acme: Embedder) -> None:
    acme.ask(element="agenda", calendar="store-42", surprise=1)

    (line,) = log.lines("/embed/token")
    assert (line["tenant"], line["code"]) == ("acme", "invalid_request")


def test_lines_of_many_threads_and_of_other_libraries_stay_whole(log: Log, http: FlaskClient) -> None:
    def work() -> None:
        for _ in range(40):
            http.application.test_client().get("/healthz")
            logging.getLogger("elsewhere").warning("x" * 5_000)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    documents = [json.loads(line) for line in log.stream.getvalue().splitlines()]
    assert len(documents) == 320


def test_support_codes_are_six_letters_of_an_alphabet_to_be_read_out(http: FlaskClient) -> None:
    codes = {http.get("/nowhere").json["support_code"] for _ in range(50)}

    assert len(codes) == 50
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}", code) for code in codes)


def test_a_hostile_origin_cannot_forge_log_lines(log: Log, acme: Embedder) -> None:
    acme.ask(origin="https://x.test/" + "\x1b[31m" + "y" * 1_000, element="agenda", calendar="store-42")

    (line,) = log.lines("/embed/token")
    assert "\x1b" not in line["origin"]
    assert len(line["origin"]) <= 256


@pytest.mark.parametrize("log", ["text"], indirect=True)
def test_the_log_in_words_names_the_same(log: Log, acme: Embedder) -> None:
    response = acme.ask(element="agenda", calendar="nope")

    assert f"support_code={response.json['support_code']}" in log.stream.getvalue()


def test_a_service_that_has_ended_holds_no_connection_to_redis(
    settings: Settings, redis_server: RedisServer, redis_url: str
) -> None:
    settings = settings.model_copy(update={"cache_url": redis_url})
    services = build_services(settings)
    acme = embedder(services, create_app(settings, services).test_client())
    with redis_server.connect() as client:
        before = {each["id"] for each in client.client_list()}

        def held() -> set[str]:
            return {each["id"] for each in client.client_list()} - before

        with ExitStack() as running:
            for each in (closing(services), *services.background):
                running.enter_context(each)
            assert acme.ask(element="agenda", calendar="store-42").status_code == 200
            assert held()

        eventually(lambda: not held())
