"""A token runs out while somebody is at work in an Element: nothing that they did is lost."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest
from playwright.sync_api import Page, Route, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from e2e.elements import press
from tests.processes import RunningService
from tests.signing import signed

LIFE = 3_600


class Exchange:
    """Stands between page and service: the page gets tokens by names of its own, which run out on demand.

    What is in force is sent on under its real name; anything else is answered as the API answers dead tokens.
    """

    def __init__(self, page: Page, origin: str) -> None:
        self.life = LIFE
        self.calls_left: int | None = None
        """How many calls more until all tokens have run out."""
        self.given: list[str] = []
        self.dead: set[str] = set()
        self.refusals = 0
        self.told: list[str] = []
        """What the page has said to be refused."""
        self._real = ""
        self._cors = {"Access-Control-Allow-Origin": origin}
        page.route("**/embed/token", self._give)
        page.route(re.compile(r"/v1/.*[?&]et="), self._pass_on)

    def _give(self, route: Route) -> None:
        self.told += parse_qs(route.request.post_data).get("refused", [])
        answer = route.fetch()
        document = answer.json()
        self._real = document["element_token"]["token"]
        name = f"t{len(self.given)}"
        self.given.append(name)
        document["element_token"] |= {"token": name, "expires_in": self.life}
        route.fulfill(response=answer, json=document)

    def _pass_on(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        query = parse_qs(parts.query)
        (name,) = query["et"]
        if name in self.dead or name not in self.given:
            self.refusals += 1
            route.fulfill(status=401, headers=self._cors)
            return
        if self.calls_left is not None:
            self.calls_left -= 1
            if not self.calls_left:
                self.run_out()
        query["et"] = [self._real]
        route.continue_(url=urlunsplit(parts._replace(query=urlencode(query, doseq=True))))

    def run_out(self) -> None:
        self.dead.update(self.given)


@pytest.fixture
def exchange(visit: Visit, partner: PartnerSite) -> Exchange:
    return Exchange(visit.page, partner.origin)


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    tenant.calendar("renewal-1")
    return "renewal-1"


@dataclass
class Heard:
    """The embed's events, as the page hears them."""

    page: Page
    names: list[str] = field(default_factory=list)

    def wait_for(self, name: str, times: int = 1) -> None:
        deadline = monotonic() + 30
        while self.names.count(name) < times:
            assert monotonic() < deadline, f"no {name}, but {self.names}"
            self.page.wait_for_timeout(50)


@pytest.fixture
def heard(visit: Visit) -> Iterator[Heard]:
    heard = Heard(visit.page)
    names = ["ready", "slot-picked", "error", "renewed", "empty"]
    visit.page.expose_function("heard", lambda name: heard.names.append(name))  # noqa: PLW0108 - inspected
    visit.page.add_init_script(
        f"""for (const name of {names})
          addEventListener(`widgetsvc:${{name}}`, ({{ detail }}) => window.heard(detail.code || name));"""
    )
    yield heard
    # Nothing was said to have failed (a slow machine may be said to be slow), and nothing began anew.
    assert set(heard.names) <= {"ready", "slot-picked", "renewed", "timed_out"}
    assert heard.names.count("ready") == 1


@pytest.mark.parametrize("step", ["days", "times", "confirm"])
def test_a_slot_is_picked_though_its_token_runs_out(  # noqa: PLR0917 - fixtures
    visit: Visit,
    partner: PartnerSite,
    tenant: Tenant,
    calendar: str,
    exchange: Exchange,
    heard: Heard,
    step: str,
) -> None:
    if step == "days":
        exchange.dead.add("t0")  # refused at once
    else:
        exchange.life = 2  # renewed in the background
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar)))
    slots = page.locator(".SlotPicker__slot")
    slots.first.click()
    if step == "times":
        heard.wait_for("renewed", 2)
    slots.nth(1).click()
    if step == "confirm":
        heard.wait_for("renewed", 2)
    page.get_by_role("button", name="Confirm").click()

    heard.wait_for("slot-picked")
    heard.wait_for("renewed")
    # What has only grown old is not held against the service.
    assert exchange.told == (["t0"] if step == "days" else [])


def test_selections_survive_a_token_that_dies_between_two_weeks(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, exchange: Exchange, heard: Heard
) -> None:
    today = f"{datetime.now(UTC):%A}".lower()
    options = json.dumps({"config": {"mode": "multi_select", "week_start_day": today}})
    tag = tenant.tag("availability-viewer", calendar, options=options)
    page = visit.open(partner.origin + partner.put(tag))
    selected = page.locator(".CronofyAvailabilityViewer__selected-slot")

    def turn(to: str) -> None:
        with page.expect_response(lambda answer: "/v1/availability" in answer.url and answer.ok):
            page.get_by_role("button", name=to).click()

    expect(page.locator(".CronofyAvailabilityViewer__slot-background--available").first).to_be_visible()
    turn("Next")
    page.get_by_role("button", name="10:15 - 10:45").nth(working_day()).click()
    expect(selected).to_have_count(1)
    exchange.run_out()
    turn("Previous")
    turn("Next")

    expect(selected).to_have_count(1)
    assert exchange.refusals == 1


def working_day() -> int:
    """The column of a day from Monday to Friday, in weeks that begin with today's day."""
    return 0 if datetime.now(UTC).weekday() < 5 else 2


def test_the_month_and_the_day_survive_a_token_that_dies_between_two_months(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, exchange: Exchange, heard: Heard
) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    periods = [{"start": stamp(now + timedelta(hours=2)), "end": stamp(now + timedelta(days=34))}]
    query = {"query_periods": periods}
    tag = tenant.tag("date-time-picker", calendar, options=json.dumps({"availability_query": query}))
    # The next month is fetched when this one is there.
    exchange.calls_left = 1
    page = visit.open(partner.origin + partner.put(tag))
    expect(page.locator(".DTP__time-slot").first).to_be_visible()
    heard.wait_for("renewed")

    day = (now.replace(day=1) + timedelta(days=32)).replace(day=2)
    month = page.get_by_role("heading", name=f"{day:%B %Y}")
    press(page.get_by_role("button", name="navigate to next month"), month)
    # Of the month after that, too, days are in the grid.
    second = page.locator(".DTP__calendar-grid--button").get_by_text("02", exact=True).first
    press(second, page.get_by_text(f"{day:%A} {day.day} {day:%B}", exact=True))
    page.locator(".DTP__time-slot").first.click()
    exchange.run_out()
    page.get_by_role("button", name="Confirm").click()

    heard.wait_for("slot-picked")


def test_the_day_of_the_agenda_survives(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, exchange: Exchange, heard: Heard
) -> None:
    page = visit.open(partner.origin + partner.put(tenant.tag("agenda", calendar)))
    expect(page.get_by_text("No events to show")).to_be_visible()
    exchange.run_out()

    day = datetime.now(UTC).date() + timedelta(days=12)
    number = page.locator(".CronofyAgenda__nav-date__number")
    for ahead in range(12, -1, -1):
        expect(number).to_have_text([str((day - timedelta(days=ahead)).day)])
        if ahead:
            page.locator(".widgetsvc").get_by_role("button", name="Next").click()

    heard.wait_for("renewed")
    assert exchange.refusals >= 1


def test_edited_hours_are_saved_though_the_token_ran_out(
    service: RunningService, partner: PartnerSite, visit: Visit, exchange: Exchange, heard: Heard
) -> None:
    created = service.run(
        *("tenant", "create", "renewing", "--name", "Renewing", "--access", "signed"),
        *("--origin", partner.origin, "--permission", "managed_availability"),
    )
    service.run("calendar", "add", "renewing", "desk")
    page = visit.open(partner.origin + partner.put(rules_tag(service, created, "renewing")))
    hours_of_a_day = 8
    page.locator(".AvailabilityViewer__slot-button").nth(hours_of_a_day).click()
    exchange.run_out()

    with page.expect_response(
        lambda answer: (
            answer.request.method == "POST" and "/v1/availability_rules" in answer.url and answer.ok
        )
    ) as saved:
        page.get_by_role("button", name="Save").click()

    periods = saved.value.json()["availability_rule"]["weekly_periods"]
    assert {"day": "monday", "start_time": "10:00", "end_time": "17:00"} in periods
    assert exchange.refusals == 1


def test_edited_hours_stay_when_they_cannot_be_saved(
    service: RunningService, partner: PartnerSite, visit: Visit
) -> None:
    created = service.run(
        *("tenant", "create", "unsaved", "--name", "Unsaved", "--access", "signed"),
        *("--origin", partner.origin, "--permission", "managed_availability"),
    )
    service.run("calendar", "add", "unsaved", "desk")
    page = visit.open(partner.origin + partner.put(rules_tag(service, created, "unsaved")))
    slot = page.locator(".AvailabilityViewer__slot-button").nth(8)
    slot.click()
    edited = slot.get_attribute("class")
    page.route(
        re.compile("/v1/availability_rules"),
        lambda route: (
            route.fulfill(status=503, headers={"Access-Control-Allow-Origin": "*"})
            if route.request.method == "POST"
            else route.fallback()
        ),
    )

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert")).to_be_visible()
    expect(slot).to_have_attribute("class", edited or "")
    page.unroute_all()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def rules_tag(service: RunningService, created: dict[str, Any], slug: str) -> str:
    now = int(time())
    claims = {"iss": slug, "aud": service.url, "iat": now, "exp": now + 300}
    claims |= {"element": "availability-rules", "calendars": ["desk"]}
    key = created["signing_key"]
    assertion = signed("HS256", key["kid"], claims, key["secret"].encode())
    tenant = Tenant(service, slug, created["publishable_key"])
    return tenant.tag("availability-rules", "desk", assertion=assertion)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_other_calls_of_the_page_pass_untouched(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    own = """<script>
      window.calls = [];
      const before = window.fetch;
      window.fetch = function (...given) {
        calls.push(["inner", given.length, this === window || this === undefined]);
        return before.apply(this, given);
      };
      window.inner = window.fetch;
    </script>"""
    page = visit.open(partner.origin + partner.put(own + tenant.tag("agenda", calendar)))
    expect(page.locator(".CronofyAgenda").first).to_be_visible()
    assert page.evaluate("fetch !== inner")

    status = page.evaluate(
        """async () => {
          const over = window.fetch;
          window.fetch = (...given) => { calls.push(["outer"]); return over(...given); };
          window.outer = window.fetch;
          calls.length = 0;
          return (await fetch("/nowhere", { headers: { "X-Own": "1" } })).status;
        }"""
    )

    assert status == 404
    assert page.evaluate("calls") == [["outer"], ["inner", 2, True]]
    page.evaluate("document.querySelector('.widgetsvc').remove()")
    page.wait_for_function("!document.querySelector('.widgetsvc')")
    assert page.evaluate("fetch('/nowhere').then((answer) => answer.status)") == 404
    assert page.evaluate("fetch === outer")


def test_the_pages_fetch_is_its_own_again_when_the_last_embed_goes(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    keep = "<script>window.native = window.fetch</script>"
    tag = tenant.tag("agenda", calendar)
    page = visit.open(partner.origin + partner.put(keep + tag + tag))
    expect(page.locator(".CronofyAgenda__nav-date__number")).to_have_count(2)

    page.evaluate("document.querySelector('.widgetsvc').remove()")
    assert page.evaluate("fetch !== native")
    page.evaluate("document.querySelector('.widgetsvc').remove()")
    page.wait_for_function("fetch === native")
