"""The draft of an external event out of an iCalendar one whose times are all in zones."""

import hashlib
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Event
from icalendar.prop import vCategory, vGeo

from widgetsvc.calendars.ics.moments import moment
from widgetsvc.calendars.ics.skips import Reason, Skip
from widgetsvc.calendars.ics.zones import zone_key
from widgetsvc.calendars.records import EventDraft, EventTime, Transparency
from widgetsvc.localtime import first_of_day

BUSY_STATUS = "X-MICROSOFT-CDO-BUSYSTATUS"
MAX_SUMMARY, MAX_DESCRIPTION, MAX_LOCATION = 1_024, 4_096, 1_024
_MAX_URL = 2_048
_MAX_CATEGORIES, _MAX_CATEGORY = 50, 255
_MAX_REMINDERS = 5
_LONGEST = timedelta(days=366)
_WEB_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f\x7f<>\"{}|\\^`]+", re.IGNORECASE)


def digest(text: str) -> str:
    """A name of 32 characters for any text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Drafts:
    """Makes drafts of one calendar's events; its days begin in `tzid`. Counts the texts that it cuts."""

    def __init__(self, tzid: str) -> None:
        self._tzid = tzid
        self.cut = 0

    def of(self, event: Event, *, recurs: bool) -> EventDraft:
        """The draft of an event or occurrence. Raises Skip where it cannot be kept."""
        status, busy = _word(event, "STATUS"), _word(event, BUSY_STATUS)
        if status == "CANCELLED":
            raise Skip(Reason.CANCELLED)
        time = self._time(event)
        free = _word(event, "TRANSP") == "TRANSPARENT" or busy in {"FREE", "WORKINGELSEWHERE"}
        tentative = status == "TENTATIVE" or busy == "TENTATIVE"
        start = moment(event, "DTSTART")
        return EventDraft(
            event_id=None,
            summary=self._text(event, "SUMMARY", MAX_SUMMARY),
            description=self._text(event, "DESCRIPTION", MAX_DESCRIPTION),
            time=time,
            tzid=zone_key(start.tzinfo) if isinstance(start, datetime) else self._tzid,
            transparency=Transparency.TRANSPARENT if free else Transparency.OPAQUE,
            tentative=tentative,
            details=self._details(event, recurs=recurs)
            | _extended_transparency(busy, tentative=tentative, free=free),
        )

    def _time(self, event: Event) -> EventTime:
        start, end = moment(event, "DTSTART"), _end(event)
        if isinstance(start, datetime):
            time = EventTime(int(start.timestamp()), int(_at_midnight(end, start).timestamp()))
        else:
            # Many programs write an end that is the start, or leave the end's day out of none.
            last = max(_day(end), start + timedelta(days=1)) if _day(end) >= start else _day(end)
            zone = ZoneInfo(self._tzid)
            time = EventTime(first_of_day(start, zone), first_of_day(last, zone), (start, last))
        if time.end < time.start:
            raise Skip(Reason.ENDS_BEFORE_START)
        if time.end == time.start:
            raise Skip(Reason.NO_DURATION)
        if time.end - time.start > _LONGEST.total_seconds():
            raise Skip(Reason.TOO_LONG)
        return time

    def _text(self, event: Event, name: str, longest: int) -> str:
        text = "\n".join(map(str, _all(event, name)))
        if len(text) > longest:
            self.cut += 1
            return text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
        return text

    def _details(self, event: Event, *, recurs: bool) -> dict[str, object]:
        location: dict[str, str] = {}
        if described := self._text(event, "LOCATION", MAX_LOCATION):
            location["description"] = described
        geo = event.get("GEO")
        if isinstance(geo, vGeo):
            location |= {"lat": str(geo.latitude), "long": str(geo.longitude)}
        url = str(event.get("URL", ""))
        found: dict[str, object] = {
            "location": location,
            "url": url if _WEB_ADDRESS.fullmatch(url) and len(url) <= _MAX_URL else None,
            "reminders": _reminders(event),
            "event_private": _word(event, "CLASS") not in {"", "PUBLIC"},
            "categories": _categories(event),
            "recurring": recurs,
            "series_identifier": digest(str(event["UID"])) if recurs else None,
        }
        return {name: value for name, value in found.items() if value}


def _end(event: Event) -> date:
    """Without an end, a day lasts a day and a time no time at all. Source: RFC 5545 section 3.6.1."""
    if "DTEND" in event:
        return moment(event, "DTEND")
    start = moment(event, "DTSTART")
    duration: object = moment(event, "DURATION") if "DURATION" in event else timedelta(0)
    if not isinstance(duration, timedelta):
        raise Skip(Reason.UNREADABLE, "DURATION: not a duration")
    try:
        return start + duration
    except OverflowError:
        raise Skip(Reason.TOO_LONG) from None


def _at_midnight(end: date, start: datetime) -> datetime:
    return end if isinstance(end, datetime) else datetime(end.year, end.month, end.day, tzinfo=start.tzinfo)


def _day(end: date) -> date:
    return end.date() if isinstance(end, datetime) else end


def _extended_transparency(busy: str, *, tentative: bool, free: bool) -> dict[str, str]:
    """What Cronofy tells beyond opaque and transparent."""
    if tentative and not free:
        return {"extended_transparency": "tentative"}
    known = {"OOF": "out_of_office", "WORKINGELSEWHERE": "working_elsewhere"}
    return {"extended_transparency": known[busy]} if busy in known else {}


def _reminders(event: Event) -> list[dict[str, int]]:
    triggers: list[Any] = [alarm["TRIGGER"] for alarm in event.walk("VALARM")]
    minutes = {-trigger.dt // timedelta(minutes=1) for trigger in triggers}
    return [{"minutes": each} for each in sorted(minutes)[:_MAX_REMINDERS]]


def _categories(event: Event) -> list[str]:
    given = (value for value in _all(event, "CATEGORIES") if isinstance(value, vCategory))
    names = (str(name).strip()[:_MAX_CATEGORY] for value in given for name in value.cats)
    return list(dict.fromkeys(filter(None, names)))[:_MAX_CATEGORIES]


def _all(event: Event, name: str) -> Iterable[object]:
    value: object = event.get(name, [])
    return value if isinstance(value, list) else [value]


def _word(event: Event, name: str) -> str:
    return next((str(value).strip().upper() for value in _all(event, name)), "")
