"""The forms of an embed: each with every Element, by mouse and keyboard, on pages that make it hard."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from e2e.elements import SHOWN, SLOT
from tests.processes import RunningService
from tests.signing import signed
from widgetsvc.loader import load_loader
from widgetsvc.permissions import Element, Permission


def attributes(given: Mapping[str, str]) -> str:
    return "".join(f' data-{name}="{value}"' for name, value in given.items())


def loader(tenant: Tenant) -> str:
    core = load_loader().core
    src = f"{tenant.service.url}{core.path}"
    return f'<script async src="{src}" integrity="{core.integrity}" crossorigin="anonymous"></script>'


def script(tenant: Tenant, given: Mapping[str, str]) -> str:
    return f'<script async src="{tenant.service.url}/embed.js"{attributes(given)}></script>'


def container(tenant: Tenant, given: Mapping[str, str]) -> str:
    return f'<div data-widgetsvc{attributes(given)}><a href="/there">There</a></div>{loader(tenant)}'


def custom_element(tenant: Tenant, given: Mapping[str, str]) -> str:
    return f"<widgetsvc-embed{attributes(given)}></widgetsvc-embed>{loader(tenant)}"


def popup(tenant: Tenant, given: Mapping[str, str]) -> str:
    return f'<a href="/there" data-widgetsvc="popup"{attributes(given)}>Open it</a>{loader(tenant)}'


def floating(tenant: Tenant, given: Mapping[str, str]) -> str:
    return script(tenant, {**given, "form": "floating", "label": "Open it"})


def managed_frame(tenant: Tenant, given: Mapping[str, str]) -> str:
    return script(tenant, {**given, "mode": "frame"})


def plain_frame(tenant: Tenant, given: Mapping[str, str]) -> str:
    address = (
        f"{tenant.service.url}/frame/{given['element']}?key={tenant.key}&amp;calendar={given['calendar']}"
    )
    return f'<iframe src="{address}#assertion={given["assertion"]}" width="700" height="600"></iframe>'


FORMS: list[Callable[[Tenant, Mapping[str, str]], str]] = [
    script,
    container,
    custom_element,
    popup,
    floating,
    managed_frame,
    plain_frame,
]


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    tenant.calendar("forms-1")
    return "forms-1"


@pytest.fixture
def given(tenant: Tenant, calendar: str) -> dict[str, str]:
    return {"key": tenant.key, "element": "slot-picker", "calendar": calendar}


@pytest.fixture(scope="module")
def created(service: RunningService, partner: PartnerSite) -> dict[str, Any]:
    permissions = [part for permission in Permission for part in ("--permission", permission.value)]
    options = ["--name", "Forms", "--access", "signed", "--origin", partner.origin, *permissions]
    created: dict[str, Any] = service.run("tenant", "create", "forms", *options)
    service.run("calendar", "add", "forms", "desk")
    return created


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("element", Element)
def test_every_form_shows_every_element(
    service: RunningService,
    partner: PartnerSite,
    created: dict[str, Any],
    visit: Visit,
    element: Element,
    form: Callable[[Tenant, Mapping[str, str]], str],
) -> None:
    key, now = created["signing_key"], int(time.time())
    claims = {"iss": "forms", "aud": service.url, "iat": now, "exp": now + 300}
    claims |= {"element": element.value, "calendars": ["desk"]}
    assertion = signed("HS256", key["kid"], claims, key["secret"].encode())
    tenant = Tenant(service, "forms", created["publishable_key"])
    wanted = {"key": tenant.key, "element": element.value, "calendar": "desk", "assertion": assertion}
    page = visit.open(partner.origin + partner.put(form(tenant, wanted)))
    if form in {popup, floating}:
        page.get_by_text("Open it").click()

    framed = form in {managed_frame, plain_frame}
    place: Page | FrameLocator = page.frame_locator("iframe") if framed else page
    expect(place.locator(SHOWN[element]).first).to_be_visible()
    expect(place.get_by_role("alert")).to_have_count(0)


def test_what_was_in_the_container_comes_back(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    page = visit.open(partner.origin + partner.put(container(tenant, given) + '<p id="after">After</p>'))
    expect(page.locator(SLOT).first).to_be_visible()
    expect(page.get_by_role("link", name="There")).to_be_hidden()

    page.evaluate("document.querySelector('[data-widgetsvc]').remove()")
    page.evaluate(
        """(given) => {
          const place = document.createElement("div");
          place.id = "late";
          Object.assign(place.dataset, { widgetsvc: "" }, given);
          place.append(Object.assign(document.createElement("a"), { href: "/x", textContent: "Late" }));
          document.querySelector("#after").after(place);
        }""",
        given,
    )
    expect(page.locator(f"#late {SLOT}").first).to_be_visible()
    expect(page.get_by_role("link", name="Late")).to_be_hidden()


def test_attributes_that_change_start_it_anew(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    page = visit.open(partner.origin + partner.put(custom_element(tenant, given)))
    expect(page.locator(SLOT).first).to_be_visible()

    page.evaluate("document.querySelector('widgetsvc-embed').dataset.element = 'agenda'")

    expect(page.locator(".CronofyAgenda").first).to_be_visible()
    expect(page.locator(SLOT)).to_have_count(0)


def test_an_element_that_is_moved_is_there_again(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    page = visit.open(partner.origin + partner.put(custom_element(tenant, given) + '<main id="new"></main>'))
    expect(page.locator(SLOT).first).to_be_visible()

    page.evaluate("document.querySelector('#new').append(document.querySelector('widgetsvc-embed'))")

    expect(page.locator(f"#new {SLOT}").first).to_be_visible()


def test_a_dialog_is_used_by_keyboard_alone(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    page = visit.open(partner.origin + partner.put(popup(tenant, given)))
    page.wait_for_function("window.WidgetSvc")
    trigger = page.get_by_role("link", name="Open it")
    trigger.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Open it")
    expect(dialog).to_be_visible()
    expect(page.locator(SLOT).first).to_be_visible()
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('dialog') !== null")

    page.keyboard.press("Escape")

    expect(dialog).to_have_count(0)
    expect(trigger).to_be_focused()
    assert page.evaluate("document.adoptedStyleSheets.length") == 0
    assert not page.evaluate("document.documentElement.style.overflow")


def test_a_dialog_is_styled_under_a_strict_policy(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    url = tenant.service.url
    policy = {"Content-Security-Policy": f"script-src {url}; style-src 'self'; frame-src {url}"}
    page = visit.open(partner.origin + partner.put(popup(tenant, given), headers=policy))
    page.get_by_role("link", name="Open it").click()

    expect(page.frame_locator("dialog iframe").locator(SLOT).first).to_be_visible()
    dialog = page.get_by_role("dialog")
    assert dialog.evaluate("(node) => getComputedStyle(node).borderTopLeftRadius") == "12px"


def test_nothing_scrolls_sideways_on_a_narrow_page(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    visit.page.set_viewport_size({"width": 320, "height": 640})
    page = visit.open(partner.origin + partner.put(container(tenant, given) + floating(tenant, given)))
    expect(page.locator(SLOT).first).to_be_visible()
    page.get_by_role("button", name="Open it").click()
    expect(page.locator(f"dialog {SLOT}").first).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth <= 320")
    assert page.evaluate("document.querySelector('dialog').scrollWidth <= 320")


@pytest.mark.parametrize("hard", ["commonjs", "amd", "head", "quirks", "written"])
def test_it_appears_on_hard_pages(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str], hard: str
) -> None:
    tag = script(tenant, given)
    written = json.dumps(tag.replace(" async", "")).replace("</", "<\\/")
    body, head = {
        "commonjs": (
            f"<script>var module = {{ exports: {{}} }}, exports = module.exports;</script>{tag}",
            "",
        ),
        "amd": (f"<script>var define = Object.assign(() => 0, {{ amd: {{}} }});</script>{tag}", ""),
        "head": ("<p>Body</p>", tag),
        "written": (f"<script>document.write({written})</script>", ""),
        "quirks": (tag, ""),
    }[hard]
    path = partner.put(body, head=head, quirks=hard == "quirks")
    page = visit.open(partner.origin + path)

    expect(page.locator(SLOT).first).to_be_visible()
    assert page.evaluate("document.compatMode") == ("BackCompat" if hard == "quirks" else "CSS1Compat")


def test_a_target_that_disappears_leaves_no_trace(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    errors: list[str] = []
    visit.page.on("pageerror", lambda error: errors.append(str(error)))
    page = visit.open(partner.origin + partner.put(custom_element(tenant, given)))
    page.wait_for_function("document.querySelector('widgetsvc-embed > div')")
    page.evaluate("window.gone = document.querySelector('widgetsvc-embed'); gone.remove()")
    page.wait_for_load_state("networkidle")

    assert errors == []
    assert not [line for line in visit.console if line.startswith("error")]
    assert page.evaluate("gone.childElementCount") == 0


def test_the_first_loader_still_works_beside_the_current_one(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    (first,) = [path for path in load_loader().files if path.startswith("/embed/0.1.0/")]
    pinned = f'<script async src="{tenant.service.url}{first}"{attributes(given)}></script>'
    page = visit.open(partner.origin + partner.put(pinned))
    expect(page.locator(SLOT).first).to_be_visible()

    page = visit.open(partner.origin + partner.put(pinned + "<hr>" + script(tenant, given)))
    expect(page.locator(f"hr ~ .widgetsvc {SLOT}").first).to_be_visible()
    expect(page.locator(f".widgetsvc:has(~ hr) {SLOT}").first).to_be_visible()


@pytest.mark.parametrize(
    ("policy", "corrected"),
    [
        pytest.param(
            "style-src 'self'; frame-src 'none'", ["style-src 'self'; frame-src {}"], id="directive"
        ),
        pytest.param(
            "style-src 'self'; child-src 'self'; default-src http: 'unsafe-inline'",
            ["style-src 'self'; child-src 'self'; default-src http: 'unsafe-inline'; frame-src 'self' {}"],
            id="fallback",
        ),
        pytest.param(
            "style-src 'self'; frame-src 'self', frame-src 'none'",
            ["style-src 'self'; frame-src 'self' {}", "frame-src {}"],
            id="two policies",
        ),
    ],
)
def test_a_page_examines_itself(
    visit: Visit,
    partner: PartnerSite,
    tenant: Tenant,
    given: dict[str, str],
    policy: str,
    corrected: list[str],
) -> None:
    headers = {"Content-Security-Policy": policy}
    path = partner.put(script(tenant, given), headers=headers)
    page = visit.open(f"{partner.origin}{path}?widgetsvc=doctor")

    dialog = page.get_by_role("dialog", name="widgetsvc doctor")
    for each in corrected:
        expect(dialog).to_contain_text(f"Content-Security-Policy: {each.format(tenant.service.url)}")
    expect(dialog).to_contain_text("gets its token")


def test_tags_with_one_id_are_shown_and_spoken_of(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    tag = script(tenant, given).replace("<script ", '<script id="calendar" ')
    with visit.page.expect_console_message(lambda message: "the id “calendar”" in message.text):
        page = visit.open(partner.origin + partner.put(tag * 2))

    expect(page.locator(".SlotPicker")).to_have_count(2)


def test_a_link_whose_dialog_is_out_of_reach_is_followed(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    visit.page.route(f"**{load_loader().parts['popup'].path}", lambda route: route.abort())
    visit.page.route("**/there", lambda route: route.fulfill(body="There"))
    page = visit.open(partner.origin + partner.put(popup(tenant, given)))
    page.wait_for_function("window.WidgetSvc")

    page.get_by_role("link", name="Open it").click()

    expect(page).to_have_url(f"{partner.origin}/there")
    assert any("widgetsvc: bundle_failed" in line for line in visit.console)


def test_impatient_clicks_open_one_dialog(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    page = visit.open(partner.origin + partner.put(popup(tenant, given)))
    page.wait_for_function("window.WidgetSvc")

    page.get_by_role("link", name="Open it").evaluate("(link) => { link.click(); link.click(); }")

    expect(page.locator(SLOT).first).to_be_visible()
    expect(page.locator("dialog")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_a_page_that_throws_the_dialog_away_can_be_scrolled_again(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    page = visit.open(partner.origin + partner.put(popup(tenant, given)))
    page.wait_for_function("window.WidgetSvc")
    page.get_by_role("link", name="Open it").click()
    expect(page.locator(SLOT).first).to_be_visible()
    assert page.evaluate("document.documentElement.style.overflow") == "hidden"

    page.evaluate("document.querySelector('dialog').remove()")

    page.wait_for_function("!document.documentElement.style.overflow")
    assert page.evaluate("document.adoptedStyleSheets.length") == 0


def test_a_floating_button_goes_with_the_view_that_its_tag_was_in(
    visit: Visit, partner: PartnerSite, tenant: Tenant, given: dict[str, str]
) -> None:
    view = f'<main><section>{floating(tenant, given)}</section></main><p id="other">Other</p>'
    page = visit.open(partner.origin + partner.put(view))
    expect(page.get_by_role("button", name="Open it")).to_be_visible()

    page.evaluate("document.querySelector('main').remove()")

    expect(page.get_by_role("button", name="Open it")).to_have_count(0)


def test_a_page_examines_itself_with_a_loader_that_comes_late(
    visit: Visit, partner: PartnerSite, tenant: Tenant
) -> None:
    page = visit.open(f"{partner.origin}{partner.put('<p>Page</p>')}?widgetsvc=doctor")
    page.wait_for_load_state("load")

    page.add_script_tag(url=f"{tenant.service.url}/embed.js")

    expect(page.get_by_role("dialog", name="widgetsvc doctor")).to_be_visible()
