"""The contract, held by the embedded backend in the same process and over a network."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from limits import parse_many

from tests.cronofy.contract import CronofyContract
from tests.processes import RunningService
from widgetsvc.config import Settings
from widgetsvc.cronofy.breaker import CircuitBreaker
from widgetsvc.cronofy.budget import Budget
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.cronofy.guard import Guard
from widgetsvc.wiring import Operations, build_operations

NOT_THE_SECRET = {"client_secret": "not-the-secret"}


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    data_dir = tmp_path_factory.mktemp("data")
    settings = Settings.from_environment({"WIDGETSVC_DATA_DIR": str(data_dir)})
    with closing(build_operations(settings)) as operations:
        yield operations


class TestInProcess(CronofyContract):
    @pytest.fixture
    def client(self, operations: Operations) -> CronofyClient:
        return operations.cronofy

    @pytest.fixture
    def stranger(self, operations: Operations) -> CronofyClient:
        assert operations.backend_app is not None
        http = http_client("http://127.0.0.1", transport=httpx.WSGITransport(app=operations.backend_app))
        return CronofyClient(http, client_id="app_gateway", **NOT_THE_SECRET)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("contract") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def http(service: RunningService) -> Iterator[httpx.Client]:
    with http_client(service.url) as http:
        yield http


@pytest.fixture(scope="module")
def application(service: RunningService) -> dict[str, str]:
    created: dict[str, str] = service.run("app", "create", "gateway")
    return created


@pytest.fixture(scope="module")
def guard(application: dict[str, str]) -> Guard:
    return Guard(CircuitBreaker(), Budget(application["client_id"], parse_many("10000/second")))


class TestOverTheNetwork(CronofyContract):
    @pytest.fixture
    def client(self, http: httpx.Client, application: dict[str, str], guard: Guard) -> CronofyClient:
        return CronofyClient(http, **application, guard=guard)

    @pytest.fixture
    def stranger(self, http: httpx.Client, application: dict[str, str], guard: Guard) -> CronofyClient:
        return CronofyClient(http, **application | NOT_THE_SECRET, guard=guard)

    def test_the_own_clock_can_be_compared(self, client: CronofyClient) -> None:
        offset = client.check_credentials().clock_offset

        assert offset is not None
        assert abs(offset) < 5
