"""The embeds in Firefox: Debian's, which Playwright cannot drive, but WebDriver BiDi can."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import pytest

from e2e.conftest import PartnerSite, Tenant
from e2e.elements import SHOWN
from tests.processes import ROOT, RunningService
from tests.signing import signed
from widgetsvc.permissions import Element, Permission

FIREFOX = Path("/usr/bin/firefox-esr")
STRICT = "script-src 'nonce-abc' 'strict-dynamic'; style-src 'self'"
NAMES = [*map(str, Element), "custom element", "plain iframe", "strict policy", "refused"]

pytestmark = pytest.mark.skipif(not FIREFOX.exists(), reason="Firefox ESR is not installed")


@dataclass(frozen=True)
class Case:
    """A page, and what has to appear on it."""

    name: str
    url: str
    selector: str
    framed: bool = False


@pytest.fixture(scope="module")
def answers(service: RunningService, partner: PartnerSite) -> dict[str, tuple[Case, dict[str, Any]]]:
    """All pages are visited by one Firefox, which takes seconds to start."""
    permissions = [part for permission in Permission for part in ("--permission", permission.value)]
    options = ["--name", "Fox", "--origin", partner.origin, *permissions]
    created = service.run("tenant", "create", "fox", *options)
    tenant = Tenant(service, "fox", created["publishable_key"])
    tenant.calendar("den")
    cases = [*element_cases(partner, tenant, created), *page_cases(partner, tenant)]
    asked = json.dumps([{"url": case.url, "selector": case.selector} for case in cases])
    done = subprocess.run(
        ["node", "e2e/firefox.mjs", FIREFOX],
        cwd=ROOT,
        input=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {case.name: (case, answer) for case, answer in zip(cases, json.loads(done.stdout), strict=True)}


def element_cases(partner: PartnerSite, tenant: Tenant, created: dict[str, Any]) -> list[Case]:
    cases = []
    for element in Element:
        now, key = int(time()), created["signing_key"]
        claims = {"iss": "fox", "aud": tenant.service.url, "iat": now, "exp": now + 600}
        claims |= {"element": element.value, "calendars": ["den"]}
        assertion = signed("HS256", key["kid"], claims, key["secret"].encode())
        tag = tenant.tag(element.value, "den", assertion=assertion)
        cases.append(Case(element.value, partner.origin + partner.put(tag), SHOWN[element]))
    return cases


def page_cases(partner: PartnerSite, tenant: Tenant) -> list[Case]:
    url, slot = tenant.service.url, SHOWN[Element.SLOT_PICKER]
    strict = tenant.tag("slot-picker", "den").replace("<script ", "<script nonce=abc ")
    frame = f'<iframe src="{url}/frame/slot-picker?key={tenant.key}&amp;calendar=den" height="500"></iframe>'
    element = (
        f'<widgetsvc-embed data-key="{tenant.key}" data-element="slot-picker" data-calendar="den">'
        f'</widgetsvc-embed><script async src="{url}/embed.js"></script>'
    )
    pages = {
        "custom element": (partner.put(element), slot, False),
        "plain iframe": (partner.put(frame), slot, True),
        "strict policy": (partner.put(strict, headers={"Content-Security-Policy": STRICT}), slot, True),
        "refused": (partner.put(tenant.tag("slot-picker", "nowhere")), "[role=alert]", False),
    }
    return [Case(name, partner.origin + path, *rest) for name, (path, *rest) in pages.items()]


@pytest.mark.parametrize(
    "name",
    [*(element.value for element in Element), "custom element", "plain iframe", "strict policy", "refused"],
)
def test_it_appears_in_firefox(answers: dict[str, tuple[Case, dict[str, Any]]], name: str) -> None:
    case, answer = answers[name]

    assert answer["found"], answer["console"]
    assert answer["framed"] == case.framed
    assert not [line for line in answer["console"] if "Content-Security-Policy" in line]
