"""The demo as a newcomer meets it; its screenshots end up in the README."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import ARTIFACTS, Visit
from tests.processes import PATIENCE, ROOT, clean_environment, free_port, share_elements, wait_until_ready


@dataclass
class Demo:
    process: subprocess.Popen[bytes]
    port: int
    partner_port: int

    @property
    def partner(self) -> str:
        return f"http://localhost:{self.partner_port}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    port, partner_port = free_port(), free_port()
    folder = tmp_path_factory.mktemp("demo")
    share_elements(folder / "data")
    options = ["--port", port, "--partner-port", partner_port, "--data-dir", folder / "data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "widgetsvc", "demo", *map(str, options)],
            cwd=ROOT,
            env=clean_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_ready(process, port, folder / "log")
        yield Demo(process, port, partner_port)
    finally:
        # As a terminal's Ctrl-C does: to all processes at once.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 0, (folder / "log").read_text()


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / f"demo-{name}.png"
    page.screenshot(path=path)
    assert path.stat().st_size > 10_000


def test_the_index_leads_to_every_way_of_embedding(visit: Visit, demo: Demo) -> None:
    page = visit.open(demo.partner)

    for path in ("/store", "/portal", "/frontend"):
        expect(page.locator(f'main a[href$="{path}"]').first).to_be_visible()
    keep(page, "index")


def test_the_store_page_offers_times_by_script_tag(visit: Visit, demo: Demo) -> None:
    page = visit.open(f"{demo.partner}/store")

    expect(page.locator(".SlotPicker__slot").first).to_be_visible()
    expect(page.locator(".CronofyAvailabilityViewer").first).to_be_visible()
    page.locator(".SlotPicker__slot").first.click()
    page.locator(".SlotPicker__slot").first.click()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("status")).to_contain_text(":")


def test_the_store_page_is_worth_a_picture(visit: Visit, demo: Demo) -> None:
    with visit.page.expect_response(lambda response: "AvailabilityViewer" in str(response.request.headers)):
        page = visit.open(f"{demo.partner}/store")

    expect(page.locator(".SlotPicker__slot").first).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 1520})
    keep(page, "store")


def test_the_portal_shows_an_interviewers_day_in_a_frame(visit: Visit, demo: Demo) -> None:
    page = visit.open(f"{demo.partner}/portal")

    expect(page.frame_locator("iframe").get_by_text("Hiring stand-up")).to_be_visible()
    assert visit.policy_violations() == []
    keep(page, "portal")


def test_the_front_desk_drives_the_element_itself(visit: Visit, demo: Demo) -> None:
    page = visit.open(f"{demo.partner}/frontend")

    expect(page.get_by_text("Hiring stand-up")).to_be_visible()
    keep(page, "frontend")


def test_a_first_talk_is_booked_at_the_link(visit: Visit, demo: Demo) -> None:
    page = visit.open(demo.partner)
    page.get_by_role("link", name="A first talk").click()
    keep(page, "link")

    page.locator(".DTP__time-slot").first.click()
    page.get_by_role("button", name="Book this time").click()

    expect(page.get_by_text("Booked", exact=True)).to_be_visible()


def test_the_stranger_is_refused_in_words(visit: Visit, demo: Demo) -> None:
    page = visit.open(f"http://127.0.0.1:{demo.partner_port}/store")

    expect(page.get_by_role("alert").first).to_contain_text("may not be shown")
    assert visit.tokens == []
    keep(page, "stranger")


def test_a_taken_port_is_named(demo: Demo, tmp_path: Path) -> None:
    share_elements(tmp_path)
    options = ["--port", free_port(), "--partner-port", demo.partner_port, "--data-dir", tmp_path]

    done = subprocess.run(
        [sys.executable, "-m", "widgetsvc", "demo", *map(str, options)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 2
    assert f"127.0.0.1:{demo.partner_port}" in done.stderr
    assert "PARTNER_PORT" in done.stderr
    assert "Traceback" not in done.stderr
