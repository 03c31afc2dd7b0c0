"""The zones that a calendar file names: IANA's names, Windows', and those the file itself defines."""

import re
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from icalendar import Timezone
from icalendar.timezone import tzp
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from widgetsvc.calendars.ics.lines import Component
from widgetsvc.timezones import is_zone

_PARAMETER = re.compile(r';TZID=(?:"([^"]*)"|([^;:"]*))', re.IGNORECASE)
_RULE = re.compile(r"RRULE[:;]", re.IGNORECASE)
_YEARLY = re.compile(r"FREQ=YEARLY\b", re.IGNORECASE)


class UnknownZone(ValueError):
    """A TZID that is no zone's name and is not defined in the file; it is the error's text."""


def iana_name(tzid: str) -> str | None:
    """The IANA name of a zone by whichever name it goes.

    A globally unique id such as `/example.com/Europe/Berlin` ends with it (RFC 5545 section 3.2.19).
    """
    parts = tzid.strip().strip("/").split("/")
    suffixes = ("/".join(parts[first:]) for first in range(min(len(parts), 8)))
    names = (WINDOWS_TO_OLSON.get(name, name) for name in suffixes)
    return next((name for name in names if is_zone(name)), None)


class FileZones:
    """The zones of one calendar. Making one forgets those that other files define."""

    def __init__(self, definitions: Iterable[Component]) -> None:
        tzp.use_default()
        self._defined = {name for definition in definitions if (name := _define(definition))}

    def named(self, line: str) -> str:
        """A content line with its zone by the name that the parser knows. Raises UnknownZone."""
        return _PARAMETER.sub(self._parameter, line, count=1) if ";" in line else line

    def _parameter(self, match: re.Match[str]) -> str:
        tzid = match[1] or match[2] or ""
        name = iana_name(tzid) or (tzid if tzid in self._defined else None)
        if name is None:
            raise UnknownZone(tzid)
        return f';TZID="{name}"'


def _define(definition: Component) -> str | None:
    """Let the parser know a zone, and return its name; None where it is unusable."""
    rules = [line for part in definition.children for line in part.properties if _RULE.match(line)]
    if not all(map(_YEARLY.search, rules)):
        return None  # the clocks never change more often, and following such a rule would take hours
    parts = "".join(part.text() for part in definition.children)
    head, end = f"END:{definition.name}\r\n", definition.text()
    text = end.removesuffix(head) + parts + head
    try:
        zone = Timezone.from_ical(text)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(zone.get("TZID", "")) or None


def zone_key(tzinfo: object) -> str | None:
    """The IANA name of a zone; None for one that the file defines."""
    return tzinfo.key if isinstance(tzinfo, ZoneInfo) and is_zone(tzinfo.key) else None
