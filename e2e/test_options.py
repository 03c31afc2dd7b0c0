"""The Elements' options, as attributes and as JSON: they reach the Element, or their fault is named."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from e2e.conftest import ARTIFACTS, PartnerSite, Tenant, Visit


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    return tenant.calendar("options-1").application_calendar_id


def test_the_viewers_hours_are_attributes(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    hours = {"config-start-time": "06:00", "config-end-time": "08:00", "config-interval": "60"}
    tag = tenant.tag("availability-viewer", calendar, tzid="Etc/UTC", locale="en-GB", **hours)
    page = visit.open(partner.origin + partner.put(tag))

    viewer = page.get_by_role("group", name="Calendar")
    expect(viewer).to_contain_text("07:00 - 07:30")
    expect(viewer).not_to_contain_text("09:00 - 09:30")


@pytest.mark.parametrize(
    ("zone", "drawn", "left_out"),
    [
        ("Asia/Kolkata", ("14:30 - 15:00", "22:00 - 22:30"), "13:00 - 13:30"),
        ("Asia/Tokyo", ("01:30 - 02:00",), None),
    ],
)
def test_the_viewer_draws_the_tenants_hours_in_another_zone(  # noqa: PLR0917 - fixtures
    visit: Visit,
    partner: PartnerSite,
    tenant: Tenant,
    calendar: str,
    zone: str,
    drawn: tuple[str, ...],
    left_out: str | None,
) -> None:
    tag = tenant.tag("availability-viewer", calendar, tzid=zone, locale="en-GB")
    page = visit.open(partner.origin + partner.put(tag))

    viewer = page.get_by_role("group", name="Calendar")
    for hours in drawn:
        expect(viewer).to_contain_text(hours)
    if left_out is not None:
        expect(viewer).not_to_contain_text(left_out)
    page.screenshot(path=ARTIFACTS / f"viewer-{zone.partition('/')[2].lower()}.png", full_page=True)


def test_colours_and_prefix_are_seen_in_the_element(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    look = {"colors-primary": "rgb(1, 2, 3)", "styles-prefix": "Mine"}
    page = visit.open(partner.origin + partner.put(tenant.tag("slot-picker", calendar, **look)))
    slots = page.locator(".Mine__slot")
    slots.first.click()
    expect(page.get_by_role("button", name=re.compile("back", re.IGNORECASE)).first).to_be_visible()
    slots.first.click()

    expect(page.get_by_role("button", name="Confirm")).to_have_css("background-color", "rgb(1, 2, 3)")


def test_a_query_of_the_tags_own_is_asked(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    query = {
        "required_duration": {"minutes": 45},
        "query_periods": [{"start": f"{tomorrow}T09:00:00Z", "end": f"{tomorrow}T10:00:00Z"}],
    }
    attributes = {"availability-query": json.dumps(query), "config-mode": "no_confirm", "tzid": "Etc/UTC"}
    listener = """<script>addEventListener("widgetsvc:slot-picked", ({ detail: { slot } }) => {
      document.title = `${slot.start} ${slot.end}`;
    })</script>"""
    page = visit.open(
        partner.origin + partner.put(listener + tenant.tag("slot-picker", calendar, **attributes))
    )
    slots = page.locator(".SlotPicker__slot")
    slots.first.click()
    expect(slots.first).to_have_text("09:00 - 09:45")
    slots.first.click()

    expect(page).to_have_title(f"{tomorrow}T09:00:00Z {tomorrow}T09:45:00Z")


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        (
            ("colors-primary", "var(--brand)"),
            "data-colors-primary “var(--brand)” will not do: write a colour",
        ),
        (
            ("config-mode", "multi_select"),
            "data-config-mode “multi_select” will not do: write one of confirm, no_confirm",
        ),
        (
            ("config-start-time", "9"),
            "data-config-start-time “9” will not do: write a time of day such as 09:30",
        ),
        (("start-date", "2027-02-30"), "data-start-date “2027-02-30” will not do: write a date"),
        (
            ("availability-query", "{minutes: 30"),
            "data-availability-query “{minutes: 30” will not do: write a JSON object",
        ),
        (("config-interval", "often"), "data-config-interval “often” will not do: write a whole number"),
        (
            ("config-bounds-control", "yes"),
            "data-config-bounds-control “yes” will not do: write true or false",
        ),
        (("config", '{"week_start_day": "Sunday"}'), "The option config.week_start_day “Sunday” will not do"),
    ],
    ids=["color", "mode", "time", "date", "json", "integer", "boolean", "group"],
)
def test_a_wrong_value_is_named_with_what_to_write(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, attribute: tuple[str, str], said: str
) -> None:
    name, value = attribute
    tag = tenant.tag("slot-picker", calendar, **{name: value, "calender": "x"})
    page = visit.open(partner.origin + partner.put(tag))

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
    # It runs before the loader has come.
    script = f"""<div id="here"></div>
      <script type="module">
        await customElements.whenDefined("widgetsvc-embed");
        WidgetSvc.mount("#here", {json.dumps(given)});
      </script>
      <script async src="{tenant.service.url}/embed.js"></script>"""
    page = visit.open(partner.origin + partner.put(script))

    expect(page.locator(".Mounted__slot").first).to_be_visible()
