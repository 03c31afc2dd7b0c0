"""Three server processes as one service: a token is minted once, and what is taken away is gone everywhere.

Cronofy's API is a server of the test's own, which counts; time limits are the service's promises.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from tests.processes import RunningService
from tests.servers import RedisServer

PAGE = "https://jobs.example.com"
SECRET = "0123456789abcdef" * 4
HERD = 300
AT_ONCE = 60
A_SECOND = 1.0
NO_REQUEST_LONGER = 5.0  # seconds; far above what a busy machine needs, far below "it hangs"


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
        self.services = [
            RunningService(folder / f"data-{number}", environment=environment) for number in range(processes)
        ]
        self._clients = [
            httpx.Client(base_url=service.url, trust_env=False, timeout=10, limits=httpx.Limits(None, None))
            for service in self.services
        ]

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        with ExitStack() as stack:
            # The first migrates the database.
            stack.enter_context(self.services[0])
            with ThreadPoolExecutor() as pool:
                list(pool.map(stack.enter_context, self.services[1:]))
            for client in self._clients:
                stack.enter_context(client)
            yield self

    def run(self, *command: str) -> dict[str, str]:
        answer: dict[str, str] = self.services[0].run(*command)
        return answer

    def tenant(self, slug: str, *calendars: str) -> str:
        created = self.run("tenant", "create", slug, "--name", slug.title(), "--origin", PAGE)
        for calendar in calendars:
            self.run("calendar", "add", slug, calendar)
        return created["publishable_key"]

    def ask(self, process: int, key: str, calendar: str) -> httpx.Response:
        fields = {"key": key, "element": "agenda", "calendar": calendar}
        return self._clients[process].post("/embed/token", json=fields, headers={"Origin": PAGE})

    def ask_all(self, key: str, calendar: str) -> list[httpx.Response]:
        return [self.ask(process, key, calendar) for process in range(len(self.services))]

    def refuse_within_a_second(self, key: str, calendar: str) -> str:
        """Return the code with which all processes refuse, which they have to from now on."""
        deadline = monotonic() + A_SECOND
        while True:
            codes = {
                answer.json().get("code") if answer.status_code != 200 else None
                for answer in self.ask_all(key, calendar)
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


def sub_of(slug: str, calendar: str, cronofy: Cronofy) -> str:
    (sub,) = [sub for sub in cronofy.mints if sub.startswith("apc_") and slug in sub and calendar in sub]
    return sub


def test_cold_herd_on_three_processes_mints_once(cluster: Cluster) -> None:
    key = cluster.tenant("herd", "store")
    before = cluster.cronofy.mints.total()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        turns = [process for process, _ in zip(cycle(range(3)), range(HERD), strict=False)]
        answers = list(pool.map(lambda process: cluster.ask(process, key, "store"), turns))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["element_token"]["token"] for answer in answers}) == 1
    assert cluster.cronofy.mints.total() - before == 1


@pytest.mark.parametrize(
    ("slug", "command", "code"),
    [
        ("closed", ("calendar", "revoke", "closed", "store"), "calendar_revoked"),
        ("late", ("tenant", "suspend", "late"), "tenant_suspended"),
    ],
)
def test_what_is_taken_away_in_one_process_is_refused_by_all_within_a_second(
    cluster: Cluster, slug: str, command: tuple[str, ...], code: str
) -> None:
    key = cluster.tenant(slug, "store")
    assert {answer.status_code for answer in cluster.ask_all(key, "store")} == {200}

    cluster.run(*command)

    assert cluster.refuse_within_a_second(key, "store") == code
