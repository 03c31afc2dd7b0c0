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


EMBEDDABLE_PERMISSIONS = frozenset({Permission.AGENDA, Permission.AVAILABILITY})
"""Permissions that a publishable key may ever obtain: they read, and never write."""


class Element(StrEnum):
    """A UI Element that can be embedded, by the name used in markup and URLs."""

    AGENDA = "agenda"
    """One calendar's events, day by day."""
    AVAILABILITY_VIEWER = "availability-viewer"
    """A week's grid of bookable slots."""
    SLOT_PICKER = "slot-picker"
    """A list of bookable slots, day by day."""

    @property
    def permission(self) -> Permission:
        """The permission this element's calls need."""
        return Permission.AGENDA if self is Element.AGENDA else Permission.AVAILABILITY

    @property
    def takes_many_calendars(self) -> bool:
        """Whether several calendars make sense at once; the Agenda shows exactly one."""
        return self is not Element.AGENDA
