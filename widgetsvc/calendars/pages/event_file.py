"""A booked event as a file that calendars open.

Source: RFC 5545.
"""

from datetime import UTC, datetime

from icalendar import Calendar, Event

from widgetsvc.calendars.ics.writing import printable
from widgetsvc.calendars.pages.offer import Offer


def event_file(offer: Offer) -> bytes:
    """The event of a completed link. Raises ValueError where no time has been picked."""
    link, details = offer.link, offer.wanted.event
    if link.slot is None or link.completed_at is None:
        raise ValueError("no time has been picked on this link")
    start, end = link.slot
    event = Event()
    event.add("uid", link.real_time_scheduling_id)
    event.add("dtstamp", datetime.fromtimestamp(link.completed_at, UTC))
    event.add("dtstart", datetime.fromtimestamp(start, UTC))
    event.add("dtend", datetime.fromtimestamp(end, UTC))
    event.add("summary", printable(details.summary))
    if details.description:
        event.add("description", printable(details.description))
    if details.location is not None and details.location.description:
        event.add("location", printable(details.location.description))
    if details.url:
        event.add("url", details.url)
    calendar = Calendar()
    calendar.add("prodid", "-//widgetsvc//schedule//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content
