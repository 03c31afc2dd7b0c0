"""The Elements' options, as attributes of a tag and as JSON: they reach the Element, or their fault is named."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import PartnerSite, Tenant, Visit


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    return tenant.calendar("options-1").application_calendar_id


def query_of(page: Page, url: str) -> dict[str, object]:
    """Open a page and return the body of the Element's first query."""
    with page.expect_request(lambda request: "/v1/availability" in request.url) as query:
        page.goto(url)
    body: dict[str, object] = query.value.post_data_json
    return body


def test_an_availability_query_and_the_viewers_hours_are_attributes(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    attributes = {
        "config-start-time": "06:00",
        "config-end-time": "08:00",
        "config-interval": "60",
        "tzid": "Etc/UTC",
    }
    tag = tenant.tag("availability-viewer", calendar, **attributes)

    query = query_of(visit.page, partner.origin + partner.put(tag))

    periods = query["query_periods"]
    assert isinstance(periods, list)
    assert {(period["start"][11:16], period["end"][11:16]) for period in periods[1:]} == {("06:00", "08:00")}


def test_colours_prefix_and_mode_are_seen_in_the_element(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    attributes = {"colors-primary": "rgb(1, 2, 3)", "styles-prefix": "Mine", "config-mode": "no_confirm"}
    listener = "<script>addEventListener('widgetsvc:slot-picked', () => (document.title = 'picked'))</script>"
    tag = tenant.tag("slot-picker", calendar, **attributes)
    page = visit.open(partner.origin + partner.put(listener + tag))
    slots = page.locator(".Mine__slot")
    slots.first.click()
    expect(page.get_by_role("button", name=re.compile("back", re.IGNORECASE)).first).to_be_visible()

    colors = page.evaluate(
        """[...document.querySelectorAll(".Mine, .Mine *")].flatMap((node) => {
          const { color, backgroundColor, borderTopColor, fill } = getComputedStyle(node);
          return [color, backgroundColor, borderTopColor, fill];
        })"""
    )
    assert "rgb(1, 2, 3)" in colors
    slots.first.click()
    expect(page).to_have_title("picked")


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("colors-primary", "var(--brand)", "data-colors-primary “var(--brand)” will not do: write a colour"),
        (
            "config-mode",
            "multi_select",
            "data-config-mode “multi_select” will not do: write one of confirm, no_confirm",
        ),
        (
            "config-start-time",
            "9",
            "data-config-start-time “9” will not do: write a time of day such as 09:30",
        ),
        ("start-date", "2027-02-30", "data-start-date “2027-02-30” will not do: write a date"),
        (
            "availability-query",
            "{minutes: 30",
            "data-availability-query “{minutes: 30” will not do: write a JSON object",
        ),
        ("config-interval", "often", "data-config-interval “often” will not do: write a whole number"),
        ("config-bounds-control", "yes", "data-config-bounds-control “yes” will not do: write true or false"),
        ("config", '{"week_start_day": "Sunday"}', "The option config.week_start_day “Sunday” will not do"),
    ],
    ids=["color", "mode", "time", "date", "json", "integer", "boolean", "group"],
)
def test_a_wrong_value_is_named_with_what_to_write(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, attribute: str, value: str, said: str
) -> None:
    page = visit.open(
        partner.origin + partner.put(tenant.tag("slot-picker", calendar, **{attribute: value, "colour": "x"}))
    )

    expect(page.get_by_role("alert")).to_contain_text("This calendar is not set up correctly.")
    assert any("invalid_tag" in line and said in line for line in visit.console), visit.console


def container(tenant: Tenant, element: str, calendar: str, options: object) -> str:
    return f"""<script async src="{tenant.service.url}/embed.js"></script>
      <div data-widgetsvc data-key="{tenant.key}" data-element="{element}" data-calendar="{calendar}">
        <script type="application/json">{json.dumps(options)}</script>
      </div>"""


def test_a_json_script_in_the_container_holds_options(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    options = {"styles": {"prefix": "FromJson"}, "config": {"mode": "no_confirm"}}
    page = visit.open(partner.origin + partner.put(container(tenant, "slot-picker", calendar, options)))

    expect(page.locator(".FromJson__slot").first).to_be_visible()


def test_a_colour_in_json_that_crashes_the_element_is_named(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    options = {"styles": {"colors": {"primary": "var(--brand)"}}}
    page = visit.open(partner.origin + partner.put(container(tenant, "slot-picker", calendar, options)))

    expect(page.get_by_role("alert")).to_be_visible()
    said = "The option styles.colors.primary “var(--brand)” will not do: write a colour"
    assert any("invalid_tag" in line and said in line for line in visit.console), visit.console


def test_a_misspelt_option_is_told_what_it_may_mean(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    tag = tenant.tag("slot-picker", calendar, **{"colors-primery": "teal"})
    with visit.page.expect_console_message(
        lambda message: "did you mean data-colors-primary?" in message.text
    ):
        visit.open(partner.origin + partner.put(tag))


def test_mount_takes_options_of_their_own_types(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    given = {
        "key": tenant.key,
        "element": "slot-picker",
        "calendar": calendar,
        "config": {"mode": "no_confirm"},
        "colors": {"primary": "teal"},
        "stylesPrefix": "Mounted",
    }
    script = f"""<div id="here"></div><script src="{tenant.service.url}/embed.js"></script>
      <script>WidgetSvc.mount("#here", {json.dumps(given)})</script>"""
    page = visit.open(partner.origin + partner.put(script))

    expect(page.locator(".Mounted__slot").first).to_be_visible()
