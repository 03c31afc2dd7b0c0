"""The first free times in frames: before the Element is there, and for visitors without scripts."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from e2e.held import Held

BUNDLE = "**/CronofyElements.js"
SHOWN = {
    "availability-viewer": ".CronofyAvailabilityViewer",
    "date-time-picker": "button:has-text('09:30 - 10:00')",
    "slot-picker": ".SlotPicker__slot",
}


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    """A calendar that is free from tomorrow on: what is left of today depends on the hour."""
    calendar = tenant.calendar("paint-1")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    calendar.write("today", "Full", f"{today}T00:00:00Z", f"{today}T23:59:00Z")
    return calendar.application_calendar_id


@pytest.fixture
def unscripted(browser: Browser) -> Iterator[Page]:
    """The page of a visitor in London without scripts, on a small telephone."""
    context = browser.new_context(
        timezone_id="Europe/London",
        locale="en-GB",
        viewport={"width": 320, "height": 640},
        java_script_enabled=False,
    )
    yield context.new_page()
    context.close()


def address(tenant: Tenant, calendar: str, element: str = "slot-picker", more: str = "") -> str:
    return f"{tenant.service.url}/frame/{element}?key={tenant.key}&calendar={calendar}{more}"


@pytest.mark.parametrize("element", SHOWN)
def test_times_stand_there_until_the_element_does(
    visit: Visit, tenant: Tenant, calendar: str, element: str
) -> None:
    page = visit.page
    bundle = Held(page, BUNDLE)
    page.goto(address(tenant, calendar, element), wait_until="commit")
    times = page.locator(".times")
    expect(times.get_by_role("link", name="09:00").first).to_be_visible()
    heading = page.get_by_role("heading", level=1)
    # Styles may come after words.
    expect(heading).to_have_css("margin-top", "0px")
    before = heading.bounding_box()

    bundle.let_go()

    expect(page.locator(SHOWN[element]).first).to_be_visible()
    expect(times).to_be_hidden()
    assert heading.bounding_box() == before
    assert visit.policy_violations() == []


def test_times_in_a_frame_give_way_to_the_element(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    bundle = Held(page, BUNDLE)
    frame = f'<iframe src="{address(tenant, calendar)}" width="400" height="500"></iframe>'
    page.goto(partner.origin + partner.put(frame), wait_until="commit")
    inside = page.frame_locator("iframe")
    expect(inside.locator(".times a").first).to_be_visible()
    # The page around it has headings of its own.
    expect(inside.get_by_role("banner")).to_have_css("clip-path", "inset(50%)")

    bundle.let_go()

    expect(inside.locator(".SlotPicker__slot").first).to_be_visible()
    expect(inside.locator(".times")).to_be_hidden()


@pytest.mark.parametrize("comes", [True, False], ids=["comes", "fails"])
def test_a_time_that_is_picked_before_the_element_is_there_is_told_to_the_page(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, comes: bool
) -> None:
    page = visit.page
    bundle = Held(page, BUNDLE)
    books = """<script>
      window.picked = [];
      addEventListener("widgetsvc:slot-picked", ({ detail: { slot, respondWith } }) => {
        picked.push(slot);
        respondWith(Promise.resolve({}));
      });
    </script>"""
    tag = tenant.tag("slot-picker", calendar, mode="frame")
    page.goto(partner.origin + partner.put(books + tag), wait_until="commit")
    inside = page.frame_locator("iframe")
    times = inside.locator(".times a[data-start]")
    times.first.click()
    times.nth(1).click()
    start, end = (times.nth(1).get_attribute(name) for name in ("data-start", "data-end"))
    expect(inside.locator("[aria-busy=true]:is(a)")).to_have_text("09:30")

    if comes:
        bundle.let_go()
        expect(inside.get_by_role("status")).to_contain_text("Booked")
        assert page.evaluate("picked") == [{"start": start, "end": end}]
    else:
        bundle.fail()
        expect(inside.get_by_role("heading", level=1)).to_contain_text("09:30")
        assert page.evaluate("picked") == []


def test_a_page_that_is_isolated_can_hold_the_frame(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    isolated = {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin"}
    frame = f'<iframe src="{address(tenant, calendar)}" width="400" height="500"></iframe>'

    page = visit.open(partner.origin + partner.put(frame, headers=isolated))

    assert page.evaluate("crossOriginIsolated")
    expect(page.frame_locator("iframe").locator(".SlotPicker__slot").first).to_be_visible()


def test_a_visitor_without_scripts_chooses_a_time_in_the_frame(
    unscripted: Page, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    frame = f'<iframe src="{address(tenant, calendar)}" width="300" height="500"></iframe>'
    unscripted.goto(partner.origin + partner.put(frame))
    inside = unscripted.frame_locator("iframe")
    expect(inside.locator("body")).not_to_contain_text("JavaScript")

    inside.get_by_role("link", name="10:30").first.click()

    expect(inside.get_by_role("heading", level=1)).to_contain_text("10:30 \N{EN DASH} 11:00")
    expect(inside.locator("body")).to_contain_text("nothing is booked yet")
    inside.get_by_role("link", name="Choose another time").click()
    inside.get_by_role("link", name="More times on this day").first.click()
    expect(inside.get_by_role("link", name="16:30")).to_be_visible()


def test_a_time_that_is_taken_meanwhile_gives_way_to_others(unscripted: Page, tenant: Tenant) -> None:
    calendar = tenant.calendar("paint-2")
    unscripted.goto(address(tenant, "paint-2"))
    first = unscripted.locator(".times time").first
    start = first.get_attribute("datetime")
    assert start is not None
    end = (datetime.fromisoformat(start) + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    calendar.write("meanwhile", "Taken", start, end)

    first.click()

    expect(unscripted.get_by_role("heading", level=1)).to_have_text("This time is no longer free")
    expect(unscripted.locator(".times a").first).to_be_visible()


def test_a_redirect_leaves_the_frame_without_scripts(
    unscripted: Page, partner: PartnerSite, tenant: Tenant, calendar: str, tmp_path: Path
) -> None:
    document: dict[str, Any] = {
        "element": "slot-picker",
        "calendars": [calendar],
        "after_pick": {"kind": "redirect", "url": "https://partner.invalid/book?from=frame"},
    }
    file = tmp_path / "widget.json"
    file.write_text(json.dumps(document))
    widget = tenant.service.run("widget", "create", tenant.slug, "--json-file", str(file))["widget_id"]
    unscripted.route("https://partner.invalid/**", lambda route: route.fulfill(body="There"))
    src = f"{tenant.service.url}/frame/widget/{widget}?key={tenant.key}"
    unscripted.goto(partner.origin + partner.put(f'<iframe src="{src}"></iframe>'))

    time = unscripted.frame_locator("iframe").locator(".times time").first
    start = time.get_attribute("datetime")
    time.click()

    expect(unscripted.locator("body")).to_have_text("There")
    query = parse_qs(urlsplit(unscripted.url).query)
    assert (query["from"], query["slot_start"]) == (["frame"], [start])


@pytest.mark.parametrize("chosen", [False, True], ids=["times", "chosen"])
@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_the_page_fits_a_small_telephone(
    browser: Browser, tenant: Tenant, calendar: str, locale: str, chosen: bool
) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT10:00:00Z")
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    Held(page, BUNDLE)
    more = f"&locale={locale}" + (f"&slot={tomorrow}" if chosen else "")

    page.goto(address(tenant, calendar, more=more), wait_until="commit")

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.locator("html").get_attribute("dir") == ("rtl" if locale == "ar" else "ltr")
    context.close()


def test_what_has_no_times_needs_scripts_and_says_so(unscripted: Page, tenant: Tenant, calendar: str) -> None:
    notice = unscripted.locator("noscript p")
    unscripted.goto(address(tenant, calendar, "agenda"))
    expect(notice).to_be_visible()
    assert "needs JavaScript" in notice.evaluate("node => node.textContent")

    unscripted.goto(address(tenant, calendar))
    expect(unscripted.locator(".times a").first).to_be_visible()
    expect(notice).to_have_count(0)


def test_a_frame_in_a_sandbox_has_times_to_read(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    frame = f'<iframe sandbox src="{address(tenant, calendar)}"></iframe>'

    page = visit.open(partner.origin + partner.put(frame))

    times = page.frame_locator("iframe").locator(".times ul").first
    expect(times).to_be_visible()
    expect(times).to_have_css("display", "grid")
