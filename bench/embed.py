"""What the loader costs a page: beside one written by hand that has its token already, and the same bundle.

Prints one table for each line, medians of some loads with a cold cache, in Chromium: milliseconds until the
Element's content is there, requests, bytes over the line, the layout's shift, milliseconds in long tasks.
"""

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brotli
import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from e2e.conftest import CHROMIUM_FLAGS, DEBIAN_CHROMIUM, PartnerSite, Tenant
from tests.processes import RunningService
from widgetsvc.loader import load_loader

ROUNDS = 7
CALENDAR = "store-42"
# The Chrome DevTools Protocol's own "slow" line; a frame in a process of its own would not be slowed down.
ONE_PROCESS = ("--disable-site-isolation-trials", "--disable-features=IsolateOrigins,site-per-process")
HAND_WRITTEN, TAG, CONTAINER, FRAME = (
    "written by hand, token at hand",
    "script tag",
    "container and pinned loader",
    "iframe: first useful content",
)

WATCH = """
window.measured = { shift: 0, long: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) measured.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) measured.long += entry.duration - 50;
}).observe({ type: "longtask", buffered: true });
const look = () => {
  const found = document.querySelector(SELECTOR);
  if (!found?.getBoundingClientRect().height) return requestAnimationFrame(look);
  requestAnimationFrame(() => { measured.shown = performance.now(); });
};
document.addEventListener("DOMContentLoaded", look);
"""


@dataclass(frozen=True)
class Line:
    """A way to the visitor: `down` in bytes a second, -1 for all there is; a CPU `slower` times as slow."""

    name: str
    down: int
    latency_ms: int
    slower: int


FAST = Line("a fast line", -1, 0, 1)
SLOW = Line("1.6 Mbit/s, 150 ms, a quarter of the CPU", 200_000, 150, 4)


@dataclass(frozen=True)
class Load:
    """One load of a page; `shown` and `long` in milliseconds."""

    shown: float
    requests: int
    size: int
    shift: float
    long: float


def main() -> None:
    """Measure every page on both lines, in turns, and print the tables."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(RunningService(folder / "data"))
        partner = stack.enter_context(PartnerSite())
        browser = stack.enter_context(chromium())
        tenant = tenant_of(service, partner)
        pages = {
            HAND_WRITTEN: (partner.origin + partner.put(hand_written(tenant, partner)), ".SlotPicker__slot"),
            TAG: (partner.origin + partner.put(tenant.tag("slot-picker", CALENDAR)), ".SlotPicker__slot"),
            CONTAINER: (partner.origin + partner.put(container(tenant)), ".SlotPicker__slot"),
            FRAME: (frame_url(tenant), ".times time, .SlotPicker__slot"),
        }
        for line in (FAST, SLOW):
            print_table(line, measure(browser, line, pages))
    core = Path(load_loader().files[load_loader().core.path]).read_bytes()
    print(f"\nloader: {len(brotli.compress(core, quality=11)):,} bytes in brotli, {len(core):,} plain")


@contextmanager
def chromium() -> Iterator[Browser]:
    own = DEBIAN_CHROMIUM if DEBIAN_CHROMIUM.exists() else None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=own, args=[*CHROMIUM_FLAGS, *ONE_PROCESS])
        yield browser
        browser.close()


def tenant_of(service: RunningService, partner: PartnerSite) -> Tenant:
    made = service.run("tenant", "create", "acme", "--name", "Acme", "--origin", partner.origin)
    tenant = Tenant(service, "acme", made["publishable_key"])
    tenant.calendar(CALENDAR)
    return tenant


def hand_written(tenant: Tenant, partner: PartnerSite) -> str:
    """What a developer who knows the UI Elements writes, with a token that their server has ready."""
    grant = httpx.post(
        f"{tenant.service.url}/embed/token",
        json={"key": tenant.key, "element": "slot-picker", "calendar": CALENDAR},
        headers={"Origin": partner.origin},
        trust_env=False,
    ).json()
    options = {**grant["options"], "element_token": grant["element_token"]["token"], "target_id": "place"}
    start = f"CronofyElements.SlotPicker(Object.assign({as_attribute(options)}, {{callback() {{}}}}))"
    return (
        '<div id=place style="min-height:420px"></div>'
        f"<script async src=\"{grant['bundle']['src']}\" crossorigin onload='{start}'></script>"
    )


def as_attribute(value: object) -> str:
    return httpx.Request("POST", "http://x", json=value).content.decode().replace("'", "&#39;")


def container(tenant: Tenant) -> str:
    loader = load_loader()
    return (
        f'<div data-widgetsvc data-key="{tenant.key}" data-element="slot-picker" data-calendar="{CALENDAR}" '
        f'style="min-height:420px"><a href="{frame_url(tenant)}">Pick a time</a></div>'
        f'<script async src="{tenant.service.url}{loader.core.path}" integrity="{loader.core.integrity}" '
        'crossorigin="anonymous"></script>'
    )


def frame_url(tenant: Tenant) -> str:
    return f"{tenant.service.url}/frame/slot-picker?key={tenant.key}&calendar={CALENDAR}"


def measure(browser: Browser, line: Line, pages: Mapping[str, tuple[str, str]]) -> dict[str, list[Load]]:
    """Load each page some times; they take turns, so that all see the same machine."""
    loads: dict[str, list[Load]] = {name: [] for name in pages}
    for _ in range(ROUNDS):
        for name, (url, selector) in pages.items():
            loads[name].append(load(browser, line, url, selector))
    return loads


def load(browser: Browser, line: Line, url: str, selector: str) -> Load:
    """Load a page with nothing in the cache, until it has come to rest."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wire = Wire(page, line)
    page.add_init_script(WATCH.replace("SELECTOR", repr(selector)))
    page.goto(url)
    # Not wait_for_function: the frame's policy forbids what that evaluates in the page.
    while not page.evaluate("measured.shown"):
        page.wait_for_timeout(100)
    page.wait_for_load_state("networkidle")
    measured: dict[str, Any] = page.evaluate("measured")
    context.close()
    return Load(measured["shown"], wire.requests, wire.size, measured["shift"], measured["long"])


class Wire:
    """A page's line as the DevTools Protocol makes it, and what goes over it."""

    def __init__(self, page: Page, line: Line) -> None:
        self.requests = 0
        self.size = 0
        session = page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": False})
        limits = {"offline": False, "latency": line.latency_ms}
        limits |= {"downloadThroughput": line.down, "uploadThroughput": line.down}
        session.send("Network.emulateNetworkConditions", limits)
        session.send("Emulation.setCPUThrottlingRate", {"rate": line.slower})

    def _sent(self, event: dict[str, Any]) -> None:
        self.requests += not event["request"]["url"].startswith("data:")

    def _finished(self, event: dict[str, Any]) -> None:
        self.size += int(event["encodedDataLength"])


def print_table(line: Line, loads: Mapping[str, Sequence[Load]]) -> None:
    baseline = median(loads[HAND_WRITTEN], "shown")
    print(f"\n{line.name:<42}{'shown ms':>9}{'ratio':>7}{'requests':>9}{'kB':>7}{'shift':>7}{'long ms':>9}")
    for name, each in loads.items():
        shown = median(each, "shown")
        print(
            f"{name:<42}{shown:>9.0f}{shown / baseline:>7.2f}{median(each, 'requests'):>9.0f}"
            f"{median(each, 'size') / 1000:>7.0f}{median(each, 'shift'):>7.3f}{median(each, 'long'):>9.0f}"
        )


def median(loads: Sequence[Load], figure: str) -> float:
    return statistics.median(getattr(each, figure) for each in loads)


if __name__ == "__main__":
    main()
