"""Where each Element shows that it has its data."""

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
