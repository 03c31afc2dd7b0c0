"""What /metrics tells, in one process and of several."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from tests.web.conftest import PAGE, Embedder
from widgetsvc import __version__
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.metrics import Metrics
from widgetsvc.services import Services

TOKEN = "0123456789abcdef" * 4


def sample(text: str, name: str, **labels: str) -> float | None:
    """The value of the one sample of this name and labels."""
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            if each.name == name and each.labels.items() >= labels.items():
                return each.value
    return None


def scrape(http: FlaskClient) -> str:
    response = http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return response.text


def test_requests_are_counted_and_timed_by_endpoint_and_status(acme: Embedder) -> None:
    acme.ask(element="agenda", calendar="store-42")
    acme.ask(element="agenda", calendar="nope")

    text = scrape(acme.http)
    labels = {"endpoint": "widgetsvc:token.token"}
    assert sample(text, "widgetsvc_requests_total", **labels, status="200") == 1
    assert sample(text, "widgetsvc_requests_total", **labels, status="404") == 1
    assert sample(text, "widgetsvc_request_seconds_count", **labels) == 2


def test_refusals_are_counted_by_code(acme: Embedder) -> None:
    acme.ask(element="agenda", calendar="store-42", origin="https://stranger.test")

    assert sample(scrape(acme.http), "widgetsvc_refusals_total", code="origin_not_allowed") == 1


def test_tokens_are_counted_by_what_became_of_them(acme: Embedder) -> None:
    for _ in range(3):
        acme.ask(element="agenda", calendar="store-42")

    for _ in range(2):
        text = scrape(acme.http)
        assert sample(text, "widgetsvc_tokens_total", event="hits") == 2
        assert sample(text, "widgetsvc_tokens_total", event="mints") == 1


def test_calls_to_cronofy_are_timed_by_call_and_outcome(acme: Embedder) -> None:
    acme.ask(element="agenda", calendar="store-42")

    text = scrape(acme.http)
    calls = [
        each.labels
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.name == "widgetsvc_upstream_seconds_count" and "element_tokens" in each.labels["call"]
    ]
    assert [labels["outcome"] for labels in calls] == ["ok"]


def test_the_version_is_told(http: FlaskClient) -> None:
    assert sample(scrape(http), "widgetsvc_build_info", version=__version__) == 1


def test_no_tenant_and_no_path_is_a_label(acme: Embedder) -> None:
    acme.ask(element="agenda", calendar="store-42")
    acme.http.get("/a-path-that-somebody-made-up", headers={"Origin": PAGE})

    text = scrape(acme.http)
    for named in ("acme", acme.key, "store-42", "somebody-made-up", PAGE):
        assert named not in text


@dataclass(frozen=True)
class Call:
    call: str = "GET /v1/calendars"
    outcome: str = "ok"
    seconds: float = 0.2


def test_which_parts_answer_is_told() -> None:
    metrics, parts = Metrics(), {"cache": True, "upstream": True}
    metrics.watch(tokens=dict, parts=lambda: parts)
    assert sample(metrics.exposition().decode(), "widgetsvc_up", part="cache") == 1

    parts["cache"] = False
    assert sample(metrics.exposition().decode(), "widgetsvc_up", part="cache") == 0


def test_a_thread_is_told_how_long_it_waited_for_cronofy() -> None:
    metrics = Metrics()
    before = metrics.upstream_seconds()
    metrics.upstream(Call())

    assert metrics.upstream_seconds() - before == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        ("Bearer wrong", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer \xe9", 401),
        (None, 401),
    ],
)
def test_metrics_can_ask_for_a_token(
    settings: Settings, services: Services, authorization: str | None, status: int
) -> None:
    http = create_app(settings.model_copy(update={"metrics_token": TOKEN}), services).test_client()
    headers = {} if authorization is None else {"Authorization": authorization}

    assert http.get("/metrics", headers=headers).status_code == status


_COUNT = """
import sys
from widgetsvc.config import shared_metrics
from widgetsvc.metrics import Metrics
metrics = Metrics(shared_metrics())
metrics.watch(tokens=lambda: {"hits": 5}, parts=lambda: {"cache": sys.argv[1] == "up"})
for _ in range(3):
    metrics.answered("token", 200, 0.001, None)
metrics.read()
if sys.argv[1] == "down":
    print(metrics.exposition().decode())
"""


def test_any_process_answers_for_all(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(state: str) -> str:
        command = [sys.executable, "-c", _COUNT, state]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    run("up")
    text = run("down")
    assert sample(text, "widgetsvc_requests_total", endpoint="token", status="200") == 6
    assert sample(text, "widgetsvc_tokens_total", event="hits") == 10
    assert sample(text, "widgetsvc_up", part="cache") == 0
