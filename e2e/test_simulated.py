"""The switchboard of failures: each is acted out for tenants in test mode, told in words, and got over."""

from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from e2e.states import LISTEN, TRY_AGAIN, alert, events, only_error, status, wait_for_event
from tests.processes import RunningService

DAYS = ".SlotPicker__slot"


@dataclass(frozen=True)
class Stage:
    """Where failures are acted out."""

    visit: Visit
    partner: PartnerSite
    tenant: Tenant

    def open(self, simulate: str) -> Page:
        self.visit.page.add_init_script(LISTEN)
        tag = self.tenant.tag("slot-picker", "acting-1", simulate=simulate)
        return self.visit.open(self.partner.origin + self.partner.put(tag))


@pytest.fixture(scope="module")
def trying(service: RunningService, partner: PartnerSite) -> Tenant:
    created = service.run(
        "tenant", "create", "trying", "--name", "Trying", "--origin", partner.origin, "--test-mode"
    )
    tenant = Tenant(service, "trying", created["publishable_key"])
    tenant.calendar("acting-1")
    return tenant


@pytest.fixture
def stage(visit: Visit, partner: PartnerSite, trying: Tenant) -> Stage:
    return Stage(visit, partner, trying)


@pytest.mark.parametrize(
    ("simulate", "code", "says"),
    [
        ("expired", "expired_token", "permission to look into the calendar"),
        ("429", "rate_limited", "Very many people"),
        ("500", "upstream_unavailable", "no usable answer"),
    ],
)
def test_what_passes_is_got_over_by_itself(stage: Stage, simulate: str, code: str, says: str) -> None:
    page = stage.open(simulate)

    expect(alert(page)).to_contain_text(says)
    assert only_error(page)["code"] == code
    page.locator(DAYS).first.wait_for()
    expect(alert(page)).to_have_count(0)


def test_who_is_offline_is_back_with_the_network(stage: Stage) -> None:
    page = stage.open("offline")

    expect(alert(page)).to_contain_text("comes back by itself")
    assert only_error(page)["code"] == "offline"
    page.evaluate("dispatchEvent(new Event('online'))")
    page.locator(DAYS).first.wait_for()


@pytest.mark.parametrize(
    ("simulate", "code", "says"),
    [
        ("origin", "origin_not_allowed", "has not allowed it"),
        ("csp", "blocked_by_policy", "security settings"),
    ],
)
def test_what_lasts_stays_until_somebody_acts(stage: Stage, simulate: str, code: str, says: str) -> None:
    page = stage.open(simulate)

    expect(alert(page)).to_contain_text(says)
    assert only_error(page)["code"] == code
    page.get_by_role("button", name=TRY_AGAIN).click()
    assert [error["code"] for error in wait_for_event(page, "error", 2)] == [code, code]


def test_a_slow_answer_is_awaited(stage: Stage) -> None:
    page = stage.visit.page
    page.clock.install()
    stage.open("slow")
    wait_for_event(page, "ready")
    page.clock.fast_forward(4_100)

    expect(status(page)).to_contain_text("longer than usual")
    assert only_error(page)["code"] == "timed_out"
    page.clock.fast_forward(2_000)
    page.locator(DAYS).first.wait_for()
    expect(status(page)).to_have_count(0)


@pytest.mark.parametrize("simulate", ["skew", "skew:-5m"])
def test_a_wrong_clock_changes_nothing(stage: Stage, simulate: str) -> None:
    page = stage.open(simulate)

    page.locator(DAYS).first.wait_for()
    assert events(page, "error") == []
    (line,) = [line for line in stage.visit.console if "data-simulate" in line]
    assert line.startswith("info: ")


def test_no_slots_are_told_by_the_element_itself(stage: Stage) -> None:
    page = stage.open("noslots")

    wait_for_event(page, "empty")
    expect(page.get_by_text("No slots found")).to_be_visible()
    assert events(page, "error") == []


def test_a_typo_is_no_failure(stage: Stage) -> None:
    page = stage.open("flood")

    page.locator(DAYS).first.wait_for()
    assert any("“flood” is not known" in line for line in stage.visit.console)


def test_nothing_is_acted_out_for_other_tenants(visit: Visit, partner: PartnerSite, tenant: Tenant) -> None:
    tenant.calendar("acting-1")
    page = Stage(visit, partner, tenant).open("500")

    page.locator(DAYS).first.wait_for()
    assert events(page, "error") == []
    assert any("data-simulate is ignored" in line for line in visit.console)


def test_a_slot_that_is_taken_leads_back_to_the_others(stage: Stage) -> None:
    page = stage.open("taken")
    for _ in range(2):
        page.locator(DAYS).first.click()
    page.get_by_role("button", name="Confirm").click()

    expect(alert(page)).to_contain_text("Somebody else has just taken this time.")
    assert only_error(page)["code"] == "slot_taken"
    page.get_by_role("button", name="Pick another time").click()
    page.locator(DAYS).first.wait_for()
    expect(alert(page)).to_have_count(0)
