"""Events as an import brings them."""

from tests.calendars.conftest import Calendar
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.records import EventDraft, EventTime, ImportedEvent, Transparency
from widgetsvc.calendars.times import parse_time


def imported(name: str, start: str, end: str, **details: object) -> ImportedEvent:
    """An external event whose `ics_uid` and summary are its name."""
    draft = EventDraft(
        event_id=None,
        summary=name,
        description="",
        time=EventTime(parse_time(start), parse_time(end)),
        tzid=None,
        transparency=Transparency.OPAQUE,
        tentative=False,
        details=details,
    )
    return ImportedEvent(name, draft)


def fill(backend: Backend, calendar: Calendar, count: int, start: str = "2026-11-24T10:00:00Z") -> None:
    """Import many events at the same time, so that the uid has to break the tie."""
    events = [imported(f"e{n}", start, "2026-11-24T11:00:00Z") for n in range(count)]
    backend.events.import_events(calendar.calendar_id, events)
