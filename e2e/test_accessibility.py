"""What is ours, held against WCAG by axe; the Elements' own markup is left out, nobody here can mend it."""

import pytest
from playwright.sync_api import Frame, Page, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from tests.processes import ROOT

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
ELEMENTS = "[id^=widgetsvc-]"
SCHEMES = ["light", "dark"]


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    tenant.calendar("axe-1")
    return "axe-1"


def violations(page: Page | Frame, within: str) -> list[str]:
    """What axe finds: rule, target and summary of each violation."""
    # Evaluated by the browser's debugger: no page's policy has a say in it.
    page.evaluate(f"() => {{ {AXE} }}")
    found: list[str] = page.evaluate(
        """async ([within, without]) => {
          const context = { include: [[within]], exclude: [[without]] };
          const { violations } = await axe.run(context, { resultTypes: ["violations"] });
          const tell = (id, { target, failureSummary }) => `${id} ${target}: ${failureSummary}`;
          return violations.flatMap(({ id, nodes }) => nodes.map((node) => tell(id, node)));
        }""",
        [within, ELEMENTS],
    )
    return found


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_failure_is_told_accessibly(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str, scheme: str, language: str
) -> None:
    dark = "body { background: #111; color: #eee }" if scheme == "dark" else ""
    visit.page.route("**/embed/token", lambda route: route.abort())
    visit.page.route("**/healthz", lambda route: route.abort())
    tag = tenant.tag("slot-picker", calendar, locale=language)
    page = visit.open(partner.origin + partner.put(f"<main>{tag}</main>", head=f"<style>{dark}</style>"))

    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page, "main") == []


def test_the_embed_around_an_element_is_accessible(
    visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str
) -> None:
    page = visit.open(partner.origin + partner.put(f"<main>{tenant.tag('slot-picker', calendar)}</main>"))

    expect(page.locator(".SlotPicker__slot").first).to_be_visible()
    assert violations(page, "main") == []


def test_the_dialog_is_accessible(visit: Visit, partner: PartnerSite, tenant: Tenant, calendar: str) -> None:
    floating = tenant.tag("slot-picker", calendar, form="floating", label="Book")
    page = visit.open(partner.origin + partner.put(f"<main><h1>Page</h1>{floating}</main>"))
    page.get_by_role("button", name="Book").click()

    expect(page.locator("dialog .SlotPicker__slot").first).to_be_visible()
    assert violations(page, "dialog") == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/frame/slot-picker?{}", id="frame"),
        pytest.param("/frame/slot-picker?{}&slot=2031-06-25T09:00:00Z", id="chosen-time"),
        pytest.param("/frame/slot-picker?key=pk_nobody&calendar=x", id="refused"),
        pytest.param("/problems", id="problems"),
        pytest.param("/", id="index"),
    ],
)
def test_our_own_pages_are_accessible(
    visit: Visit, tenant: Tenant, calendar: str, path: str, scheme: str
) -> None:
    visit.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = visit.open(tenant.service.url + path.format(f"key={tenant.key}&calendar={calendar}"))
    if path.endswith("{}"):
        expect(page.locator(".SlotPicker__slot").first).to_be_visible()

    assert violations(page, "html") == []
