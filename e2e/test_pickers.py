"""Slot picker and availability viewer."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
from playwright.sync_api import expect

from e2e.conftest import PartnerSite, Tenant, Visit

DAYS_AHEAD = 15
SATURDAY = 5


def office_days() -> Iterator[date]:
    today = datetime.now(UTC).date()
    for ahead in range(1, DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        if day.weekday() < SATURDAY:
            yield day


def at(day: date, clock: str) -> str:
    return datetime.combine(day, time.fromisoformat(clock), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def free_day(tenant: Tenant) -> date:
    """A calendar that is full for weeks, but for the time from 10:00 to 11:30 on one day."""
    calendar = tenant.calendar("picker-1")
    first, *others = office_days()
    today = datetime.now(UTC).date()
    calendar.write("today", "Full", at(today, "00:00"), at(today, "23:59"))
    calendar.write("early", "Full", at(first, "09:00"), at(first, "10:00"))
    calendar.write("late", "Full", at(first, "11:30"), at(first, "17:00"))
    for day in others:
        calendar.write(f"full-{day}", "Full", at(day, "09:00"), at(day, "17:00"))
    return first


def test_a_slot_picker_shows_exactly_the_free_slots(
    visit: Visit, partner: PartnerSite, tenant: Tenant, free_day: date
) -> None:
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", "picker-1", tzid="Etc/UTC")))
    slots = page.locator(".SlotPicker__slot")

    expect(slots).to_have_count(1)
    expect(slots).to_contain_text(f"{free_day:%A} {free_day.day}")
    slots.click()
    expect(slots).to_have_text(["10:00 - 10:30", "10:30 - 11:00", "11:00 - 11:30"])


def test_a_picked_slot_is_told_to_the_page_once(
    visit: Visit, partner: PartnerSite, tenant: Tenant, free_day: date
) -> None:
    listener = """<script>
      window.picked = [];
      addEventListener("widgetsvc:slot-picked", (event) => window.picked.push(event.detail.slot));
    </script>"""
    tag = tenant.tag("slot-picker", "picker-1", tzid="Etc/UTC")
    page = visit.open(partner.origin + partner.put(listener + tag))
    slots = page.locator(".SlotPicker__slot")
    slots.first.click()
    slots.nth(1).click()
    confirm = page.get_by_role("button", name="Confirm")
    confirm.click()
    confirm.click()

    picked = page.evaluate("picked")
    assert [slot["start"] for slot in picked] == [at(free_day, "10:30")]


@pytest.mark.usefixtures("free_day")
def test_a_frame_of_the_picker_reads_without_an_origin_header(
    visit: Visit, partner: PartnerSite, tenant: Tenant
) -> None:
    src = f"{tenant.service.url}/frame/slot-picker?key={tenant.key}&amp;calendar=picker-1&amp;tzid=Etc%2FUTC"
    page = visit.open(partner.origin + partner.put(f'<iframe src="{src}" width="600" height="500"></iframe>'))

    expect(page.frame_locator("iframe").locator(".SlotPicker__slot")).to_have_count(1)
    assert visit.policy_violations() == []


@pytest.mark.usefixtures("free_day")
def test_an_availability_viewer_offers_the_free_time(
    visit: Visit, partner: PartnerSite, tenant: Tenant, free_day: date
) -> None:
    # Weeks that begin today: the free day is on the first page, whatever day it is.
    today = f"{datetime.now(UTC):%A}".lower()
    options = json.dumps({"config": {"week_start_day": today}})
    tag = tenant.tag("availability-viewer", "picker-1", tzid="Etc/UTC", options=options)
    page = visit.page
    with page.expect_response(lambda response: "/v1/availability" in response.url) as answer:
        visit.open(partner.origin + partner.put(tag))

    starts = [slot["start"] for slot in answer.value.json()["available_slots"]]
    assert starts == [at(free_day, clock) for clock in ("10:00", "10:15", "10:30", "10:45", "11:00")]
    expect(page.locator(".CronofyAvailabilityViewer").first).to_be_visible()


def test_a_full_calendar_is_said_to_be_empty(visit: Visit, partner: PartnerSite, tenant: Tenant) -> None:
    calendar = tenant.calendar("full-1")
    today = datetime.now(UTC).date()
    calendar.write("all", "Full", at(today, "00:00"), at(today + timedelta(days=20), "00:00"))
    listener = '<script>addEventListener("widgetsvc:empty", () => document.title = "empty")</script>'
    page = visit.open(partner.origin + partner.put(listener + tenant.tag("slot-picker", "full-1")))

    expect(page).to_have_title("empty")


def test_a_week_without_a_free_time_is_told_until_another_is_shown(
    visit: Visit, partner: PartnerSite, tenant: Tenant
) -> None:
    calendar = tenant.calendar("full-2")
    today = datetime.now(UTC).date()
    calendar.write("week", "Full", at(today, "00:00"), at(today + timedelta(days=9), "00:00"))
    tag = tenant.tag("availability-viewer", "full-2", tzid="Etc/UTC")
    page = visit.open(partner.origin + partner.put(tag))
    notice = page.get_by_role("status")

    expect(notice).to_have_text("No time is free on the days shown. There are free times on later days.")
    page.locator(".CronofyAvailabilityViewer__button--next").click()
    expect(page.locator(".CronofyAvailabilityViewer__slot-background--available").first).to_be_visible()
    expect(notice).to_have_count(0)


def test_a_viewer_that_has_nothing_to_show_says_so(
    visit: Visit, partner: PartnerSite, tenant: Tenant
) -> None:
    calendar = tenant.calendar("full-3")
    today = datetime.now(UTC).date()
    calendar.write("all", "Full", at(today, "00:00"), at(today + timedelta(days=60), "00:00"))
    page = visit.open(partner.origin + partner.put(tenant.tag("availability-viewer", "full-3")))

    expect(page.get_by_role("status")).to_have_text("No time is free on the days shown.")
