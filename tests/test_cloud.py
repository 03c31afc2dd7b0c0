"""The gateway in cloud mode: over a real network, to what is here another service's embedded backend.

Its commands run apart: what they connect to Cronofy ends with their process.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import PATIENCE, RunningService

PAGE = "https://jobs.example.com"


@pytest.fixture(scope="module")
def cronofy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """What stands where Cronofy's cloud would."""
    with RunningService(tmp_path_factory.mktemp("cronofy") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def application(cronofy: RunningService) -> dict[str, str]:
    created: dict[str, str] = cronofy.run("app", "create", "gateway")
    return created


@pytest.fixture(scope="module")
def gateway(
    cronofy: RunningService, application: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    environment = {
        "WIDGETSVC_CRONOFY_CLIENT_ID": application["client_id"],
        "WIDGETSVC_CRONOFY_CLIENT_SECRET": application["client_secret"],
        "WIDGETSVC_CRONOFY_API_URL": cronofy.url,
    }
    with RunningService(
        tmp_path_factory.mktemp("gateway") / "data", environment=environment, apart=True
    ) as service:
        yield service


@pytest.fixture(scope="module")
def key(gateway: RunningService) -> str:
    created = gateway.run("tenant", "create", "acme", "--name", "Acme", "--origin", PAGE)
    gateway.run("calendar", "add", "acme", "store-42")
    return str(created["publishable_key"])


def ask(gateway: RunningService, key: str) -> httpx.Response:
    fields = {"key": key, "element": "agenda", "calendar": "store-42"}
    return httpx.post(
        f"{gateway.url}/embed/token", json=fields, headers={"Origin": PAGE}, trust_env=False, timeout=PATIENCE
    )


def test_pages_are_sent_to_the_clouds_api_with_a_token_that_it_knows(
    cronofy: RunningService, gateway: RunningService, key: str
) -> None:
    document = ask(gateway, key).json()
    query = {"et": document["element_token"]["token"], "tzid": "Etc/UTC", "include_managed": "true"}

    answer = httpx.get(
        f"{cronofy.url}/v1/events", params=query, headers={"Origin": PAGE}, trust_env=False, timeout=PATIENCE
    )

    assert document["options"]["api_domain"] == cronofy.url
    assert (answer.status_code, answer.json()["events"]) == (200, [])


def test_frames_may_connect_to_the_clouds_api(
    cronofy: RunningService, gateway: RunningService, key: str
) -> None:
    answer = httpx.get(
        f"{gateway.url}/frame/agenda?key={key}&calendar=store-42", trust_env=False, timeout=PATIENCE
    )

    assert f"connect-src 'self' {cronofy.url};" in answer.headers["Content-Security-Policy"]


def test_the_embedded_backend_is_absent(gateway: RunningService) -> None:
    answer = httpx.get(f"{gateway.url}/v1/calendars", trust_env=False, timeout=PATIENCE)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.usefixtures("key")
def test_a_calendar_that_the_cloud_has_already_can_be_mapped(
    cronofy: RunningService, gateway: RunningService, application: dict[str, str]
) -> None:
    fields = application | {"application_calendar_id": "theirs"}
    theirs = httpx.post(
        f"{cronofy.url}/v1/application_calendars", json=fields, trust_env=False, timeout=PATIENCE
    ).json()

    added = gateway.run("calendar", "add", "acme", "mine", "--upstream-id", "theirs")

    assert added["sub"] == theirs["sub"]


def test_the_doctor_finds_credentials_that_the_cloud_knows(
    cronofy: RunningService, gateway: RunningService
) -> None:
    findings = {finding["check"]: finding for finding in gateway.run("doctor")}

    assert findings["cronofy"]["status"] == "ok"
    assert cronofy.url in findings["cronofy"]["detail"]


def test_wrong_credentials_are_a_502_that_says_what_to_check(tmp_path: Path, cronofy: RunningService) -> None:
    environment = {
        "WIDGETSVC_CRONOFY_CLIENT_ID": "app_unknown",
        "WIDGETSVC_CRONOFY_CLIENT_SECRET": "not-the-secret",
        "WIDGETSVC_CRONOFY_API_URL": cronofy.url,
    }
    with RunningService(tmp_path / "data", environment=environment, apart=True) as gateway:
        created = gateway.run("tenant", "create", "acme", "--name", "Acme", "--origin", PAGE)
        with pytest.raises(AssertionError, match="WIDGETSVC_CRONOFY_CLIENT_SECRET"):
            gateway.run("calendar", "add", "acme", "store-42")
        answer = ask(gateway, created["publishable_key"])

        log = gateway.log_text()

    assert "Warning: Cronofy refuses this service's credentials." in log
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_rejected")
    assert "WIDGETSVC" not in answer.text
    assert f"support code {answer.json()['support_code']}: POST /v1/application_calendars answered 401" in log


def test_an_unreachable_cloud_is_a_503_with_a_time_to_wait(tmp_path: Path) -> None:
    environment = {
        "WIDGETSVC_CRONOFY_CLIENT_ID": "app_any",
        "WIDGETSVC_CRONOFY_CLIENT_SECRET": "any-secret",
        "WIDGETSVC_CRONOFY_API_URL": "http://127.0.0.1:9",
    }
    with RunningService(tmp_path / "data", environment=environment, apart=True) as gateway:
        created = gateway.run("tenant", "create", "acme", "--name", "Acme", "--origin", PAGE)
        with pytest.raises(AssertionError, match="cannot connect"):
            gateway.run("calendar", "add", "acme", "store-42")
        answer = ask(gateway, created["publishable_key"])
        log = gateway.log_text()

    assert "Warning: Cronofy cannot be asked at the moment." in log
    assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
