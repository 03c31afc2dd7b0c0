"""Events as an import brings them."""

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
