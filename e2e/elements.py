"""Where each Element shows that it has its data, and how its buttons are pressed."""

from contextlib import suppress
from time import monotonic

from playwright.sync_api import Locator
from playwright.sync_api import TimeoutError as Late

from tests.processes import PATIENCE
from widgetsvc.permissions import Element

SLOT = ".SlotPicker__slot"
SHOWN = {
    Element.AGENDA: ".CronofyAgenda",
    Element.AVAILABILITY_RULES: ".AvailabilityViewer__slot-button",
    Element.AVAILABILITY_VIEWER: ".CronofyAvailabilityViewer__slot-background--available",
    Element.CALENDAR_SYNC: ".CalendarSync__profile-name",
    Element.DATE_TIME_PICKER: ".DTP__time-slot",
    Element.SLOT_PICKER: SLOT,
}


def press(button: Locator, effect: Locator) -> None:
    """Press until there is an effect: a click is lost where an answer draws the button anew beneath it."""
    deadline = monotonic() + PATIENCE
    while not effect.is_visible():
        assert monotonic() < deadline, f"{button} has no effect"
        with suppress(Late):
            button.click(timeout=2_000)
            effect.wait_for(timeout=2_000)
