"""What visitors and developers see when something is wrong: words, and a way out; never a blank box."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from e2e.states import (
    LISTEN,
    OWN_PAGE,
    TRY_AGAIN,
    alert,
    events,
    hang,
    only_error,
    status,
    wait_for_event,
    wait_for_keeper,
)
from tests.processes import ROOT, RunningService
from widgetsvc.elements import STYLE_HASHES

FREE = ".CronofyAvailabilityViewer__slot-background--available"
DAYS = ".SlotPicker__slot"
API = "**/v1/availability?**"


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    tenant.calendar("failing-1")
    return "failing-1"


@pytest.fixture(autouse=True)
def page(visit: Visit) -> Page:
    visit.page.add_init_script(LISTEN)
    return visit.page


def answer(route: Route, partner: PartnerSite, code: int, body: object, **headers: str) -> None:
    cors = {"Access-Control-Allow-Origin": partner.origin, "Access-Control-Expose-Headers": "Retry-After"}
    route.fulfill(status=code, headers=cors | headers, json=body)


def test_a_stranger_reads_a_refusal_and_gets_no_token(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.open(partner.stranger_origin + partner.put(tenant.tag("slot-picker", calendar)))

    expect(alert(page)).to_contain_text(f"has not allowed it on {partner.stranger_origin}")
    assert only_error(page)["code"] == "origin_not_allowed"
    assert visit.tokens == []
    assert "code=origin_not_allowed" in tenant.service.log_text()
    (line,) = [line for line in visit.console if "widgetsvc: origin_not_allowed" in line]
    assert partner.stranger_origin in line
    assert f"{tenant.service.url}/problems#origin_not_allowed" in line


@pytest.mark.parametrize(
    ("change", "code", "detail"),
    [
        ({"data-calendar": "nope"}, "unknown_calendar", "nope"),
        ({"data-key": "pk_unknown"}, "unknown_key", "publishable key"),
        ({"data-element": "slot-pikcer"}, "invalid_tag", "did you mean slot-picker?"),
        ({"data-key": "sk_secret"}, "invalid_tag", "revoke it now"),
        ({"data-tzid": "Europe/Lodnon"}, "invalid_tag", "“Europe/Lodnon” is no time zone"),
        (
            {"data-options": "{&quot;tzid&quot;: &quot;Mars/Base&quot;}"},
            "invalid_tag",
            "“Mars/Base” is no time zone",
        ),
        ({"data-calendar": "", "data-calender": "a"}, "invalid_tag", "did you mean data-calendar?"),
        (
            {"data-options": "[1", "data-height": "5em"},
            "invalid_tag",
            "is no number of pixels: write it as in 500. data-options is not a JSON object.",
        ),
    ],
    ids=["calendar", "key", "element", "secret-key", "zone", "zone-in-options", "misspelt", "many-faults"],
)
def test_a_wrong_tag_says_what_to_correct(  # noqa: PLR0917 - fixtures
    visit: Visit,
    partner: PartnerSite,
    tenant: Tenant,
    calendar: str,
    change: dict[str, str],
    code: str,
    detail: str,
) -> None:
    right = {"data-key": tenant.key, "data-element": "slot-picker", "data-calendar": calendar}
    attributes = " ".join(f'{name}="{value}"' for name, value in (right | change).items())

    page = visit.open(
        partner.origin + partner.put(f'<script src="{tenant.service.url}/embed.js" {attributes}></script>')
    )

    expect(alert(page)).to_contain_text("Please tell the owner of this page.")
    assert only_error(page)["code"] == code
    (line,) = [line for line in visit.console if "widgetsvc:" in line and "timed_out" not in line]
    assert detail in line
    assert "sk_secret" not in line
    assert visit.tokens == []


def test_ready_rejects_what_no_retry_heals(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    loader = f'<div id="place"></div><script src="{tenant.service.url}/embed.js"></script>'
    page = visit.open(partner.origin + partner.put(loader))

    code = page.evaluate(
        "given => WidgetSvc.mount('#place', given).ready.catch(({ code }) => code)",
        {"key": "pk_unknown", "element": "agenda", "calendar": calendar},
    )

    assert code == "unknown_key"


def test_a_service_that_is_out_of_reach_is_awaited(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    page.route(re.compile("/embed/token|/healthz"), lambda route: route.abort())
    visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_contain_text("cannot be reached")
    assert only_error(page)["code"] == "service_unreachable"
    page.unroute_all()
    expect(page.locator(".CronofyAgenda").first).to_be_visible()
    expect(alert(page)).to_have_count(0)


def test_a_service_that_dies_under_a_page_is_told_and_awaited(
    visit: Visit, partner: PartnerSite, tmp_path: Path
) -> None:
    with RunningService(tmp_path / "data") as service:
        created = service.run("tenant", "create", "acme", "--name", "Acme", "--origin", partner.origin)
        tenant = Tenant(service, "acme", created["publishable_key"])
        tenant.calendar("dying-1")
        tag = tenant.tag("availability-viewer", "dying-1")
        page = visit.open(partner.origin + partner.put(tag))
        page.locator(FREE).first.wait_for()
        wait_for_keeper(page)

        service.kill()
        page.get_by_role("button", name="Next").click()

        expect(alert(page)).to_contain_text("We could not check which times are free.")
        expect(alert(page)).to_contain_text("cannot be reached")
        assert only_error(page)["code"] == "service_unreachable"
        service.start()
        page.get_by_role("button", name=TRY_AGAIN).click()
        page.locator(FREE).first.wait_for()
        expect(alert(page)).to_have_count(0)


def test_an_overloaded_service_is_named_with_its_support_code(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    body = {"code": "upstream_unavailable", "detail": "down", "support_code": "7F3K-2Q"}
    visit.page.route("**/embed/token", lambda route: answer(route, partner, 503, body))
    page = visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_contain_text("Support code 7F3K-2Q")
    error = only_error(page)
    assert error["message"] == alert(page).locator("strong, strong + span").evaluate_all(
        "nodes => nodes.map((node) => node.textContent).join(' ')"
    )
    assert error | {"message": ""} == {
        "name": "error",
        "code": "upstream_unavailable",
        "message": "",
        "fix": error["fix"],
        "docs": f"{tenant.service.url}/problems#upstream_unavailable",
        "retryable": True,
        "support_code": "7F3K-2Q",
    }


def test_an_answer_of_somebody_else_is_none(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    visit.page.route("**/embed/token", lambda route: answer(route, partner, 200, "Welcome to the hotel"))
    page = visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_contain_text("no usable answer")
    assert only_error(page)["code"] == "unexpected_answer"


def test_a_blocked_bundle_is_said_to_be_blocked(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    page.route("**/elements/**", lambda route: route.abort())
    visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_contain_text("content blocker")
    assert only_error(page)["code"] == "bundle_failed"
    page.unroute_all()
    page.get_by_role("button", name=TRY_AGAIN).click()
    expect(page.locator(".CronofyAgenda").first).to_be_visible()


def test_words_that_are_blocked_are_replaced_by_a_few(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    parts = json.loads((ROOT / "static" / "embed" / "manifest.json").read_text())["parts"]
    for blocked in (f"**/{parts['keeper']['file']}", "**/embed/token"):
        page.route(blocked, lambda route: route.abort())
    visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_contain_text("The calendar could not be loaded.")
    assert only_error(page)["code"] == "service_unreachable"
    page.unroute_all()
    page.get_by_role("button", name=TRY_AGAIN).click()
    expect(page.locator(".CronofyAgenda").first).to_be_visible()


@pytest.mark.parametrize(
    ("element", "code", "status_code", "says"),
    [
        ("slot-picker", "rate_limited", 429, "Very many people are asking"),
        ("slot-picker", "query_rejected", 422, "is not set up correctly"),
        ("availability-viewer", "upstream_unavailable", 500, "no usable answer"),
        ("availability-viewer", "query_rejected", 422, "is not set up correctly"),
        ("date-time-picker", "permission_not_allowed", 403, "not switched on here"),
        ("date-time-picker", "query_rejected", 422, "is not set up correctly"),
        ("slot-picker", "unexpected_answer", 200, "no usable answer"),
        ("agenda", "upstream_unavailable", 500, "no usable answer"),
    ],
    ids=lambda value: str(value).replace(" ", "-"),
)
def test_an_api_that_fails_is_not_left_to_the_element(  # noqa: PLR0917 - fixtures
    visit: Visit,
    partner: PartnerSite,
    tenant: Tenant,
    calendar: str,
    element: str,
    code: str,
    status_code: int,
    says: str,
) -> None:
    page = visit.page
    page.route(
        re.compile(r"/v1/(availability|events)\?"),
        lambda route: answer(route, partner, status_code, {"unheard": "of"}, **{"Retry-After": "60"}),
    )
    visit.open(partner.origin + partner.put(tenant.tag(element, calendar)))

    checked = "what is in the calendar" if element == "agenda" else "which times are free"
    expect(alert(page)).to_contain_text(f"We could not check {checked}.")
    expect(alert(page)).to_contain_text(says)
    expect(page.get_by_text(re.compile("no (slots|times)", re.IGNORECASE))).to_have_count(0)
    assert only_error(page)["code"] == code
    assert events(page, "empty") == []
    page.unroute_all()
    page.get_by_role("button", name=TRY_AGAIN).click()
    wait_for_event(page, "ready", 2)
    expect(alert(page)).to_have_count(0)


def test_an_api_answer_that_is_cut_off_is_told(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    visit.page.route(API, lambda route: route.abort())
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))

    expect(alert(page)).to_contain_text("no usable answer")
    assert only_error(page)["code"] == "upstream_unavailable"
    page.unroute_all()
    # By itself.
    page.locator(DAYS).first.wait_for()


@pytest.mark.parametrize("silent", ["**/embed/token", API])
def test_a_late_answer_is_announced_and_awaited(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, silent: str
) -> None:
    page = visit.page
    page.clock.install()
    waiting: list[Route] = []
    page.route(silent, lambda route: waiting.append(route))  # noqa: PLW0108 - inspected
    with page.expect_request(silent):
        visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))
    page.clock.fast_forward(4_100)

    expect(status(page)).to_contain_text("longer than usual")
    assert only_error(page)["code"] == "timed_out"
    for route in waiting:
        route.continue_()
    page.locator(DAYS).first.wait_for()
    expect(status(page)).to_have_count(0)


def test_an_answer_that_never_comes_is_given_up(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    page.clock.install()
    page.route("**/embed/token", hang)
    with page.expect_request("**/embed/token"):
        visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))
    page.clock.fast_forward(4_100)
    expect(status(page)).to_contain_text("longer than usual")
    page.clock.fast_forward(11_000)

    expect(alert(page)).to_contain_text("No answer came in time.")
    page.unroute_all()
    page.clock.fast_forward(2_600)
    page.locator(DAYS).first.wait_for()


@pytest.fixture
def mounted(visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str) -> Iterator[Page]:
    """A page with a slot picker whose handle is `embed`, and whose words are at hand."""
    loader = f'<div id="place"></div><script src="{tenant.service.url}/embed.js"></script>'
    page = visit.open(partner.origin + partner.put(loader))
    given = {"key": tenant.key, "element": "slot-picker", "calendar": calendar}
    page.evaluate("given => void (window.embed = WidgetSvc.mount('#place', given))", given)
    page.locator(DAYS).first.wait_for()
    wait_for_keeper(page)
    yield page
    page.context.set_offline(False)


def test_a_visitor_who_is_offline_reads_so_until_the_network_is_back(mounted: Page) -> None:
    mounted.context.set_offline(True)
    mounted.evaluate("embed.update({})")

    expect(alert(mounted)).to_contain_text("We could not check which times are free.")
    expect(alert(mounted)).to_contain_text("You are offline.")
    assert only_error(mounted)["code"] == "offline"
    mounted.context.set_offline(False)
    mounted.locator(DAYS).first.wait_for()
    expect(alert(mounted)).to_have_count(0)


def test_an_embed_that_is_destroyed_does_not_come_back(mounted: Page) -> None:
    mounted.context.set_offline(True)
    mounted.evaluate("embed.update({})")
    expect(alert(mounted)).to_be_visible()

    mounted.evaluate("embed.destroy()")
    mounted.context.set_offline(False)

    mounted.wait_for_function("navigator.onLine")
    expect(mounted.locator("#place")).to_be_empty()


def test_a_viewer_that_somebody_is_at_work_in_keeps_what_it_has(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.open(partner.origin + partner.put(tenant.tag("availability-viewer", calendar)))
    page.locator(FREE).first.wait_for()
    wait_for_keeper(page)
    page.route(API, lambda route: answer(route, partner, 500, {}))
    following = page.get_by_role("button", name="Next")
    following.click()

    expect(alert(page)).to_contain_text("We could not check which times are free.")
    assert only_error(page)["code"] == "upstream_unavailable"
    page.unroute_all()
    following.click()
    expect(alert(page)).to_have_count(0)
    assert len(events(page, "ready")) == 1


def test_two_tags_and_one_in_the_head_share_a_bundle(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    loads = []
    visit.page.on(
        "request", lambda request: loads.append(request.url) if "/elements/" in request.url else None
    )
    agenda = tenant.tag("agenda", calendar)
    page = visit.open(partner.origin + partner.put(f"{agenda}<hr>{agenda}", head=agenda))

    expect(page.locator(".widgetsvc .CronofyAgenda")).to_have_count(3)
    expect(page.locator("hr ~ .widgetsvc")).to_have_count(2)
    assert len(loads) == 1


def test_a_page_with_misleading_ids_still_gets_its_calendar(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    traps = "<a id=exports></a><a id=module></a><a id=WidgetSvc></a><form name=currentScript></form>"
    page = visit.open(partner.origin + partner.put(traps + tenant.tag("agenda", calendar)))

    expect(page.locator(".widgetsvc .CronofyAgenda")).to_be_visible()


def test_a_strict_policy_with_the_three_hashes_is_enough(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    url = tenant.service.url
    styles = " ".join(STYLE_HASHES)
    policy = f"default-src 'none'; script-src {url}; connect-src {url}; style-src {styles}; img-src data:"
    headers = {"Content-Security-Policy": policy}
    page = visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar), headers=headers))

    expect(page.locator(".CronofyAgenda").first).to_be_visible()
    assert visit.policy_violations() == []


@pytest.mark.parametrize("directive", ["connect-src", "script-src"])
def test_a_policy_that_keeps_the_service_out_is_named(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, directive: str
) -> None:
    url = tenant.service.url
    allowed = {"connect-src": "'none'", "script-src": url} | {
        directive: "'none'" if directive == "connect-src" else f"{url}/embed.js {url}/embed/"
    }
    policy = "; ".join(f"{name} {value}" for name, value in allowed.items())
    headers = {"Content-Security-Policy": f"default-src 'none'; {policy}; img-src data:; style-src *"}
    if directive == "script-src":
        headers["Content-Security-Policy"] = headers["Content-Security-Policy"].replace(
            "connect-src 'none'", f"connect-src {url}"
        )
    tag = tenant.tag("agenda", calendar, mode="inline")
    page = visit.open(partner.origin + partner.put(tag, headers=headers))

    expect(alert(page)).to_contain_text("security settings")
    expect(page.get_by_role("link", name=OWN_PAGE)).to_be_visible()
    assert only_error(page)["fix"] == f"Add {url} to the page's {directive}."
    assert any("blocked_by_policy" in line and directive in line for line in visit.console)


@pytest.mark.parametrize("path", ["/frame/agenda?key=pk_unknown&calendar=a", "/frame/clock", "/frame/agenda"])
def test_a_refused_frame_is_a_readable_page(visit: Visit, tenant: Tenant, path: str) -> None:
    page = visit.open(tenant.service.url + path)

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("Support code")).to_be_visible()
    assert visit.policy_violations() == []
