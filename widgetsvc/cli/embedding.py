"""What the commands that print and examine markup know of this installation and its tenants."""

from collections.abc import Sequence

from widgetsvc.config import Settings
from widgetsvc.elements import CDN_URL, FILE_NAME, INTEGRITY, VERSION, read_bundle
from widgetsvc.errors import CalendarRevoked, UnknownCalendar, UnknownKey
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.widgets import Widget
from widgetsvc.loader import load_loader
from widgetsvc.snippets import Installation
from widgetsvc.wiring import Operations


def installation(settings: Settings) -> Installation:
    """Where pages find the service. Raises ConfigurationError."""
    is_here = read_bundle(settings.elements_dir) is not None
    own_url = f"{settings.public_url}/elements/{VERSION}/{FILE_NAME}"
    return Installation(
        public_url=settings.public_url,
        api_url=settings.api_url,
        bundle_src=own_url if is_here else CDN_URL,
        bundle_integrity=INTEGRITY if is_here else "",
        loader=load_loader(),
    )


class Known:
    """What there is of the tenants in the database."""

    def __init__(self, parts: Operations) -> None:
        self._parts = parts

    def owner(self, publishable_key: str) -> Tenant | None:
        """The tenant that a publishable key names."""
        try:
            return self._parts.tenants.by_publishable_key(publishable_key)
        except UnknownKey:
            return None

    def owner_of_secret(self, secret_key: str) -> Tenant | None:
        """The tenant that a secret key names."""
        try:
            return self._parts.tenants.by_secret_key(secret_key)[0]
        except UnknownKey:
            return None

    def calendar_fault(self, tenant: Tenant, calendars: Sequence[str]) -> str | None:
        """What keeps the tenant from embedding these calendars, if anything."""
        try:
            self._parts.calendars.check(tenant, calendars)
        except (UnknownCalendar, CalendarRevoked) as error:
            return str(error)
        return None

    def widget(self, tenant: Tenant, widget_id: str) -> Widget:
        """A widget of the tenant. Raises UnknownWidget."""
        return self._parts.widgets.get(tenant, widget_id)
