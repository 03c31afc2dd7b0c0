"""The limit on tokens by client address."""

import pytest
from flask.testing import FlaskClient

from tests.web.conftest import PAGE
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.services import Services
from widgetsvc.web.rate_limit import TOKENS_PER_MINUTE, RateLimit


@pytest.fixture
def limited(settings: Settings, services: Services) -> FlaskClient:
    """The service with a limit of three tokens a minute."""
    app = create_app(settings.model_copy(update={"rate_limit": "off"}), services)
    RateLimit(3).install(app)
    return app.test_client()


def ask(http: FlaskClient, address: str = "192.0.2.1") -> int:
    environ = {"REMOTE_ADDR": address}
    return http.post("/embed/token", headers={"Origin": PAGE}, environ_base=environ).status_code


def test_too_many_requests_are_429_with_a_time_to_wait(limited: FlaskClient) -> None:
    assert [ask(limited) for _ in range(4)] == [415, 415, 415, 429]

    response = limited.post(
        "/embed/token", headers={"Origin": PAGE}, environ_base={"REMOTE_ADDR": "192.0.2.1"}
    )

    assert response.json["code"] == "rate_limited"
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert response.headers["Access-Control-Allow-Origin"] == PAGE


def test_one_visitor_does_not_use_up_anothers(limited: FlaskClient) -> None:
    for _ in range(4):
        ask(limited)

    assert ask(limited, "192.0.2.2") == 415


def test_only_tokens_count(limited: FlaskClient) -> None:
    for _ in range(4):
        limited.get("/embed.js")
        limited.options("/embed/token", headers={"Origin": PAGE})

    assert limited.get("/embed.js").status_code == 200
    assert ask(limited, "127.0.0.1") == 415


@pytest.mark.parametrize(("setting", "status"), [("on", 429), ("off", 415)])
def test_the_limit_is_a_setting(settings: Settings, services: Services, setting: str, status: int) -> None:
    http = create_app(settings.model_copy(update={"rate_limit": setting}), services).test_client()

    assert {ask(http) for _ in range(TOKENS_PER_MINUTE)} == {415}
    assert ask(http) == status
