"""Three server processes as one service: a token is minted once, and what is taken away is gone everywhere.

Cronofy's API is a server of the test's own, which counts; time limits are the service's promises.
"""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from tests.processes import RunningService
from tests.servers import RedisServer
from widgetsvc.config import Settings
from widgetsvc.gateway.keys import KeyKind
from widgetsvc.gateway.tenant_models import Tenant, TenantUpdate
from widgetsvc.wiring import Operations, build_operations

PAGE = "https://jobs.example.com"
SECRET = "0123456789abcdef" * 4
HERD = 120
AT_ONCE = 24  # the herd and Cronofy share this process
ATTEMPTS = 5
A_SECOND = 1.0 + 5.0
"""The promise, and what a throttled machine adds to it: finds what is never heard of, not what is slow."""
NO_REQUEST_LONGER = 20.0  # seconds; far above what a throttled machine needs, below "it hangs"
NO_HANG = 60.0


class Cronofy(ThreadingHTTPServer):
    """As much of Cronofy's API as tokens need; it counts the mints by what they are for."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _CronofyHandler)
        self.mints: Counter[str] = Counter()
        self.counting = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _CronofyHandler(BaseHTTPRequestHandler):
    server: Cronofy

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/application_calendars":
            name = body["application_calendar_id"]
            self._answer(
                {
                    "sub": "apc_" + name.replace(":", "_"),
                    "application_calendar_id": name,
                    "access_token": "access",
                    "refresh_token": "refresh",
                    "expires_in": 3_600,
                    "linking_profile": {"profile_id": "pro_1"},
                }
            )
        elif self.path == "/v1/element_tokens":
            sleep(0.2)  # as long as a herd needs to gather
            with self.server.counting:
                self.server.mints[body["subs"][0]] += 1
                number = self.server.mints.total()
            granted = {"permissions": body["permissions"], "origin": body["origin"], "expires_in": 64_800}
            self._answer({"element_token": {"token": f"token-{number}", **granted}})
        else:
            self._answer({})

    def _answer(self, document: dict[str, object]) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's name
        pass


class Cluster:
    """Some processes over one database; commands are run beside them."""

    def __init__(self, folder: Path, cronofy: Cronofy, cache_url: str | None, processes: int) -> None:
        environment = {
            "WIDGETSVC_DATABASE_URL": f"sqlite:///{folder / 'shared.sqlite3'}",
            "WIDGETSVC_SECRET_KEY": SECRET,
            "WIDGETSVC_CRONOFY_CLIENT_ID": "app_1",
            "WIDGETSVC_CRONOFY_CLIENT_SECRET": "client-secret",
            "WIDGETSVC_CRONOFY_API_URL": cronofy.url,
            "WIDGETSVC_RATE_LIMIT": "off",
        }
        if cache_url is not None:
            environment["WIDGETSVC_CACHE_URL"] = cache_url
        self.cronofy = cronofy
        # What the command line works on: a process of its own, as far as the servers can tell.
        self.operations = build_operations(
            Settings.from_environment(environment, data_dir=folder / "operator")
        )
        self.services = [
            RunningService(folder / f"data-{number}", environment=environment) for number in range(processes)
        ]
        self._clients = [
            httpx.Client(base_url=service.url, trust_env=False, timeout=NO_HANG, limits=httpx.Limits())
            for service in self.services
        ]

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        with ExitStack() as stack:
            stack.enter_context(closing(self.operations))
            with ThreadPoolExecutor() as pool:
                list(pool.map(stack.enter_context, self.services))
            for client in self._clients:
                stack.enter_context(client)
            yield self

    def tenant(self, slug: str, *calendars: str) -> Tenant:
        created = self.operations.tenants.create(slug, slug.title(), [PAGE, "https://other.example.com"])
        for calendar in calendars:
            self.operations.calendars.add(created.tenant, calendar)
        return created.tenant

    def ask(self, process: int, tenant: Tenant, calendar: str = "store") -> httpx.Response:
        fields = {"key": tenant.publishable_key, "element": "agenda", "calendar": calendar}
        return self._clients[process].post("/embed/token", json=fields, headers={"Origin": PAGE})

    def ask_all(self, tenant: Tenant, calendar: str = "store") -> list[httpx.Response]:
        return [self.ask(process, tenant, calendar) for process in range(len(self.services))]

    def redis_faults(self) -> int:
        """How often a process has noticed that Redis does not answer."""
        return sum(service.log_text().count("Redis fails") for service in self.services)

    def refuses_within_a_second(self, tenant: Tenant) -> str:
        """Return the code with which all processes refuse, which they have to from now on."""
        deadline = monotonic() + A_SECOND
        while True:
            codes = {
                answer.json().get("code") if answer.status_code != 200 else None
                for answer in self.ask_all(tenant)
            }
            if None not in codes:
                assert len(codes) == 1
                return str(codes.pop())
            assert monotonic() < deadline, "a process still hands out tokens"


@pytest.fixture(scope="module")
def cronofy() -> Iterator[Cronofy]:
    server = Cronofy()
    with server.running():
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def cluster(
    cronofy: Cronofy, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), cronofy, redis.url, 3).running() as cluster:
        yield cluster


def suspend(operations: Operations, tenant: Tenant) -> None:
    operations.tenants.suspend(tenant)


def remove_the_origin(operations: Operations, tenant: Tenant) -> None:
    operations.tenants.update(tenant, TenantUpdate(allowed_origins=["https://other.example.com"]))


def revoke_the_calendar(operations: Operations, tenant: Tenant) -> None:
    operations.calendars.revoke(tenant, "store")


def revoke_the_key(operations: Operations, tenant: Tenant) -> None:
    (key,) = [each for each in tenant.keys if each.publishable_key is not None]
    operations.tenants.rotate_key(tenant, KeyKind.PUBLISHABLE)
    operations.tenants.revoke_key(tenant, key.key_id)


def delete(operations: Operations, tenant: Tenant) -> None:
    operations.tenants.delete(tenant)


TAKEN_AWAY = [
    pytest.param(suspend, "tenant_suspended", id="suspended"),
    pytest.param(remove_the_origin, "origin_not_allowed", id="origin-removed"),
    pytest.param(revoke_the_calendar, "calendar_revoked", id="calendar-revoked"),
    pytest.param(revoke_the_key, "unknown_key", id="key-revoked"),
    pytest.param(delete, "unknown_key", id="deleted"),
]
TakeAway = Callable[[Operations, Tenant], None]


def test_cold_herd_on_three_processes_mints_once(cluster: Cluster) -> None:
    for attempt in range(ATTEMPTS):
        tenant = cluster.tenant(f"herd-{attempt}", "store")
        mints, faults = cluster.cronofy.mints.total(), cluster.redis_faults()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            turns = [number % 3 for number in range(HERD)]
            answers = list(pool.map(cluster.ask, turns, [tenant] * HERD))
        statuses = {answer.status_code for answer in answers}
        # A throttled machine may stand still for longer than Redis (0.1 s) or Cronofy (5 s) is waited for.
        # Then each process rightly goes on by itself, or refuses: try again with a Redis that answers.
        if HTTPStatus.SERVICE_UNAVAILABLE not in statuses and cluster.redis_faults() == faults:
            break
        shares_again(cluster, f"herd-{attempt}-after")

    assert statuses == {200}
    assert len({answer.json()["element_token"]["token"] for answer in answers}) == 1
    assert cluster.cronofy.mints.total() - mints == 1


@pytest.mark.parametrize(("take_away", "code"), TAKEN_AWAY)
def test_what_is_taken_away_in_one_process_is_refused_by_all_within_a_second(
    cluster: Cluster, take_away: TakeAway, code: str, request: pytest.FixtureRequest
) -> None:
    tenant = cluster.tenant(request.node.callspec.id, "store")
    assert {answer.status_code for answer in cluster.ask_all(tenant)} == {200}

    take_away(cluster.operations, tenant)

    assert cluster.refuses_within_a_second(tenant) == code


def test_token_of_a_suspended_tenant_is_minted_anew_after_it_is_resumed(cluster: Cluster) -> None:
    tenant = cluster.tenant("resumed", "store")
    old = {answer.json()["element_token"]["token"] for answer in cluster.ask_all(tenant)}
    cluster.operations.tenants.suspend(tenant)
    cluster.refuses_within_a_second(tenant)
    cluster.operations.tenants.resume(tenant)

    deadline = monotonic() + A_SECOND
    answers = cluster.ask_all(tenant)
    while any(answer.status_code != 200 for answer in answers):
        assert monotonic() < deadline
        answers = cluster.ask_all(tenant)
    new = {answer.json()["element_token"]["token"] for answer in answers}

    assert (len(old), len(new), old & new) == (1, 1, set())


@contextmanager
def killed(redis: RedisServer) -> Iterator[None]:
    redis.kill()
    yield
    redis.start()


@contextmanager
def frozen(redis: RedisServer) -> Iterator[None]:
    redis.freeze()
    yield
    redis.thaw()


@contextmanager
def emptied(redis: RedisServer) -> Iterator[None]:
    with redis.connect() as client:
        client.flushall()
    yield


@pytest.mark.parametrize("trouble", [killed, frozen, emptied], ids=lambda trouble: trouble.__name__)
def test_trouble_with_redis_in_mid_load_costs_no_request(
    cluster: Cluster, redis: RedisServer, trouble: Callable[[RedisServer], AbstractContextManager[None]]
) -> None:
    calendars = [f"store-{number}" for number in range(6)]
    tenant = cluster.tenant(trouble.__name__, *calendars)
    warm, cold = calendars[:3], calendars[3:]
    for calendar in warm:
        cluster.ask_all(tenant, calendar)
    over = threading.Event()
    answers: list[httpx.Response] = []

    def load(process: int) -> None:
        while not over.is_set():
            answers.extend(cluster.ask(process, tenant, calendar) for calendar in warm)

    with ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(load, process) for process in range(3)]
        try:
            with trouble(redis):
                # Each process for itself, where it has to.
                first_time = [answer for calendar in cold for answer in cluster.ask_all(tenant, calendar)]
                # Still heard of, by way of the database.
                other = cluster.tenant(f"{trouble.__name__}-other", "store")
                cluster.ask_all(other)
                cluster.operations.tenants.suspend(other)
                assert cluster.refuses_within_a_second(other) == "tenant_suspended"
                deadline = monotonic() + NO_HANG
                while len(answers) <= 30 and not any(each.done() for each in loads):
                    assert monotonic() < deadline, "hardly anybody was answered"
                    sleep(0.02)
        finally:
            over.set()
        for each in loads:
            each.result()

    assert Counter(answer.status_code for answer in (*answers, *first_time)).keys() == {200}
    slowest = max(answer.elapsed.total_seconds() for answer in (*answers, *first_time))
    assert slowest < NO_REQUEST_LONGER
    shares_again(cluster, f"{trouble.__name__}-after")


def shares_again(cluster: Cluster, slug: str) -> None:
    """Return when a token that one process minted is found by the others."""
    deadline = monotonic() + NO_HANG
    tenant = cluster.tenant(slug)
    for number in itertools.count():
        cluster.operations.calendars.add(tenant, f"again-{number}")
        before = cluster.cronofy.mints.total()
        cluster.ask_all(tenant, f"again-{number}")
        if cluster.cronofy.mints.total() - before == 1:
            return
        assert monotonic() < deadline, "the processes do not find each other's tokens"
        sleep(0.2)


@pytest.fixture(scope="module")
def separate(cronofy: Cronofy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two processes that share the database only."""
    with Cluster(tmp_path_factory.mktemp("separate"), cronofy, None, 2).running() as cluster:
        yield cluster


@pytest.mark.parametrize(("take_away", "code"), TAKEN_AWAY)
def test_without_redis_it_is_refused_by_all_within_a_second_too(
    separate: Cluster, take_away: TakeAway, code: str, request: pytest.FixtureRequest
) -> None:
    tenant = separate.tenant(request.node.callspec.id, "store")
    assert {answer.status_code for answer in separate.ask_all(tenant)} == {200}

    take_away(separate.operations, tenant)

    assert separate.refuses_within_a_second(tenant) == code
