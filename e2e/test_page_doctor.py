"""What the page doctor says of a page, held against what a browser makes of it."""

import json
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from tests.shell import Shell
from widgetsvc.elements import STYLE_HASHES
from widgetsvc.loader import load_loader

STYLES = " ".join(STYLE_HASHES)
CORE = load_loader().core


@pytest.fixture(scope="module")
def tag(tenant: Tenant) -> str:
    tenant.calendar("doctor-1")
    return tenant.tag("slot-picker", "doctor-1")


def told(tenant: Tenant, url: str, status: str) -> list[dict[str, Any]]:
    shell = Shell(tenant.service.data_dir)
    result = shell.try_("doctor", url, "--allow-private", "--json", public_url=tenant.service.url)
    return [finding for finding in json.loads(result.stdout) if finding["status"] == status]


def faults(tenant: Tenant, url: str) -> list[dict[str, Any]]:
    return told(tenant, url, "fault")


def guarded(policy: str) -> dict[str, str]:
    # The partner's pages have an icon.
    return {"Content-Security-Policy": f"{policy}; img-src data:"}


def is_error(message: ConsoleMessage) -> bool:
    return message.type == "error"


KEPT_OUT = [
    "default-src 'self'",
    "script-src 'self' 'nonce-abc'",
    "connect-src 'self'",
    "connect-src {url}; default-src {url}/embed.js 'unsafe-inline'",
    "style-src 'self'; frame-src 'none'",
    "style-src 'unsafe-inline' 'nonce-abc'; child-src 'none'",
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "sandbox allow-scripts",
    "default-src 'none'",
]


@pytest.mark.parametrize("policy", KEPT_OUT)
def test_what_is_a_fault_keeps_the_calendar_out_and_the_correction_lets_it_in(
    visit: Visit, partner: PartnerSite, tenant: Tenant, tag: str, policy: str
) -> None:
    url = partner.origin + partner.put(tag, headers=guarded(policy.format(url=tenant.service.url)))
    found = faults(tenant, url)

    with visit.page.expect_console_message(is_error):
        visit.open(url)
    expect(visit.page.locator(".SlotPicker")).to_have_count(0)

    (corrected,) = {finding["fix"] for finding in found}
    name, _, policy = corrected.partition(": ")
    url = partner.origin + partner.put(tag, headers={name: policy})
    visit.console.clear()
    visit.open(url)
    expect(visit.page.locator(".SlotPicker").first).to_be_visible()
    assert visit.policy_violations() == []
    assert faults(tenant, url) == []


WELL = [
    ("{tag}", "default-src 'none'; script-src {url}; connect-src {url}; style-src {styles}"),
    ("{tag}", "default-src http: 'unsafe-inline'"),
    ("{nonced}", "script-src 'nonce-abc' 'strict-dynamic'; style-src {styles}"),
    ("{nonced}", "script-src 'nonce-abc'; connect-src http://127.0.0.1:*/"),
    ("{pinned}", "script-src '{integrity}' 'strict-dynamic'"),
    ("{tag}", "require-trusted-types-for 'script'; trusted-types widgetsvc"),
    ("{tag}", "require-trusted-types-for 'script'"),
]


@pytest.mark.parametrize(("body", "policy"), WELL, ids=[policy for _, policy in WELL])
def test_what_is_no_fault_shows_the_calendar(
    visit: Visit, partner: PartnerSite, tenant: Tenant, tag: str, body: str, policy: str
) -> None:
    url = tenant.service.url
    pinned = f'src="{url}{CORE.path}" integrity="{CORE.integrity}" crossorigin="anonymous"'
    written = body.format(
        tag=tag,
        nonced=tag.replace("<script", '<script nonce="abc" data-mode="inline"'),
        pinned=tag.replace(f'src="{url}/embed.js"', pinned),
    )
    headers = guarded(policy.format(url=url, styles=STYLES, integrity=CORE.integrity))
    address = partner.origin + partner.put(written, headers=headers)

    assert faults(tenant, address) == []
    expect(visit.open(address).locator(".SlotPicker").first).to_be_visible()
    assert visit.policy_violations() == []


FRAMED = [
    ("", "script-src {url}; style-src 'self'; connect-src 'none'"),
    (' nonce="abc"', "script-src 'nonce-abc'; style-src {styles}; connect-src 'none'; frame-src {url}"),
]


@pytest.mark.parametrize(("attribute", "policy"), FRAMED, ids=[policy for _, policy in FRAMED])
def test_where_a_frame_is_foretold_a_frame_is_shown(
    visit: Visit, partner: PartnerSite, tenant: Tenant, tag: str, attribute: str, policy: str
) -> None:
    headers = guarded(policy.format(url=tenant.service.url, styles=STYLES))
    body = tag.replace("<script", f"<script{attribute}")
    address = partner.origin + partner.put(body, headers=headers)

    assert faults(tenant, address) == []
    (warning,) = told(tenant, address, "warning")
    assert "in a frame" in warning["detail"]
    page = visit.open(address)
    expect(page.frame_locator("iframe").locator(".SlotPicker").first).to_be_visible()


def test_a_page_that_is_isolated_from_other_origins_holds_calendars(
    visit: Visit, partner: PartnerSite, tenant: Tenant, tag: str
) -> None:
    headers = {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin"}
    frame = f"{tenant.service.url}/frame/slot-picker?key={tenant.key}&amp;calendar=doctor-1"
    address = partner.origin + partner.put(f'{tag}<iframe title=x src="{frame}"></iframe>', headers=headers)

    assert faults(tenant, address) == []
    page = visit.open(address)
    assert page.evaluate("crossOriginIsolated")
    expect(page.locator(".SlotPicker").first).to_be_visible()
    expect(page.frame_locator("iframe[title=x]").locator(".SlotPicker").first).to_be_visible()
