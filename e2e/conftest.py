"""The real service, partner pages on another origin, and a real browser."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Response, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as WsgiResponse

from tests.processes import PATIENCE, RunningService

DEBIAN_CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ARTIFACTS = Path(__file__).with_name("artifacts")

# Waiting ends as soon as what is awaited is there; a busy machine takes far longer than the default of 5 s.
EXPECT_MS = 30_000
CONTEXT_MS = 60_000
expect.set_options(timeout=EXPECT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Browsers and Elements have races of their own, which a busy machine brings out. The summary of the run
    # names what was tried a second time.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """What fails, fails where it is looked at."""


class PartnerSite:
    """A web server whose pages are put up by tests: `localhost` is the partner, `127.0.0.1` a stranger."""

    def __init__(self) -> None:
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.port = self._server.server_port
        self.origin = f"http://localhost:{self.port}"
        self.stranger_origin = f"http://127.0.0.1:{self.port}"
        self._pages: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def put(
        self, body: str, *, head: str = "", headers: Mapping[str, str] | None = None, quirks: bool = False
    ) -> str:
        """Put up a page and return its path."""
        path = f"/{len(self._pages)}"
        doctype = "" if quirks else "<!doctype html>"
        start = f"{doctype}<html lang=en><head><meta charset=utf-8><title>Partner</title>"
        html = f"{start}<link rel=icon href='data:,'>{head}</head><body>{body}</body></html>"
        self._pages[path] = (html, headers or {})
        return path

    @Request.application
    def _answer(self, request: Request) -> WsgiResponse:
        html, headers = self._pages.get(request.path, ("", {}))
        return WsgiResponse(html, 200 if html else 404, headers, mimetype="text/html")


@dataclass
class Tenant:
    """A tenant of the running service, and how its applications write events."""

    service: RunningService
    slug: str
    key: str

    def calendar(self, application_calendar_id: str) -> "TenantCalendar":
        self.service.run("calendar", "add", self.slug, application_calendar_id)
        access = self.service.run("calendar", "token", self.slug, application_calendar_id)
        return TenantCalendar(application_calendar_id, access)

    def tag(self, element: str, calendar: str, **attributes: str) -> str:
        """The script tag that the README tells partners to paste."""
        more = "".join(f" data-{name}='{value}'" for name, value in attributes.items())
        return (
            f'<script async src="{self.service.url}/embed.js" data-key="{self.key}" '
            f'data-element="{element}" data-calendar="{calendar}"{more}></script>'
        )


@dataclass
class TenantCalendar:
    application_calendar_id: str
    access: dict[str, Any]

    def write(self, event_id: str, summary: str, start: str, end: str) -> None:
        response = httpx.post(
            f"{self.access['api_url']}/v1/calendars/{self.access['calendar_id']}/events",
            headers={"Authorization": f"Bearer {self.access['access_token']}"},
            json={"event_id": event_id, "summary": summary, "start": start, "end": end},
            trust_env=False,
            timeout=PATIENCE,
        )
        assert response.status_code == 202, response.text


@dataclass
class Visit:
    """A page as a visitor sees it, and what the browser noticed on the way."""

    page: Page
    console: list[str] = field(default_factory=list)
    token_answers: list[Response] = field(default_factory=list)

    def open(self, url: str) -> Page:
        self.page.goto(url)
        return self.page

    @property
    def tokens(self) -> list[str]:
        """Every element token that reached the page."""
        bodies = [answer.text() for answer in self.token_answers if answer.status == 200]
        return [json.loads(body)["element_token"]["token"] for body in bodies]

    def policy_violations(self) -> list[str]:
        return [line for line in self.console if "Content Security Policy" in line]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture(scope="session")
def partner() -> Iterator[PartnerSite]:
    with PartnerSite() as site:
        yield site


@pytest.fixture(scope="session")
def tenant(service: RunningService, partner: PartnerSite) -> Tenant:
    created = service.run("tenant", "create", "acme", "--name", "Acme", "--origin", partner.origin)
    return Tenant(service, "acme", created["publishable_key"])


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    own = DEBIAN_CHROMIUM if DEBIAN_CHROMIUM.exists() else None
    browser = playwright.chromium.launch(executable_path=own, args=CHROMIUM_FLAGS, timeout=PATIENCE * 1000)
    yield browser
    browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A fresh visitor in London."""
    context = browser.new_context(
        timezone_id="Europe/London", locale="en-GB", viewport={"width": 1280, "height": 900}
    )
    context.set_default_timeout(CONTEXT_MS)
    visit = Visit(context.new_page())

    def note(message: ConsoleMessage) -> None:
        visit.console.append(f"{message.type}: {message.text}")

    def keep(response: Response) -> None:
        if response.url.endswith("/embed/token") and response.request.method == "POST":
            visit.token_answers.append(response)

    visit.page.on("console", note)
    visit.page.on("response", keep)
    yield visit
    context.close()
