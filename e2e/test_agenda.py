"""The agenda, by script tag and by frame."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from e2e.conftest import PartnerSite, Tenant, TenantCalendar, Visit

LONDON = ZoneInfo("Europe/London")  # where the visitor is


def today_at(hour: int) -> str:
    today = datetime.now(LONDON).replace(hour=hour, minute=0, second=0, microsecond=0)
    return today.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> TenantCalendar:
    calendar = tenant.calendar("agenda-1")
    calendar.write("a", "Board meeting", today_at(10), today_at(11))
    calendar.write("b", "<img src=x onerror=alert(1)>", today_at(13), today_at(14))
    return calendar


@pytest.mark.usefixtures("calendar")
def test_the_tag_shows_events_on_the_partners_own_page(
    visit: Visit, partner: PartnerSite, tenant: Tenant
) -> None:
    page = visit.open(
        partner.origin + partner.put(f"<h1>Ours</h1>{tenant.tag('agenda', 'agenda-1')}<p>After</p>")
    )

    expect(page.get_by_text("Board meeting")).to_be_visible()
    expect(page.locator("h1 ~ .widgetsvc ~ p")).to_have_text("After")
    assert len(visit.tokens) == 1
    assert not [line for line in visit.console if line.startswith("error")]


@pytest.mark.usefixtures("calendar")
def test_event_texts_are_text(visit: Visit, partner: PartnerSite, tenant: Tenant) -> None:
    page = visit.open(partner.origin + partner.put(tenant.tag("agenda", "agenda-1")))

    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()


@pytest.mark.usefixtures("calendar")
def test_a_frame_shows_events_under_a_strict_policy(
    visit: Visit, partner: PartnerSite, tenant: Tenant
) -> None:
    src = f"{tenant.service.url}/frame/agenda?key={tenant.key}&amp;calendar=agenda-1"
    page = visit.open(partner.origin + partner.put(f'<iframe src="{src}" width="800" height="600"></iframe>'))

    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("Board meeting")).to_be_visible()
    header = frame.get_by_text("Board meeting").evaluate("node => getComputedStyle(node).fontSize")
    assert header.endswith("px")
    assert visit.policy_violations() == []


@pytest.mark.usefixtures("calendar")
def test_a_frame_stays_dark_on_a_page_that_may_not_frame_it(
    visit: Visit, partner: PartnerSite, tenant: Tenant
) -> None:
    src = f"{tenant.service.url}/frame/agenda?key={tenant.key}&amp;calendar=agenda-1"
    path = partner.put(f'<iframe src="{src}" width="800" height="600"></iframe>')
    page = visit.page
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.goto(partner.stranger_origin + path)

    assert visit.tokens == []


@pytest.mark.usefixtures("calendar")
def test_yesterday_and_tomorrow_can_be_reached(visit: Visit, partner: PartnerSite, tenant: Tenant) -> None:
    tomorrow = (datetime.now(LONDON) + timedelta(days=1)).strftime("%Y-%m-%d")
    options = f'{{"start_date": "{tomorrow}"}}'
    page = visit.open(partner.origin + partner.put(tenant.tag("agenda", "agenda-1", options=options)))

    expect(page.get_by_text("Board meeting")).to_have_count(0)
    expect(page.locator(".widgetsvc")).to_be_visible()
