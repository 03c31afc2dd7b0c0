"""A calendar as an iCalendar file, in the form that calendar applications handle best.

Source: RFC 5545, RFC 7986. Where they leave a choice:

- Times are in UTC, without VTIMEZONE: each event is written as one that does not recur, so that no rule of
  a zone is needed, and no application has to match the zone's name. X-WR-TIMEZONE says where to show it.
- In a feed a private event is "Busy", with its time alone: who has the feed's address is not known.
- DTSTAMP and LAST-MODIFIED are the time of the last write, so that the same events make the same file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Calendar, Event
from icalendar.prop import vText

from widgetsvc.calendars.records import Event as StoredEvent
from widgetsvc.calendars.records import Transparency

FORMAT = 1
"""Goes up whenever the same events are written otherwise, so that nobody keeps the former file."""

_REFRESH = timedelta(hours=1)

_PRODUCT = "-//widgetsvc//Calendar feed//EN"
_BUSY = "Busy"
_MAX_REMINDERS = 5
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of its calendar; `host` makes the uids of its events unique in the world."""

    name: str
    host: str
    tzid: str | None = None


def write(about: About, events: Iterable[StoredEvent], *, tells_private: bool = False) -> bytes:
    """The calendar with these events, as UTF-8; private ones as busy, unless it tells all of them."""
    calendar = Calendar()
    calendar.add("PRODID", _PRODUCT)
    calendar.add("VERSION", "2.0")
    calendar.add("CALSCALE", "GREGORIAN")
    for name in ("NAME", "X-WR-CALNAME"):
        calendar.add(name, vText(printable(about.name)))  # which would not be escaped otherwise
    if about.tzid is not None:
        calendar.add("X-WR-TIMEZONE", about.tzid)
    calendar.add("REFRESH-INTERVAL", _REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("X-PUBLISHED-TTL", _hours(_REFRESH))
    for event in events:
        calendar.add_component(_event(event, about.host, tells_private=tells_private))
    return bytes(calendar.to_ical())


def _hours(duration: timedelta) -> str:
    return f"PT{duration // timedelta(hours=1)}H"


def _event(stored: StoredEvent, host: str, *, tells_private: bool) -> Event:
    draft = stored.draft
    event = Event()
    event.add("UID", f"{stored.event_uid}@{host}")
    event.add("DTSTAMP", _utc(stored.updated))
    event.add("CREATED", _utc(stored.created))
    event.add("LAST-MODIFIED", _utc(stored.updated))
    start, end = draft.time.days or (_utc(draft.time.start), _utc(draft.time.end))
    event.add("DTSTART", start)
    event.add("DTEND", end)
    event.add("TRANSP", draft.transparency.value.upper())
    event.add("STATUS", "TENTATIVE" if draft.tentative else "CONFIRMED")
    # Outlook shows an all-day event as free whatever TRANSP says, unless it is told in its own words.
    event.add("X-MICROSOFT-CDO-BUSYSTATUS", _busy_status(stored))
    if draft.details.get("event_private"):
        event.add("CLASS", "PRIVATE")
        if not tells_private:
            event.add("SUMMARY", _BUSY)
            return event
    event.add("SUMMARY", printable(draft.summary))
    if draft.description:
        event.add("DESCRIPTION", printable(draft.description))
    _add_details(event, stored)
    return event


def _busy_status(stored: StoredEvent) -> str:
    extended = stored.draft.details.get("extended_transparency")
    if extended == "working_elsewhere":
        return "WORKINGELSEWHERE"
    if stored.draft.transparency is Transparency.TRANSPARENT:
        return "FREE"
    if stored.draft.tentative:
        return "TENTATIVE"
    return "OOF" if extended == "out_of_office" else "BUSY"


def _add_details(event: Event, stored: StoredEvent) -> None:
    details = stored.draft.details
    location = details.get("location")
    if isinstance(location, dict):
        if location.get("description"):
            event.add("LOCATION", printable(location["description"]))
        if (position := _position(location)) is not None:
            event.add("GEO", position)
    if details.get("url"):
        event.add("URL", details["url"])
    if details.get("categories"):
        event.add("CATEGORIES", details["categories"])
    reminders = details.get("reminders")
    if isinstance(reminders, list):
        for reminder in reminders[:_MAX_REMINDERS]:
            event.add_component(_alarm(reminder["minutes"], stored.draft.summary))


def _position(location: dict[str, str]) -> tuple[float, float] | None:
    try:
        return float(location["lat"]), float(location["long"])
    except (KeyError, ValueError):
        return None  # latitude and longitude are kept as they were sent


def _alarm(minutes: int, summary: str) -> Alarm:
    alarm = Alarm()
    alarm.add("ACTION", "DISPLAY")
    alarm.add("TRIGGER", -timedelta(minutes=minutes))
    alarm.add("DESCRIPTION", printable(summary) or _BUSY)
    return alarm


def printable(text: str) -> str:
    """Text without the control characters that a content line must not have."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _utc(instant: int) -> datetime:
    return datetime.fromtimestamp(instant, UTC)
