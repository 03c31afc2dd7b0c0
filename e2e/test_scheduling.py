"""The hosted page behind a scheduling link, as a visitor uses it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from e2e.conftest import ARTIFACTS, PartnerSite, Visit
from tests.processes import RunningService

DAY = (datetime.now(UTC) + timedelta(days=3)).date()
AFTER = DAY + timedelta(days=8)
AFTERNOON = [(13, 0), (13, 30), (14, 0), (14, 30), (15, 0), (15, 30), (16, 0)]
PHONE: ViewportSize = {"width": 390, "height": 844}


def at(day: date, clock: str) -> str:
    return datetime.combine(day, time.fromisoformat(clock), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Host:
    """An application of the backend, one calendar of it, and the links it makes."""

    url: str
    api_key: str
    calendar: dict[str, Any]
    calendar_id: str

    def link(self, **members: Any) -> str:
        target = {"sub": self.calendar["sub"], "calendar_id": self.calendar_id}
        body = {
            "oauth": {"redirect_uri": f"{self.url}/healthz"},
            "event": {
                "event_id": f"interview-{uuid4()}",
                "summary": "Interview for the workshop",
                "description": "Bring something you have made.\nWe will show you around.",
                "location": {"description": "14 Rope Walk, the boathouse"},
            },
            "availability": {
                "participants": [{"members": [{"sub": target["sub"]}], "required": "all"}],
                "required_duration": {"minutes": 30},
                "query_periods": [
                    {"start": at(DAY, "09:00"), "end": at(DAY, "12:00")},
                    {"start": at(AFTER, "13:00"), "end": at(AFTER, "16:30")},
                ],
            },
            "target_calendars": [target],
            "tzid": "Etc/UTC",
        }
        answer = self._post("/v1/real_time_scheduling", self.api_key, body | members)
        return str(answer.json()["url"])

    def booked(self) -> list[tuple[str, str]]:
        """The (start, end) of what visitors have booked."""
        return [
            (event["start"], event["end"])
            for event in self.events()
            if event["event_id"].startswith("interview-")
        ]

    def write(self, start: str, end: str) -> None:
        event = {"event_id": str(uuid4()), "summary": "Taken", "start": start, "end": end}
        self._post(f"/v1/calendars/{self.calendar_id}/events", self.calendar["access_token"], event)

    def events(self) -> list[dict[str, Any]]:
        response = httpx.get(
            f"{self.url}/v1/events",
            params={"tzid": "Etc/UTC", "only_managed": "true"},
            headers={"Authorization": f"Bearer {self.calendar['access_token']}"},
            trust_env=False,
            timeout=60,
        )
        found: list[dict[str, Any]] = response.json()["events"]
        return found

    def _post(self, path: str, token: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        response = httpx.post(self.url + path, headers=headers, json=body, trust_env=False, timeout=60)
        assert response.is_success, response.text
        return response


@pytest.fixture(scope="module")
def application(service: RunningService) -> dict[str, str]:
    credentials: dict[str, str] = service.run("app", "create", "Interviews")
    return credentials


@pytest.fixture
def host(service: RunningService, application: dict[str, str]) -> Host:
    """A calendar of its own for each test, with an hour and a half of the first day taken."""
    created = httpx.post(
        f"{service.url}/v1/application_calendars",
        json=application | {"application_calendar_id": f"workshop-{uuid4()}"},
        trust_env=False,
        timeout=60,
    ).json()
    calendars = httpx.get(
        f"{service.url}/v1/calendars",
        headers={"Authorization": f"Bearer {created['access_token']}"},
        trust_env=False,
        timeout=60,
    ).json()
    host = Host(service.url, application["client_secret"], created, calendars["calendars"][0]["calendar_id"])
    host.write(at(DAY, "09:30"), at(DAY, "11:00"))
    return host


AVAILABLE = ".DTP__calendar-grid--available"


def keep(page: Page, name: str) -> None:
    """A screenshot for people to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"schedule-{name}.png", full_page=True)


def test_a_time_picked_in_the_element_is_booked(visit: Visit, host: Host) -> None:
    page = visit.open(host.link())
    expect(page.locator(AVAILABLE).first).to_be_visible()
    expect(page.locator("#times")).to_be_hidden()
    keep(page, "times")

    page.locator(".DTP__time-slot", has_text="11:00").first.click()
    expect(page.get_by_text("Is this right?")).to_be_visible()
    expect(page.locator(".when")).to_contain_text("11:00 to 11:30")
    assert host.booked() == []
    keep(page, "confirm")
    page.get_by_role("button", name="Book this time").click()

    expect(page.get_by_text("Booked", exact=True)).to_be_visible()
    assert host.booked() == [(at(DAY, "11:00"), at(DAY, "11:30"))]
    keep(page, "booked")
    page.reload()
    expect(page.locator(".when")).to_contain_text("11:00 to 11:30")
    assert visit.policy_violations() == []


def test_without_confirmation_one_click_books_and_leads_on(
    visit: Visit, host: Host, partner: PartnerSite
) -> None:
    thanks = partner.origin + partner.put("<h1>Thank you</h1>")
    page = visit.open(host.link(selection_mode="no_confirm", redirect_urls={"completed_url": thanks}))

    page.locator(".DTP__time-slot", has_text="11:00").first.click()

    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert page.url == thanks
    assert page.evaluate("document.referrer") == ""
    assert host.booked() == [(at(DAY, "11:00"), at(DAY, "11:30"))]
    assert visit.policy_violations() == []


def test_the_visitors_zone_goes_with_the_time_that_was_picked(visit: Visit, host: Host) -> None:
    page = visit.open(host.link(tzid=None))

    # The visitor lives in London; the application named no zone.
    page.locator(".DTP__time-slot").first.click()

    expect(page.locator(".when")).to_contain_text("London time")


def test_with_the_bundle_blocked_the_list_does_it(visit: Visit, host: Host) -> None:
    visit.page.route("**/CronofyElements.js", lambda route: route.abort())
    page = visit.open(host.link())

    slots = page.locator("#times").get_by_role("button")
    expect(slots.first).to_be_visible()
    expect(slots).to_have_text(["09:00", "11:00", "11:30"] + [f"{h}:{m:02}" for h, m in AFTERNOON])
    keep(page, "list")
    page.get_by_role("button", name="11:00").click()
    page.get_by_role("button", name="Book this time").click()

    expect(page.get_by_text("Booked", exact=True)).to_be_visible()
    assert host.booked() == [(at(DAY, "11:00"), at(DAY, "11:30"))]


def test_when_the_element_fails_the_list_comes_back(visit: Visit, host: Host) -> None:
    visit.page.route("**/v1/availability?*", lambda route: route.abort())
    page = visit.open(host.link())

    expect(page.locator("#times").get_by_role("button", name="11:00")).to_be_visible()
    expect(page.locator("#picker")).to_be_hidden()


def test_without_scripts_the_page_is_complete(browser: Browser, host: Host) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(host.link())
    keep(page, "phone-list")

    page.get_by_role("button", name="11:30").click()
    page.get_by_role("button", name="Book this time").click()

    expect(page.get_by_text("Booked", exact=True)).to_be_visible()
    assert host.booked() == [(at(DAY, "11:30"), at(DAY, "12:00"))]
    context.close()


def test_the_page_fits_a_phone(visit: Visit, host: Host) -> None:
    visit.page.set_viewport_size(PHONE)
    page = visit.open(host.link())
    expect(page.locator(AVAILABLE).first).to_be_visible()
    keep(page, "phone")

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.locator(".DTP__time-slot", has_text="11:00").first.click()
    expect(page.get_by_text("Is this right?")).to_be_visible()
    keep(page, "phone-confirm")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_event_text_stays_text(visit: Visit, host: Host) -> None:
    nasty = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"
    event = {"event_id": "interview-x", "summary": nasty, "description": nasty}

    page = visit.open(host.link(event=event))

    expect(page.locator(AVAILABLE).first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text(nasty)
    assert page.title() != "owned"


def test_who_comes_too_late_reads_so_and_picks_again(visit: Visit, host: Host) -> None:
    page = visit.open(host.link())
    page.locator(".DTP__time-slot", has_text="11:00").first.click()
    expect(page.get_by_text("Is this right?")).to_be_visible()
    host.write(at(DAY, "11:00"), at(DAY, "11:30"))

    page.get_by_role("button", name="Book this time").click()

    expect(page.get_by_role("alert")).to_contain_text("has just been taken")
    expect(page.locator(".DTP__time-slot").first).to_be_visible()
    keep(page, "taken")
    page.locator(".DTP__time-slot", has_text="11:30").first.click()
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_text("Booked", exact=True)).to_be_visible()
    assert host.booked() == [(at(DAY, "11:30"), at(DAY, "12:00"))]
