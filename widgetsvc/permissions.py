"""What an element token may allow, and which permission each UI Element needs.

Source: Cronofy API, Element Tokens; UI Elements documentation.
"""

from enum import StrEnum


class Permission(StrEnum):
    """A permission of an element token, spelled as Cronofy's API spells it."""

    ACCOUNT_MANAGEMENT = "account_management"
    """Read the account's profiles and revoke them (Calendar Sync)."""
    AGENDA = "agenda"
    """Read events and free/busy of one account (Agenda)."""
    AVAILABILITY = "availability"
    """Run availability queries over the token's accounts (pickers, viewer)."""
    MANAGED_AVAILABILITY = "managed_availability"
    """Read and write availability rules (Availability Rules)."""


PUBLIC_PERMISSIONS = frozenset({Permission.AGENDA, Permission.AVAILABILITY})
"""Permissions that a publishable key alone may obtain: they read, and never write."""


class Element(StrEnum):
    """A UI Element that can be embedded, by the name used in markup and URLs."""

    AGENDA = "agenda"
    """One calendar's events, day by day."""
    AVAILABILITY_RULES = "availability-rules"
    """An editor of the weekly hours in which one calendar can be booked."""
    AVAILABILITY_VIEWER = "availability-viewer"
    """A week's grid of bookable slots."""
    CALENDAR_SYNC = "calendar-sync"
    """The calendars that one account has connected."""
    DATE_TIME_PICKER = "date-time-picker"
    """A month, and the bookable slots of the day picked in it."""
    SLOT_PICKER = "slot-picker"
    """A list of bookable slots, day by day."""

    @property
    def permission(self) -> Permission:
        """The permission this element's calls need."""
        return _PERMISSIONS.get(self, Permission.AVAILABILITY)

    @property
    def takes_many_calendars(self) -> bool:
        """Whether several calendars make sense at once; what shows one account's own things takes one."""
        return self.permission is Permission.AVAILABILITY

    @property
    def needs_assertion(self) -> bool:
        """Whether an assertion is required whatever the tenant's policy says, because the element writes."""
        return self.permission not in PUBLIC_PERMISSIONS


_PERMISSIONS = {
    Element.AGENDA: Permission.AGENDA,
    Element.AVAILABILITY_RULES: Permission.MANAGED_AVAILABILITY,
    Element.CALENDAR_SYNC: Permission.ACCOUNT_MANAGEMENT,
}
