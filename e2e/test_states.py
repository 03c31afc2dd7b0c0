"""How states are told: in the visitor's language or the page's own words, with a way on, and calmly."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from e2e.conftest import ARTIFACTS, PartnerSite, Tenant, Visit
from e2e.states import (
    LISTEN,
    OWN_PAGE,
    TRY_AGAIN,
    alert,
    events,
    hang,
    status,
    wait_for_event,
    wait_for_keeper,
)
from widgetsvc.loader import SOURCES

TOKEN = "**/embed/token"
DAYS = ".SlotPicker__slot"
CLEAR = "rgba(0, 0, 0, 0)"

STEP = 50
"""Thousandths of a wait: how far the page's clock goes on at a time."""


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    tenant.calendar("stated-1")
    return "stated-1"


@pytest.fixture(autouse=True)
def page(visit: Visit) -> Page:
    visit.page.add_init_script(LISTEN)
    return visit.page


@pytest.fixture
def failing(visit: Visit, partner: PartnerSite) -> list[str]:
    """Has the service answer that it is down; holds a line for every time that it was asked."""
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        headers = {"Access-Control-Allow-Origin": partner.origin}
        route.fulfill(status=503, headers=headers, json={"code": "upstream_unavailable", "detail": "down"})

    visit.page.route(TOKEN, refuse)
    return asked


def words(language: str) -> dict[str, str]:
    read: dict[str, str] = json.loads((SOURCES / "words" / f"{language}.json").read_text())
    return read


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(
    ("language", "spoken"),
    [("ar", "ar"), ("de-AT", "de"), ("es", "es"), ("fr", "fr"), ("ja", "ja"), ("tlh", "en")],
)
def test_states_are_told_in_the_language_of_the_page(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, language: str, spoken: str
) -> None:
    visit.page.set_viewport_size({"width": 320, "height": 700})
    tag = tenant.tag("slot-picker", calendar)
    page = visit.open(partner.origin + partner.put(f'<main lang="{language}">{tag}</main>'))

    expect(alert(page)).to_contain_text(words(spoken)["not_loaded"])
    expect(alert(page)).to_contain_text(words(spoken)["unavailable"])
    expect(page.get_by_role("button", name=words(spoken)["retry"])).to_be_visible()
    assert alert(page).get_attribute("lang") == spoken
    assert alert(page).get_attribute("dir") == ("rtl" if spoken == "ar" else "ltr")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.screenshot(path=ARTIFACTS / f"state-{spoken}.png")


@pytest.mark.usefixtures("failing")
def test_pages_may_say_it_in_their_own_words(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    texts = {"upstream_unavailable": "Our till is closed.", "retry": "Once more", "not_loaded": "Sorry!"}
    tag = tenant.tag("slot-picker", calendar, texts=json.dumps(texts))
    page = visit.open(partner.origin + partner.put(tag))

    expect(alert(page)).to_contain_text("Sorry!")
    expect(alert(page)).to_contain_text("Our till is closed.")
    expect(page.get_by_role("button", name="Once more")).to_be_visible()


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_states_take_the_colours_of_the_page(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, theme: str
) -> None:
    ground, ink = ("#fff", "rgb(20, 30, 40)") if theme == "light" else ("#14181b", "rgb(236, 239, 241)")
    head = f"<style>body{{background:{ground};color:{ink};font-family:Georgia}}</style>"
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar), head=head))

    button = page.get_by_role("button", name=TRY_AGAIN)
    expect(button).to_have_css("color", ink)
    expect(button).to_have_css("font-family", "Georgia")
    page.screenshot(path=ARTIFACTS / f"state-{theme}.png")


@pytest.mark.usefixtures("failing")
def test_there_is_a_way_to_the_hosted_page(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    tag = tenant.tag("slot-picker", calendar, tzid="Asia/Tokyo", locale="en-GB", assertion="a.b.c")
    page = visit.open(partner.origin + partner.put(tag))

    link = page.get_by_role("link", name=OWN_PAGE)
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("rel", "noopener")
    address = urlsplit(link.get_attribute("href") or "")
    assert address.path == "/frame/slot-picker"
    assert parse_qs(address.query) == {
        "key": [tenant.key],
        "calendar": [calendar],
        "tzid": ["Asia/Tokyo"],
        "locale": ["en-GB"],
    }
    assert address.fragment == "assertion=a.b.c"


def test_the_hosted_page_has_no_way_to_itself(
    visit: Visit, tenant: Tenant, calendar: str, failing: list[str]
) -> None:
    visit.open(f"{tenant.service.url}/frame/slot-picker?key={tenant.key}&calendar={calendar}")

    expect(visit.page.get_by_role("button", name=TRY_AGAIN)).to_be_visible()
    expect(visit.page.get_by_role("link", name=OWN_PAGE)).to_have_count(0)
    assert failing


def test_the_keyboard_keeps_its_place(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    loader = f'<div id="place"></div><script src="{tenant.service.url}/embed.js"></script>'
    visit.open(partner.origin + partner.put(loader))
    given = {"key": tenant.key, "element": "slot-picker", "calendar": calendar}
    page.evaluate("given => void (window.embed = WidgetSvc.mount('#place', given))", given)
    page.locator(DAYS).first.focus()
    wait_for_keeper(page)

    page.route(TOKEN, lambda route: route.abort())
    page.evaluate("embed.update({})")

    button = page.get_by_role("button", name=TRY_AGAIN)
    expect(button).to_be_focused()
    page.unroute_all()
    page.keyboard.press("Enter")
    page.locator(DAYS).first.wait_for()
    expect(page.locator("#place > [role=group]")).to_be_focused()


def settle(page: Page) -> None:
    """Return when the page has made of an answer what it makes of it without a timer."""
    page.evaluate(
        """new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          let turns = 50;
          port1.onmessage = () => (--turns ? port2.postMessage(0) : resolve());
          port2.postMessage(0);
        })"""
    )


def pause(page: Page) -> None:
    """Stop the page's clock; it goes on by the test's hand."""
    page.clock.install(time=0)
    page.clock.pause_at(1_000)


def test_tries_come_later_and_later_and_are_told_once(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, failing: list[str]
) -> None:
    page = visit.page
    pause(page)
    visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))
    box = page.get_by_role("group")

    for failures, wait in enumerate([2, 4, 8, 16, 32, 60], start=1):
        steps = 0
        while len(failing) == failures and box.get_attribute("aria-busy") == "false":
            page.clock.run_for(wait * STEP)
            steps += 1
            assert steps * STEP < 2_000
        assert steps * STEP >= 750
        # The page's clock stands still until the answer is there, however busy the machine is.
        expect(box).to_have_attribute("aria-busy", "false")
        settle(page)
        assert len(failing) == failures + 1
    assert len(events(page, "error")) == 1


def test_a_tab_that_nobody_looks_at_waits(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, failing: list[str]
) -> None:
    page = visit.page
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => Boolean(window.away) })")
    pause(page)
    visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))
    expect(alert(page)).to_be_visible()
    page.evaluate("window.away = true")
    page.clock.run_for(60_000)
    assert len(failing) == 1

    with page.expect_request(TOKEN):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_a_page_that_has_something_of_its_own_shows_that_meanwhile(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    pause(page)
    page.route(TOKEN, hang)
    attributes = f'data-key="{tenant.key}" data-element="slot-picker" data-calendar="{calendar}"'
    loader = f'<script src="{tenant.service.url}/embed.js"></script>'
    places = f"<div data-widgetsvc {attributes}></div><div data-widgetsvc {attributes}>Call us: 555</div>"
    with page.expect_request(TOKEN):
        visit.open(partner.origin + partner.put(places + loader))
    page.clock.fast_forward(900)

    expect(status(page)).to_have_text("Loading the calendar…")
    expect(page.get_by_text("Call us: 555")).to_be_visible()
    page.screenshot(path=ARTIFACTS / "state-loading.png")


def test_an_attribute_that_is_nearly_one_is_pointed_out(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    tag = tenant.tag("slot-picker", calendar, heigth="500", campaign="spring")
    page = visit.open(partner.origin + partner.put(tag))

    with page.expect_console_message(lambda message: "did you mean" in message.text) as told:
        pass
    assert told.value.text == "widgetsvc: data-heigth is not known: did you mean data-height?"
    assert not any("campaign" in line for line in visit.console)


@pytest.mark.parametrize("waking", ["visibilitychange", "pageshow", "online"])
def test_a_page_that_wakes_up_renews_what_has_grown_old(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, waking: str
) -> None:
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))
    page.locator(DAYS).first.wait_for()
    wait_for_keeper(page)
    wake = f"(document.dispatchEvent(new Event('{waking}')), dispatchEvent(new Event('{waking}')))"

    # A clock that was set back counts for nothing.
    page.evaluate(f"const {{ now }} = Date; Date.now = () => now() - 864e5; {wake}; Date.now = now;")
    page.evaluate(f"const {{ now }} = Date; Date.now = () => now() + 864e5; {wake}; Date.now = now;")

    wait_for_event(page, "renewed")
    assert len(visit.tokens) == 2


def test_states_are_counted_right_for_two_embeds(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    good, bad = tenant.tag("slot-picker", calendar), tenant.tag("slot-picker", "nope")
    page = visit.open(partner.origin + partner.put(good + bad))

    expect(alert(page)).to_have_count(1)
    page.locator(DAYS).first.wait_for()
    codes: list[Any] = [error["code"] for error in events(page, "error")]
    assert codes == ["unknown_calendar"]


@pytest.mark.parametrize("mode", ["inline", "frame"])
@pytest.mark.parametrize(
    ("scheme", "theme", "ground"),
    [
        pytest.param("dark", None, "rgb(255, 255, 255)", id="dark"),
        pytest.param("dark", "page", CLEAR, id="dark-page"),
        pytest.param("light", None, CLEAR, id="light"),
        pytest.param("light", "light", "rgb(255, 255, 255)", id="light-light"),
    ],
)
def test_elements_lie_on_light_ground(
    visit: Visit,
    partner: PartnerSite,
    tenant: Tenant,
    calendar: str,
    *,
    mode: str,
    scheme: str,
    theme: str | None,
    ground: str,
) -> None:
    paper, ink = ("#14181b", "#eceff1") if scheme == "dark" else ("#fff", "#14181b")
    head = f"<style>:root{{color-scheme:{scheme}}}body{{background:{paper};color:{ink}}}</style>"
    wish = {"mode": mode} | ({"theme": theme} if theme else {})
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar, **wish), head=head))
    inside = page.frame_locator(".widgetsvc iframe") if mode == "frame" else page

    expect(inside.locator(DAYS).first).to_be_visible()
    expect(inside.locator("[id^=widgetsvc-]")).to_have_css("background-color", ground)
    page.screenshot(path=ARTIFACTS / f"ground-{scheme}-{theme}-{mode}.png")
