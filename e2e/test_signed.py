"""Every Element on a page, with an assertion where it takes one: by script tag and by frame."""

import time
from typing import Any

import pytest
from playwright.sync_api import expect

from e2e.conftest import PartnerSite, Visit
from tests.processes import RunningService
from tests.signing import signed
from widgetsvc.permissions import Element, Permission


@pytest.fixture(scope="module")
def created(service: RunningService, partner: PartnerSite) -> dict[str, Any]:
    permissions = [part for permission in Permission for part in ("--permission", permission.value)]
    options = ["--name", "Signed", "--access", "signed", "--origin", partner.origin, *permissions]
    created: dict[str, Any] = service.run("tenant", "create", "signed", *options)
    service.run("calendar", "add", "signed", "desk")
    return created


def assertion(service: RunningService, created: dict[str, Any], element: Element, **claims: object) -> str:
    key, now = created["signing_key"], int(time.time())
    body = {"iss": "signed", "aud": service.url, "iat": now, "exp": now + 300, **claims}
    body |= {"element": element.value, "calendars": ["desk"]}
    return signed("HS256", key["kid"], body, key["secret"].encode())


@pytest.mark.parametrize("element", Element)
def test_every_element_appears_where_its_tag_carries_an_assertion(
    service: RunningService, partner: PartnerSite, created: dict[str, Any], visit: Visit, element: Element
) -> None:
    token = assertion(service, created, element)
    tag = (
        f'<script async src="{service.url}/embed.js" data-key="{created["publishable_key"]}" '
        f'data-element="{element}" data-calendar="desk" data-assertion="{token}"></script>'
    )
    page = visit.open(partner.origin + partner.put(tag))

    expect(page.locator(".widgetsvc [aria-busy=false] > div:not([role])")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_frame_takes_its_assertion_from_the_fragment(
    service: RunningService, partner: PartnerSite, created: dict[str, Any], visit: Visit
) -> None:
    token = assertion(service, created, Element.AVAILABILITY_RULES)
    src = f"{service.url}/frame/availability-rules?key={created['publishable_key']}&amp;calendar=desk"
    frames = f'<iframe src="{src}#assertion={token}"></iframe><iframe id="bare" src="{src}"></iframe>'
    page = visit.open(partner.origin + partner.put(frames))

    expect(page.frame_locator("iframe").first.get_by_text("Save", exact=False).first).to_be_visible()
    expect(page.frame_locator("#bare").get_by_role("alert")).to_contain_text("signed in")
    assert token not in service.log_text()
    assert visit.policy_violations() == []
