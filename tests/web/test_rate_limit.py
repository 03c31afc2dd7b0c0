"""Limits by client address, key and origin."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.clocks import FakeClock
from tests.web.conftest import PAGE, Embedder, embedder
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.services import Services

Limit = Callable[..., FlaskClient]


@pytest.fixture
def limit(settings: Settings, services: Services) -> Limit:
    """The service with other settings than the default."""

    def build(**changes: object) -> FlaskClient:
        return create_app(settings.model_copy(update=changes), services).test_client()

    return build


@pytest.fixture
def limited(limit: Limit) -> FlaskClient:
    """The service with a limit of three tokens a minute for an address."""
    return limit(rate_limits_address="3/minute")


def ask(http: FlaskClient, address: str = "192.0.2.1", forwarded: str | None = None) -> int:
    headers = {"Origin": PAGE} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    environ = {"REMOTE_ADDR": address}
    return http.post("/embed/token", headers=headers, environ_base=environ).status_code


def test_too_many_requests_are_429_with_a_time_to_wait(limited: FlaskClient) -> None:
    assert [ask(limited) for _ in range(4)] == [415, 415, 415, 429]

    response = limited.post(
        "/embed/token", headers={"Origin": PAGE}, environ_base={"REMOTE_ADDR": "192.0.2.1"}
    )

    assert response.json["code"] == "rate_limited"
    assert 1 <= int(response.headers["Retry-After"]) <= 120
    assert response.headers["RateLimit-Limit"] == "3"
    assert response.headers["RateLimit-Remaining"] == "0"
    assert response.headers["RateLimit-Reset"] == response.headers["Retry-After"]
    assert response.headers["Access-Control-Allow-Origin"] == PAGE


def test_whoever_waits_as_told_is_let_in_again(limited: FlaskClient, clock: FakeClock) -> None:
    assert [ask(limited) for _ in range(4)][-1] == 429
    response = limited.post("/embed/token", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    clock.advance(int(response.headers["Retry-After"]))

    assert ask(limited) == 415


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


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("2001:db8:1:2:ffff::9", 429),
        ("2001:db8:1:3::1", 415),
    ],
)
def test_an_ipv6_network_counts_as_one_address(limited: FlaskClient, address: str, status: int) -> None:
    for number in range(3):
        ask(limited, f"2001:db8:1:2::{number}")

    assert ask(limited, address) == status


def test_a_mapped_ipv4_address_counts_as_itself(limited: FlaskClient) -> None:
    for _ in range(3):
        ask(limited, "::ffff:192.0.2.1")

    assert ask(limited, "192.0.2.1") == 429
    assert ask(limited, "::ffff:192.0.2.2") == 415


def test_without_trusted_proxies_a_forged_address_changes_nothing(limited: FlaskClient) -> None:
    assert [ask(limited, forwarded=f"198.51.100.{n}") for n in range(4)][-1] == 429


def test_behind_two_proxies_the_second_address_from_the_right_counts(limit: Limit) -> None:
    http = limit(rate_limits_address="3/minute", trusted_proxies=2)

    forged = [ask(http, forwarded=f"198.51.100.{n}, 203.0.113.7, 10.0.0.{n}") for n in range(4)]
    assert forged[-1] == 429
    assert ask(http, forwarded="198.51.100.1, 203.0.113.8, 10.0.0.1") == 415


def test_a_key_is_limited_wherever_requests_come_from(limit: Limit, services: Services) -> None:
    http = limit(rate_limits_key="2/minute")
    acme = embedder(services, http)
    globex = embedder(services, http, "globex")

    def status(of: Embedder, number: int) -> int:
        http.environ_base["REMOTE_ADDR"] = f"192.0.2.{number}"
        return of.ask(
            element="agenda", calendar="store-42", origin=f"https://a{number}.example.org"
        ).status_code

    assert [status(acme, number) for number in range(3)] == [200, 200, 429]
    assert status(globex, 4) == 200


def test_an_origin_is_limited_for_one_tenant(limit: Limit, services: Services) -> None:
    http = limit(rate_limits_origin="2/minute")
    acme = embedder(services, http)

    asked = [acme.ask(element="agenda", calendar="store-42") for _ in range(3)]
    elsewhere = acme.ask(element="agenda", calendar="store-42", origin="https://a.example.org")

    assert [response.status_code for response in asked] == [200, 200, 429]
    assert elsewhere.status_code == 200


def test_frames_are_limited_by_key_whatever_the_address(
    limit: Limit, services: Services, acme: Embedder
) -> None:
    http = limit(rate_limits_key="2/minute")
    other = embedder(services, http, "other")

    def frame(key: str, address: int) -> int:
        query = {"key": key, "calendar": "store-42"}
        environ = {"REMOTE_ADDR": f"192.0.2.{address}"}
        return http.get("/frame/slot-picker", query_string=query, environ_base=environ).status_code

    assert [frame(acme.key, address) for address in range(3)] == [200, 200, 429]
    assert frame(other.key, 3) == 200


def test_frames_are_limited_by_address_apart_from_tokens(limited: FlaskClient) -> None:
    statuses = [
        limited.get("/frame/agenda", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code for _ in range(4)
    ]

    assert statuses == [400, 400, 400, 429]
    assert ask(limited) == 415


def test_hosted_pages_are_limited_by_address(limited: FlaskClient) -> None:
    responses = [limited.get("/schedule/nothing") for _ in range(4)]

    assert [response.status_code for response in responses] == [404, 404, 404, 429]
    assert int(responses[-1].headers["Retry-After"]) >= 1


def test_whoever_tries_wrong_keys_is_kept_from_trying_more(limit: Limit) -> None:
    http = limit()
    http.application.add_url_rule("/manage/v1/probe", view_func=lambda: ("", 401))

    statuses = [
        http.get("/manage/v1/probe", headers={"Authorization": f"Bearer sk_{n}"}).status_code
        for n in range(21)
    ]

    assert statuses == [401] * 20 + [429]
    elsewhere = http.get("/manage/v1/probe", environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 401


def test_a_secret_key_is_limited(limit: Limit) -> None:
    http = limit(rate_limits_manage="2/minute")
    http.application.add_url_rule("/manage/v1/probe", view_func=lambda: "")

    def status(key: str) -> int:
        return http.get("/manage/v1/probe", headers={"Authorization": f"Bearer {key}"}).status_code

    assert [status("sk_1"), status("sk_1"), status("sk_1"), status("sk_2")] == [200, 200, 429, 200]


@pytest.mark.parametrize(("setting", "status"), [("on", 429), ("off", 415)])
def test_the_limits_are_a_setting(limit: Limit, setting: str, status: int) -> None:
    http = limit(rate_limit=setting, rate_limits_address="3/minute")

    assert {ask(http) for _ in range(3)} == {415}
    assert ask(http) == status
