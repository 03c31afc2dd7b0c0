"""An installation, and tenants that are known there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from widgetsvc.elements import INTEGRITY
from widgetsvc.errors import UnknownWidget
from widgetsvc.gateway.keys import KeyKind, TenantKey
from widgetsvc.gateway.origins import OriginRules
from widgetsvc.gateway.tenant_models import Policy, Tenant
from widgetsvc.gateway.widget_models import WidgetDraft
from widgetsvc.gateway.widgets import Widget
from widgetsvc.inspection.examination import examine
from widgetsvc.inspection.findings import Finding, Status
from widgetsvc.inspection.pages import read_page
from widgetsvc.loader import load_loader
from widgetsvc.permissions import Permission
from widgetsvc.snippets import Installation

SERVICE = "https://w.example.com"
PAGE = "https://www.acme.example/appointments"
KEY = "pk_acmeacmeacmeacmeacmeacmeacmeacme"
SECRET = f"sk_{'a' * 43}"
WIDGET = "wgt_0123456789abcdef01234567"
NOW = 1_795_348_800.0
HERE = Installation(
    public_url=SERVICE,
    api_url=SERVICE,
    bundle_src=f"{SERVICE}/elements/1.67.7/CronofyElements.js",
    bundle_integrity=INTEGRITY,
    loader=load_loader(),
)


def tenant_called(slug: str, key: str, tenant_id: int) -> Tenant:
    return Tenant(
        tenant_id=tenant_id,
        slug=slug,
        name=slug.title(),
        policy=Policy(),
        suspended=False,
        keys=(TenantKey(f"key_{slug}", KeyKind.PUBLISHABLE, key, key[-4:], 0),),
        origins=OriginRules.of(["https://www.acme.example"]),
        jwks_url=None,
        version=1,
    )


@dataclass
class Book:
    """The tenants of one installation, kept in memory."""

    acme: Tenant = field(default_factory=lambda: tenant_called("acme", KEY, 1))
    other: Tenant = field(default_factory=lambda: tenant_called("other", f"pk_{'o' * 32}", 2))
    calendars: tuple[str, ...] = ("store-42", "store-43")

    def owner(self, publishable_key: str) -> Tenant | None:
        return next((each for each in (self.acme, self.other) if each.key_id(publishable_key)), None)

    def owner_of_secret(self, secret_key: str) -> Tenant | None:
        return self.acme if secret_key == SECRET else None

    def calendar_fault(self, tenant: Tenant, calendars: Sequence[str]) -> str | None:
        unknown = [each for each in calendars if each not in self.calendars]
        return f"{tenant.name} has no calendar {unknown[0]}" if unknown else None

    def widget(self, tenant: Tenant, widget_id: str) -> Widget:
        if widget_id != WIDGET:
            raise UnknownWidget(f"{tenant.name} has no widget {widget_id}.")
        draft = WidgetDraft.read({"element": "slot-picker", "calendars": ["store-42"]})
        return Widget(WIDGET, draft, 1, 0, 0)

    def change(self, **changes: object) -> None:
        policy = {name: changes.pop(name) for name in list(changes) if hasattr(self.acme.policy, name)}
        self.acme = replace(self.acme, policy=replace(self.acme.policy, **policy), **changes)


@pytest.fixture
def book() -> Book:
    book = Book()
    book.change(permissions=frozenset(Permission))
    return book


Examine = Callable[..., list[Finding]]


@pytest.fixture
def findings(book: Book) -> Examine:
    """Examine a page; what has no doctype of its own gets one."""

    def look(
        body: str,
        *headers: tuple[str, str],
        url: str = PAGE,
        expected: Tenant | None = None,
        installation: Installation = HERE,
        head: str = "",
    ) -> list[Finding]:
        html = f"<!doctype html><html><head>{head}</head><body>\n{body}</body></html>"
        page = read_page(url, headers, html)
        return list(examine(page, installation, book, expected, NOW))

    return look


def worse(found: list[Finding]) -> list[Finding]:
    """Those that are not ok."""
    return [each for each in found if each.status is not Status.OK]


def only(found: list[Finding]) -> Finding:
    """The one that is not ok."""
    (finding,) = worse(found)
    return finding
