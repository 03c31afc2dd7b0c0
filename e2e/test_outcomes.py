"""What becomes of a pick: the page books it and says how that went, or what the widget wants follows."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from e2e.conftest import PartnerSite, Tenant, Visit

BOOKED = "addEventListener('widgetsvc:booked', ({ detail }) => (window.booked ??= []).push(detail));"


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    return tenant.calendar("outcomes-1").application_calendar_id


def books(answer: str) -> str:
    """A page's script that counts the picks and answers each with what a JavaScript expression gives."""
    return f"""<script>{BOOKED}
      window.picks = 0;
      addEventListener("widgetsvc:slot-picked", ({{ detail: {{ slot, respondWith }} }}) => {{
        window.picks += 1;
        window.slot = slot;
        respondWith({answer});
      }});
    </script>"""


def confirm(page: Page) -> None:
    slots = page.locator(".SlotPicker__slot")
    slots.first.click()
    expect(page.get_by_role("button", name=re.compile("back", re.IGNORECASE)).first).to_be_visible()
    slots.first.click()
    page.get_by_role("button", name="Confirm").click()


def status(page: Page) -> Locator:
    return page.get_by_role("group", name="Calendar").get_by_role("status")


def test_a_booked_slot_is_confirmed_in_place_of_the_element(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    answer = "new Promise((resolve) => { window.book = resolve; })"
    page = visit.open(partner.origin + partner.put(books(answer) + tenant.tag("slot-picker", calendar)))
    confirm(page)

    expect(status(page)).to_have_text("Booking…")
    expect(status(page)).to_be_focused()
    expect(page.get_by_role("group", name="Calendar")).to_have_attribute("aria-busy", "true")
    expect(page.locator(".SlotPicker")).to_have_count(1)

    page.evaluate("book({ message: 'See you!', booking: { id: 7 } })")
    expect(status(page)).to_contain_text("Booked")
    expect(status(page)).to_contain_text("See you!")
    expect(status(page)).to_be_focused()
    expect(page.locator(".SlotPicker")).to_have_count(0)
    assert page.evaluate("booked") == [{"slot": page.evaluate("slot"), "booking": {"id": 7}}]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", ("Gebucht", "Mitteleuropäische Normalzeit")),
        ("ar", ("تم الحجز", "توقيت وسط أوروبا الرسمي")),
    ],
    ids=["de", "ar"],
)
def test_the_time_is_told_in_the_visitors_words_and_zone(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, language: str, said: tuple[str, str]
) -> None:
    script = books("Promise.resolve()")
    tag = tenant.tag("slot-picker", calendar, tzid="Africa/Algiers")
    page = visit.open(partner.origin + partner.put(f"{script}<div lang={language}>{tag}</div>"))
    confirm(page)

    for words in said:
        expect(status(page)).to_contain_text(words)
    period = page.evaluate(
        """language => new Intl.DateTimeFormat(language, {
          dateStyle: "full", timeStyle: "short", timeZone: "Africa/Algiers",
        }).formatRange(new Date(slot.start), new Date(slot.end))""",
        language,
    )
    expect(status(page)).to_contain_text(period)
    expect(status(page)).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")


def test_a_slot_that_is_taken_leads_to_fresh_times(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    script = books("Promise.reject({ code: 'slot_taken', message: 'gone' })")
    page = visit.open(partner.origin + partner.put(script + tenant.tag("slot-picker", calendar)))
    confirm(page)

    expect(page.get_by_role("alert")).to_contain_text("Somebody else has just taken this time.")
    expect(page.locator(".SlotPicker")).to_have_count(0)
    with page.expect_response(lambda response: "/v1/availability" in response.url):
        page.get_by_role("button", name="Pick another time").click()
    expect(page.locator(".SlotPicker__slot").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.evaluate("window.booked") is None


@pytest.mark.parametrize("button", ["Confirm", "Try again"])
def test_a_booking_that_failed_can_be_confirmed_again(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, button: str
) -> None:
    script = books("picks === 1 ? Promise.reject(new Error('no card')) : Promise.resolve({ booking: picks })")
    page = visit.open(partner.origin + partner.put(script + tenant.tag("slot-picker", calendar)))
    confirm(page)

    expect(page.get_by_role("alert")).to_contain_text("Your booking could not be completed.")
    expect(page.get_by_role("button", name="Confirm")).to_be_focused()
    assert any("booking_failed" in line and "no card" in line for line in visit.console)

    page.get_by_role("button", name=button).click()
    expect(status(page)).to_contain_text("Booked")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.evaluate("booked.map(({ booking }) => booking)") == [2]


def test_confirming_twice_books_once(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    script = books("new Promise(() => {})")
    page = visit.open(partner.origin + partner.put(script + tenant.tag("slot-picker", calendar)))
    confirm(page)

    expect(status(page)).to_have_text("Booking…")
    page.evaluate("[...document.querySelectorAll('.SlotPicker button')].forEach((button) => button.click())")
    assert page.evaluate("picks") == 1


def followed_by(page: Page, after_pick: dict[str, str]) -> None:
    """Have the service grant widgets of another follow-up than it would store."""

    def grant(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=json.dumps(response.json() | {"after_pick": after_pick}))

    page.route("**/embed/token", grant)


def test_the_widgets_message_takes_the_elements_place(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    followed_by(visit.page, {"kind": "message", "text": "נתראה!"})
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))
    confirm(page)

    expect(status(page)).to_have_text("נתראה!")
    expect(status(page)).to_have_attribute("dir", "auto")
    expect(status(page)).to_be_focused()
    expect(page.locator(".SlotPicker")).to_have_count(0)


def test_what_the_widget_wants_waits_for_the_pages_booking(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    followed_by(visit.page, {"kind": "message", "text": "See you then!"})
    script = books("new Promise((resolve) => { window.book = resolve; })")
    page = visit.open(partner.origin + partner.put(script + tenant.tag("slot-picker", calendar)))
    confirm(page)

    expect(status(page)).to_have_text("Booking…")
    page.evaluate("book()")
    expect(status(page)).to_have_text("See you then!")
    assert len(page.evaluate("booked")) == 1


@pytest.mark.parametrize("url", ["http://thanks.example/", "javascript:alert(1)", "nowhere"])
def test_a_redirect_to_what_is_not_https_is_refused(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, url: str
) -> None:
    followed_by(visit.page, {"kind": "redirect", "url": url})
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))
    confirm(page)

    expect(page.get_by_role("alert")).to_be_visible()
    assert page.url.startswith(partner.origin)
    assert any(url in line and "no https address" in line for line in visit.console)
