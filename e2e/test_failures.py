"""What visitors and developers see when something is wrong: words, and a way out; never a blank box."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from widgetsvc.elements import STYLE_HASHES

TRY_AGAIN = "Try again"


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    tenant.calendar("failing-1")
    return "failing-1"


def alert(page: Page):
    return page.locator(".widgetsvc [role=alert]")


def test_a_stranger_reads_a_refusal_and_gets_no_token(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.open(partner.stranger_origin + partner.put(tenant.tag("slot-picker", calendar)))

    expect(alert(page)).to_contain_text(f"may not be shown on {partner.stranger_origin}")
    assert visit.tokens == []
    assert "code=origin_not_allowed" in tenant.service.log_text()
    assert any("origin_not_allowed" in line and partner.stranger_origin in line for line in visit.console)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("slot-picker", "nope", None), "unknown_calendar"),
        (("slot-picker", "failing-1", "pk_unknown"), "unknown_key"),
        (("clock", "failing-1", None), "invalid_tag"),
    ],
)
@pytest.mark.usefixtures("calendar")
def test_a_wrong_tag_says_what_to_correct(
    visit: Visit, partner: PartnerSite, tenant: Tenant, change: tuple[str, str, str | None], code: str
) -> None:
    element, name, key = change
    tag = tenant.tag(element, name).replace(tenant.key, key or tenant.key)

    page = visit.open(partner.origin + partner.put(tag))

    expect(alert(page)).to_be_visible()
    assert any(code in line for line in visit.console)
    assert visit.tokens == []


def test_a_broken_network_heals_with_try_again(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    page.route(re.compile("/embed/token|/healthz"), lambda route: route.abort())
    visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_contain_text("cannot be reached")
    page.unroute_all()
    page.get_by_role("button", name=TRY_AGAIN).click()
    expect(page.locator(".CronofyAgenda").first).to_be_visible()
    expect(alert(page)).to_have_count(0)


def test_an_overloaded_service_is_named_with_its_support_code(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    def refuse(route: Route) -> None:
        body = '{"code": "upstream_unavailable", "detail": "down", "support_code": "7F3K-2Q"}'
        headers = {"Access-Control-Allow-Origin": partner.origin, "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=body)

    visit.page.route("**/embed/token", refuse)
    page = visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_contain_text("7F3K-2Q")
    expect(page.get_by_role("button", name=TRY_AGAIN)).to_be_visible()


def test_a_blocked_bundle_is_said_to_be_blocked(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    page.route("**/elements/**", lambda route: route.abort())
    visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_contain_text("could not be loaded")
    page.unroute_all()
    page.get_by_role("button", name=TRY_AGAIN).click()
    expect(page.locator(".CronofyAgenda").first).to_be_visible()


def test_an_api_that_fails_is_not_left_to_the_element(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.page
    page.route("**/v1/events?**", lambda route: route.abort())
    visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))

    expect(alert(page)).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name=TRY_AGAIN).click()
    expect(page.locator(".CronofyAgenda").first).to_be_visible()
    expect(alert(page)).to_have_count(0)


def test_two_tags_and_one_in_the_head_share_a_bundle(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    loads = []
    visit.page.on(
        "request", lambda request: loads.append(request.url) if "/elements/" in request.url else None
    )
    agenda = tenant.tag("agenda", calendar)
    page = visit.open(partner.origin + partner.put(f"{agenda}<hr>{agenda}", head=agenda))

    expect(page.locator(".widgetsvc > div > .CronofyAgenda")).to_have_count(3)
    expect(page.locator("hr ~ .widgetsvc")).to_have_count(2)
    assert len(loads) == 1


def test_a_page_with_misleading_ids_still_gets_its_calendar(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    traps = "<a id=exports></a><a id=module></a><a id=WidgetSvc></a><form name=currentScript></form>"
    page = visit.open(partner.origin + partner.put(traps + tenant.tag("agenda", calendar)))

    expect(page.locator(".widgetsvc > div > .CronofyAgenda")).to_be_visible()


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


def test_a_policy_that_forbids_the_service_is_named(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    url = tenant.service.url
    headers = {"Content-Security-Policy": f"default-src 'none'; script-src {url}; img-src data:"}
    page = visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar), headers=headers))

    expect(alert(page)).to_contain_text("security settings")
    assert any("blocked_by_policy" in line and "connect-src" in line for line in visit.console)


@pytest.mark.parametrize("path", ["/frame/agenda?key=pk_unknown&calendar=a", "/frame/clock", "/frame/agenda"])
def test_a_refused_frame_is_a_readable_page(visit: Visit, tenant: Tenant, path: str) -> None:
    page = visit.open(tenant.service.url + path)

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("Support code")).to_be_visible()
    assert visit.policy_violations() == []
