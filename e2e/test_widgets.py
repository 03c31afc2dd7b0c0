"""Widgets on partners' pages: the stored hours, look and what follows a pick."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import PartnerSite, Tenant, Visit

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def every_day(start: str, end: str) -> list[dict[str, str]]:
    return [{"day": day, "start_time": start, "end_time": end} for day in DAYS]


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    return tenant.calendar("widgets-1").application_calendar_id


def widget(tenant: Tenant, tmp_path: Path, document: dict[str, Any]) -> str:
    file = tmp_path / "widget.json"
    file.write_text(json.dumps(document))
    created: dict[str, Any] = tenant.service.run("widget", "create", tenant.slug, "--json-file", str(file))
    return f"""<script async src="{tenant.service.url}/embed.js" data-key="{tenant.key}"
        data-widget="{created["widget_id"]}"></script>"""


def tomorrows_hour(**more: Any) -> dict[str, Any]:
    """Tomorrow from 20:00 to 21:00, which no office hours cover."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    hours = [{"day": DAYS[tomorrow.weekday()], "start_time": "20:00", "end_time": "21:00"}]
    return {"tzid": "Etc/UTC", "days_ahead": 1, "weekly_hours": hours, **more}


def pick(page: Page) -> None:
    slots = page.locator(".SlotPicker__slot")
    slots.first.click()
    expect(slots).to_have_text(["20:00 - 20:30", "20:30 - 21:00"])
    slots.nth(1).click()


def test_a_slot_picker_offers_the_widgets_hours(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, tmp_path: Path
) -> None:
    document = {
        "element": "slot-picker",
        "calendars": [calendar],
        "query": tomorrows_hour(),
        "look": {"locale": "en-GB", "colors": {"primary": "#b00020"}},
        "after_pick": {"kind": "message", "text": "See you then!"},
    }
    page = visit.open(partner.origin + partner.put(widget(tenant, tmp_path, document)))

    pick(page)
    page.screenshot(path=tmp_path / "picker.png")
    page.get_by_role("button", name="Confirm").click()

    expect(page.get_by_role("status")).to_have_text("See you then!")
    expect(page.locator(".SlotPicker__slot")).to_have_count(0)


def test_a_page_can_keep_what_follows_from_happening(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, tmp_path: Path
) -> None:
    listener = """<script>
      addEventListener("widgetsvc:slot-picked", (event) => {
        event.preventDefault();
        document.title = "mine";
      });
    </script>"""
    document = {
        "element": "slot-picker",
        "calendars": [calendar],
        "query": tomorrows_hour(),
        "look": {"confirm": False},
        "after_pick": {"kind": "message", "text": "See you then!"},
    }
    page = visit.open(partner.origin + partner.put(listener + widget(tenant, tmp_path, document)))

    pick(page)

    expect(page).to_have_title("mine")
    expect(page.get_by_text("See you then!")).to_have_count(0)


def test_a_pick_in_a_frame_takes_the_whole_page_along(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, tmp_path: Path
) -> None:
    document = {
        "element": "slot-picker",
        "calendars": [calendar],
        "query": tomorrows_hour(),
        "look": {"confirm": False},
        "after_pick": {"kind": "redirect", "url": "https://thanks.example/done?from=acme"},
    }
    tag = widget(tenant, tmp_path, document)
    widget_id = tag.partition('data-widget="')[2].partition('"')[0]
    src = f"{tenant.service.url}/frame/widget/{widget_id}?key={tenant.key}"
    visit.page.route("https://thanks.example/**", lambda route: route.fulfill(body="Thanks"))
    page = visit.open(partner.origin + partner.put(f'<iframe src="{src}" width="600" height="500"></iframe>'))
    slots = page.frame_locator("iframe").locator(".SlotPicker__slot")
    slots.first.click()
    expect(slots).to_have_count(2)
    slots.first.click()

    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    page.wait_for_url("https://thanks.example/**")
    assert page.url == (
        "https://thanks.example/done?from=acme"
        f"&slot_start={tomorrow}T20%3A00%3A00Z&slot_end={tomorrow}T20%3A30%3A00Z"
    )
    assert visit.policy_violations() == []


def test_the_viewer_draws_the_hours_of_a_widget(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, tmp_path: Path
) -> None:
    document = {
        "element": "availability-viewer",
        "calendars": [calendar],
        "query": {"tzid": "Etc/UTC", "days_ahead": 6, "weekly_hours": every_day("18:00", "20:00")},
        "look": {"week_start_day": f"{datetime.now(UTC):%A}".lower()},
    }
    page = visit.page
    with page.expect_response(lambda response: "/v1/availability" in response.url) as answer:
        visit.open(partner.origin + partner.put(widget(tenant, tmp_path, document)))

    clocks = {slot["start"][11:16] for slot in answer.value.json()["available_slots"]}
    assert clocks == {"18:00", "18:15", "18:30", "18:45", "19:00", "19:15", "19:30"}
    expect(page.locator(".CronofyAvailabilityViewer").first).to_be_visible()
    page.screenshot(path=tmp_path / "viewer.png")


@pytest.mark.parametrize("element", ["slot-picker", "availability-viewer"])
def test_where_no_time_is_left_the_element_says_so(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, tmp_path: Path, element: str
) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    query = tomorrows_hour(
        days_off=[(tomorrow + timedelta(days=ahead)).isoformat() for ahead in range(-1, 2)]
    )
    document = {"element": element, "calendars": [calendar], "query": query}
    listener = '<script>addEventListener("widgetsvc:empty", () => document.title = "empty")</script>'
    page = visit.open(partner.origin + partner.put(listener + widget(tenant, tmp_path, document)))

    expect(page).to_have_title("empty")
    page.screenshot(path=tmp_path / f"{element}.png")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_widget_that_is_gone_is_told_in_words(visit: Visit, partner: PartnerSite, tenant: Tenant) -> None:
    tag = f"""<script async src="{tenant.service.url}/embed.js" data-key="{tenant.key}"
        data-widget="wgt_none"></script>"""
    page = visit.open(partner.origin + partner.put(tag))

    expect(page.get_by_role("alert")).to_contain_text("There is no calendar of this name.")
