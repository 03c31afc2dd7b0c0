"""Embeds in frames that the loader manages: what passes between the page and the frame, and what must not."""

import json
import re
import time
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, Request, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from e2e.elements import SHOWN, SLOT
from e2e.held import Held
from tests.processes import RunningService
from tests.signing import signed
from widgetsvc.loader import load_loader
from widgetsvc.permissions import Element, Permission

STRICT = {"Content-Security-Policy": "script-src 'nonce-abc' 'strict-dynamic'; style-src 'self'"}
HEARD = """<script>
  window.heard = [];
  for (const name of ["ready", "slot-picked", "booked", "empty", "error", "renewed", "resized"])
    addEventListener(`widgetsvc:${name}`, ({ detail, target }) =>
      heard.push({ name, own: !!target.closest("body"), ...detail, respondWith: 0 }));
</script>"""


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    tenant.calendar("framed-1")
    return "framed-1"


@pytest.fixture(scope="module")
def created(service: RunningService, partner: PartnerSite) -> dict[str, Any]:
    permissions = [part for permission in Permission for part in ("--permission", permission.value)]
    options = ["--name", "Framed", "--access", "signed", "--origin", partner.origin, *permissions]
    created: dict[str, Any] = service.run("tenant", "create", "framed", *options)
    service.run("calendar", "add", "framed", "desk")
    return created


def inside(page: Page) -> FrameLocator:
    return page.frame_locator(".widgetsvc iframe")


def names(page: Page) -> list[str]:
    heard: list[str] = page.evaluate("heard.map(({ name }) => name)")
    return heard


def codes(page: Page) -> list[str]:
    heard: list[str] = page.evaluate("heard.filter(({ name }) => name === 'error').map(({ code }) => code)")
    return heard


@pytest.mark.parametrize("element", Element)
def test_every_element_appears_in_a_managed_frame(
    service: RunningService, partner: PartnerSite, created: dict[str, Any], visit: Visit, element: Element
) -> None:
    key, now = created["signing_key"], int(time.time())
    claims = {"iss": "framed", "aud": service.url, "iat": now, "exp": now + 300}
    claims |= {"element": element.value, "calendars": ["desk"]}
    assertion = signed("HS256", key["kid"], claims, key["secret"].encode())
    own_requests: list[Request] = []

    def note(request: Request) -> None:
        if request.frame.parent_frame is None:
            own_requests.append(request)

    visit.page.on("request", note)
    tenant = Tenant(service, "framed", created["publishable_key"])
    tag = tenant.tag(element.value, "desk", mode="frame", assertion=assertion)
    page = visit.open(partner.origin + partner.put(HEARD + tag))

    expect(inside(page).locator(SHOWN[element]).first).to_be_visible()
    page.wait_for_function("heard.some(({ name }) => name === 'ready')")
    assert names(page).count("ready") == 1
    # Neither token nor assertion is in an address, and the page itself asked for neither token nor bundle.
    assert not [each.url for each in own_requests if re.search("embed/token|/elements/|[?&]et=", each.url)]
    assert assertion not in service.log_text()


def test_a_strict_page_shows_a_styled_element_and_no_violation(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    tag = tenant.tag("slot-picker", calendar).replace("<script ", "<script nonce=abc ")
    count = "addEventListener('securitypolicyviolation', () => window.violated = true)"
    page = visit.open(
        partner.origin + partner.put(f"<script nonce=abc>{count}</script>{tag}", headers=STRICT)
    )

    slot = inside(page).locator(SLOT).first
    expect(slot).to_be_visible()
    assert (
        inside(page).locator("style[data-emotion]").first.evaluate("({ sheet }) => sheet.cssRules.length") > 0
    )
    assert page.evaluate("window.violated") is None
    assert visit.policy_violations() == []


@pytest.mark.parametrize(
    ("styles", "framed"),
    [
        ("style-src 'self'", True),
        ("style-src 'self' 'unsafe-inline'", False),
        ("img-src *", False),
    ],
)
def test_a_page_keeps_the_element_where_its_styles_work(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, styles: str, framed: bool
) -> None:
    headers = {"Content-Security-Policy": styles}
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar), headers=headers))
    where = inside(page) if framed else page

    expect(where.locator(SLOT).first).to_be_visible()
    expect(page.locator(".widgetsvc iframe")).to_have_count(int(framed))


def settled_height(page: Page, content: Locator) -> int:
    """The frame's height, when it is that of its content."""
    deadline = time.monotonic() + 30
    while True:
        frame = page.locator(".widgetsvc iframe").evaluate("(frame) => frame.clientHeight")
        if frame == content.evaluate("(main) => main.offsetHeight"):
            return int(frame)
        assert time.monotonic() < deadline


def test_the_frame_is_as_high_as_what_it_shows(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    tag = tenant.tag("date-time-picker", calendar, mode="frame")
    page = visit.open(partner.origin + partner.put(HEARD + tag))
    expect(inside(page).locator(SHOWN[Element.DATE_TIME_PICKER]).first).to_be_visible()

    for width in (1280, 400, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        # As high as it is wide enough for: nothing is cut off, and nothing is left over.
        content = inside(page).locator(".widgetsvc")
        page.wait_for_timeout(50)
        expect(content).to_have_js_property("offsetHeight", settled_height(page, content))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert names(page).count("resized") < 20


def test_a_pick_in_the_frame_is_told_to_the_page_once(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.open(partner.origin + partner.put(HEARD + tenant.tag("slot-picker", calendar, mode="frame")))
    slots = inside(page).locator(SLOT)
    slots.first.click()
    slots.nth(1).click()
    inside(page).get_by_role("button", name="Confirm").click()

    page.wait_for_function("heard.some(({ name }) => name === 'slot-picked')")
    (pick,) = page.evaluate("heard.filter(({ name }) => name === 'slot-picked')")
    assert pick["own"]
    assert set(pick["slot"]) >= {"start", "end"}


def test_what_becomes_of_a_pick_is_told_to_the_frame(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    book = """<script>
      const book = Promise.resolve({ booking: 7 });
      addEventListener("widgetsvc:slot-picked", ({ detail }) => detail.respondWith(book));
      addEventListener("widgetsvc:booked", ({ detail }) => document.title = `booked ${detail.booking}`);
    </script>"""
    page = visit.open(partner.origin + partner.put(book + tenant.tag("slot-picker", calendar, mode="frame")))
    slots = inside(page).locator(SLOT)
    slots.first.click()
    slots.nth(1).click()
    inside(page).get_by_role("button", name="Confirm").click()

    expect(inside(page).get_by_role("status")).to_contain_text("Booked")
    expect(page).to_have_title("booked 7")


def test_strangers_messages_are_passed_over(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    forger = """<script>
      addEventListener("message", () => window.overheard = true);
      const forge = (target) => {
        target.postMessage({ widgetsvc: "hello", versions: [1] }, "*");
        const connect = { widgetsvc: "connect", version: 1, settings: { given: { element: "agenda" } } };
        target.postMessage(connect, "*", [new MessageChannel().port1]);
      };
      setInterval(() => { forge(parent); for (let at = 1; at < parent.length; at++) forge(parent[at]); }, 5);
    </script>"""
    stranger = partner.stranger_origin + partner.put(forger)
    frame = f'<iframe id="stranger" src="{stranger}"></iframe>'
    tag = tenant.tag("slot-picker", calendar, mode="frame")
    page = visit.open(partner.origin + partner.put(frame + HEARD + tag))

    expect(inside(page).locator(SLOT).first).to_be_visible()
    assert names(page).count("ready") == 1
    strange = next(each for each in page.frames if each.url == stranger)
    assert strange.evaluate("window.overheard") is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"calendar": "nowhere"}, "unknown_calendar", id="calendar"),
        pytest.param({"key": "pk_nobody"}, "unknown_key", id="key"),
    ],
)
def test_a_frame_that_is_refused_says_why(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, change: dict[str, str], code: str
) -> None:
    tag = tenant.tag("slot-picker", change.get("calendar", calendar), mode="frame")
    page = visit.open(
        partner.origin + partner.put(HEARD + tag.replace(tenant.key, change.get("key", tenant.key)))
    )

    expect(page.get_by_role("alert")).to_be_visible()
    assert [each for each in codes(page) if each != "timed_out"] == [code]
    assert visit.token_answers == []


def test_a_policy_that_forbids_frames_is_named(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    headers = {"Content-Security-Policy": "frame-src 'self'"}
    tag = tenant.tag("slot-picker", calendar, mode="frame")
    page = visit.open(partner.origin + partner.put(tag, headers=headers))

    expect(page.get_by_role("alert")).to_contain_text("security settings")
    assert any("blocked_by_policy" in line and "frame-src" in line for line in visit.console)
    assert visit.token_answers == []


def test_a_frame_that_says_nothing_is_not_waited_for(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    visit.page.route(
        "**/frame/**", lambda route: route.fulfill(body="<p>Something else", content_type="text/html")
    )
    tag = tenant.tag("slot-picker", calendar, mode="frame")
    page = visit.open(partner.origin + partner.put(HEARD + tag))

    expect(page.get_by_role("alert")).to_be_visible()
    assert [each for each in codes(page) if each != "timed_out"] == ["framed_out"]
    assert visit.token_answers == []
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(inside(page).locator(SLOT).first).to_be_visible()


def test_a_destroyed_frame_leaves_nothing(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    options = json.dumps({"key": tenant.key, "element": "agenda", "calendar": calendar, "mode": "frame"})
    place = f'<div id="place"></div><script src="{tenant.service.url}/embed.js"></script>'
    page = visit.open(partner.origin + partner.put(place))

    page.evaluate(
        f"(async () => {{ window.embed = WidgetSvc.mount('#place', {options}); await embed.ready; }})()"
    )
    page.evaluate("embed.destroy()")

    assert page.evaluate("document.querySelector('#place').outerHTML") == '<div id="place"></div>'


def test_a_frame_that_is_there_is_not_covered_by_a_notice_that_it_is_coming(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    # The notice is due before its words are there; when they come, the frame has come already.
    keeper = Held(page, f"**{load_loader().parts['keeper'].path}")
    path = partner.put(HEARD + tenant.tag("slot-picker", calendar, mode="frame"))
    page.goto(partner.origin + path, wait_until="commit")
    expect(inside(page).locator(SLOT).first).to_be_visible()
    page.wait_for_function("heard.some(({ name }) => name === 'ready')")
    keeper.let_go()
    page.wait_for_load_state("networkidle")

    expect(page.locator(".widgetsvc [role=status]")).to_have_count(0)


def test_what_takes_long_in_the_frame_is_said_there_alone(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    tokens = Held(visit.page, "**/embed/token")
    page = visit.open(partner.origin + partner.put(HEARD + tenant.tag("agenda", calendar, mode="frame")))

    expect(inside(page).get_by_role("status")).to_contain_text("longer than usual")
    expect(page.get_by_role("status")).to_have_count(0)
    tokens.let_go()
    expect(inside(page).locator(SHOWN[Element.AGENDA]).first).to_be_visible()


def test_whoever_reads_on_is_not_carried_off_by_a_failure(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    text = '<div style="height: 4000px">A long text</div>'
    tag = tenant.tag("agenda", calendar, mode="frame")
    page = visit.open(partner.origin + partner.put(HEARD + tag + text))
    expect(inside(page).locator(SHOWN[Element.AGENDA]).first).to_be_visible()
    page.wait_for_function("heard.some(({ name }) => name === 'ready')")
    page.evaluate("scrollTo(0, 2500)")

    visit.page.route("**/v1/events?**", lambda route: route.abort())
    # Clicks of scripts move no focus into the frame.
    next_day = "setInterval(() => document.querySelector('.CronofyAgenda__nav--next')?.click(), 50)"
    inside(page).locator("body").evaluate(f"() => void {next_day}")
    page.wait_for_function("heard.some(({ name }) => name === 'error')")
    page.evaluate("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))")

    assert page.evaluate("scrollY") == 2500


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_frame_looks_like_its_surroundings(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, scheme: str
) -> None:
    head = f"<style>:root {{ color-scheme: {scheme}; color: rgb(1, 2, 3); font-family: serif }}</style>"
    tag = tenant.tag("agenda", calendar, mode="frame")
    page = visit.open(partner.origin + partner.put(tag, head=head))
    expect(inside(page).locator(SHOWN[Element.AGENDA]).first).to_be_visible()

    # Browsers lay a ground of their own below a frame whose scheme is another than its page's.
    style = """(node) => {
      const { backgroundColor, color, colorScheme, fontFamily } = getComputedStyle(node);
      return { backgroundColor, color, colorScheme, fontFamily };
    }"""
    assert page.locator(".widgetsvc iframe").evaluate(style)["colorScheme"] == scheme
    clear = "rgba(0, 0, 0, 0)"
    assert inside(page).locator("html").evaluate(style)["colorScheme"] == scheme
    assert inside(page).locator("html").evaluate(style)["backgroundColor"] == clear
    body = inside(page).locator("body").evaluate(style)
    assert (body["backgroundColor"], body["color"], body["fontFamily"]) == (clear, "rgb(1, 2, 3)", "serif")


def test_a_frame_that_grows_with_itself_is_stopped(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.open(partner.origin + partner.put(HEARD + tenant.tag("agenda", calendar, mode="frame")))
    expect(inside(page).locator(SHOWN[Element.AGENDA]).first).to_be_visible()

    with page.expect_console_message(lambda message: "grows and grows" in message.text):
        inside(page).locator(".widgetsvc").evaluate("(main) => { main.style.height = 'calc(100vh + 10px)'; }")

    assert page.locator(".widgetsvc iframe").evaluate("(frame) => frame.clientHeight") < 1000
