"""Events out of a calendar file: each occurrence becomes an external event of its own.

Source: RFC 5545; Cronofy API, Read events, for the members. Where a file says less or more than an event
holds:

- Floating times are read in the calendar's X-WR-TIMEZONE, else in the zone that the caller names.
- An event is known by its UID, an occurrence also by its RECURRENCE-ID: reading a file again yields the same.
- TRANSP is opaque where it is left out, for all-day events as well, as the RFC has it.
- Reminders are alarms that are relative to the start; others are left out.
- What was cancelled, takes no time, or lies outside of the window is left out, with its reason.
- A file tells all about the events that are in it, so an occurrence that it has no more is gone; of events
  that are not in it, it tells nothing.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Alarm, Event
from icalendar.prop import vDDDTypes, vDuration

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.ics.drafts import (
    BUSY_STATUS,
    MAX_DESCRIPTION,
    MAX_LOCATION,
    MAX_SUMMARY,
    Drafts,
    digest,
)
from widgetsvc.calendars.ics.lines import CalendarFileError, Component, calendars
from widgetsvc.calendars.ics.moments import moment
from widgetsvc.calendars.ics.recurrence import UnusableRule, occurrences
from widgetsvc.calendars.ics.skips import Reason, Skip, Skipped
from widgetsvc.calendars.ics.zones import FileZones, UnknownZone, iana_name, zone_key
from widgetsvc.calendars.records import ImportedEvent
from widgetsvc.calendars.times import EARLIEST, LATEST

MOST_EVENTS = 50_000
"""Events and occurrences that one file may amount to."""

_MOST_UNUSABLE_RULES = 100
_LONGEST_REMINDER = timedelta(days=28)
_MAX_UID = 400

_TIMES = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
_ONLY_ONCE = ("DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "UID", "SEQUENCE")
_WANTED = {
    *_TIMES,
    *("UID", "SEQUENCE", "SUMMARY", "DESCRIPTION", "LOCATION", "GEO", "URL", "TRANSP", "STATUS", "CLASS"),
    *("CATEGORIES", "TRIGGER", "X-WR-TIMEZONE", "TZID", "TZOFFSETFROM", "TZOFFSETTO", "TZNAME", BUSY_STATUS),
}
_NOT_UNDERSTOOD = {Reason.UNUSABLE_RULE, Reason.UNREADABLE}
_TRIGGER = re.compile(r"TRIGGER(?P<parameters>(?:;[^:]*)?):(?P<value>.*)", re.IGNORECASE | re.DOTALL)

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of a file to read: what touches `within`, if it is not more than `most` events.

    `tzid` is the zone of floating times.
    """

    within: Timespan
    tzid: str
    most: int = MOST_EVENTS


@dataclass(slots=True)
class Reading:
    """What a file holds. `notes` are in words: what was assumed or changed.

    `covered` has the `ics_uid` of every event or series that was read in whole, if only to be left out.
    """

    events: list[ImportedEvent]
    covered: frozenset[str]
    skipped: list[Skipped]
    notes: list[str]


def read(data: bytes, scope: Scope, progress: Progress = lambda _done, _total: None) -> Reading:
    """Read a calendar file. Raises CalendarFileError where it is broken as a whole, or holds too much."""
    found = calendars(data, _WANTED)
    reader = _Reader(scope, progress, sum(len(calendar.children) for calendar in found))
    for calendar in found:
        reader.read(calendar)
    return reader.finish()


class _Reader:
    """Gathers the events of all calendars in a file."""

    def __init__(self, scope: Scope, progress: Progress, total: int) -> None:
        self._scope = scope
        self._progress = progress
        self._done, self._total = 0, total
        self._events: dict[str, ImportedEvent] = {}
        self._covered: set[str] = set()
        self._skipped: list[Skipped] = []
        self._floating = self._cut = self._unusable_rules = 0

    def finish(self) -> Reading:
        notes = []
        if self._floating:
            notes.append(
                f"{self._floating} events name no zone, and nor does their calendar; they were read in "
                f"{self._scope.tzid}."
            )
        if self._cut:
            notes.append(
                f"{self._cut} texts were cut: a summary has at most {MAX_SUMMARY:,} characters, a "
                f"description {MAX_DESCRIPTION:,}, a location {MAX_LOCATION:,}."
            )
        self._skipped.sort(key=lambda skipped: skipped.line)
        return Reading(list(self._events.values()), frozenset(self._covered), self._skipped, notes)

    def read(self, calendar: Component) -> None:
        zones = FileZones(child for child in calendar.children if child.name == "VTIMEZONE")
        own_zone = _own_zone(calendar)
        series: defaultdict[str, list[tuple[Component, Event]]] = defaultdict(list)
        for child in calendar.children:
            try:
                if child.name == "VEVENT":
                    event = self._parse(child, zones, own_zone)
                    series[str(event["UID"])].append((child, event))
                    continue
                if child.name != "VTIMEZONE":
                    self._skip(child.line, Skip(Reason.NOT_AN_EVENT, child.name[:40]))
            except Skip as skip:
                self._skip(child.line, skip)
            self._advance(1)
        drafts = Drafts(own_zone.key if own_zone is not None else self._scope.tzid)
        for members in series.values():
            self._read_series(members, drafts)
            self._advance(len(members))
        self._cut += drafts.cut

    def _advance(self, by: int) -> None:
        self._done += by
        self._progress(self._done, self._total)

    def _skip(self, line: int, skip: Skip) -> None:
        self._skipped.append(Skipped(line, skip.reason, skip.detail))

    def _parse(self, component: Component, zones: FileZones, own_zone: ZoneInfo | None) -> Event:
        """The event, its times in zones and its usable alarms below it. Raises Skip."""
        try:
            component.properties = [zones.named(line) for line in component.properties]
            event = Event.from_ical(component.text())
        except UnknownZone as error:
            raise Skip(Reason.UNKNOWN_ZONE, str(error)[:200]) from None
        except (ValueError, TypeError, KeyError) as error:
            raise Skip(Reason.UNREADABLE, _first_line(error)) from None
        if not isinstance(event, Event):
            raise Skip(Reason.UNREADABLE, "not one event")
        _check(event)
        for name in ("DTSTART", "DTEND", "RECURRENCE-ID"):
            if name in event:
                event[name] = _in_zone(event[name], own_zone, self._scope.tzid)
        self._floating += own_zone is None and _is_floating(component)
        if not event.get("UID"):
            # Not the whole of it, so that an edited description does not make another event.
            known_by = [line for line in component.properties if line.startswith(("DTSTART", "SUMMARY"))]
            event["UID"] = digest("\n".join(known_by))
        for alarm in _alarms(component):
            event.add_component(alarm)
        return event

    def _read_series(self, members: Sequence[tuple[Component, Event]], drafts: Drafts) -> None:
        """Keep an event, or the occurrences of one that recurs, and say why if there are none."""
        events = [event for _, event in members]
        recurs = len(events) > 1 or "RRULE" in events[0] or "RDATE" in events[0]
        skipped: list[Skip] = []
        kept = False
        try:
            for occurrence in occurrences(events, self._scope.within) if recurs else events:
                try:
                    self._keep(occurrence, drafts, recurs=recurs)
                    kept = True
                except Skip as skip:
                    skipped.append(skip)
        except UnusableRule as error:
            self._count_unusable_rule()
            skipped.append(Skip(Reason.UNUSABLE_RULE, str(error)))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            skipped.append(Skip(Reason.UNREADABLE, _first_line(error)))
        if recurs and not kept and not skipped:
            skipped.append(Skip(Reason.OUTSIDE_WINDOW))
        if not any(skip.reason in _NOT_UNDERSTOOD for skip in skipped):
            self._covered.add(_series_uid(events[0]))
        for each in skipped:
            self._skip(members[0][0].line, each)

    def _keep(self, event: Event, drafts: Drafts, *, recurs: bool) -> None:
        draft = drafts.of(event, recurs=recurs)
        within = self._scope.within
        if draft.time.end <= within.start or draft.time.start >= within.end:
            raise Skip(Reason.OUTSIDE_WINDOW)
        key = _ics_uid(event)
        self._events[key] = ImportedEvent(key, draft)
        if len(self._events) > self._scope.most:
            raise CalendarFileError(
                f"The file amounts to more than {self._scope.most:,} events in those days; choose fewer."
            )

    def _count_unusable_rule(self) -> None:
        # Finding out that a rule is unusable takes up to a second.
        self._unusable_rules += 1
        if self._unusable_rules > _MOST_UNUSABLE_RULES:
            raise CalendarFileError(
                f"More than {_MOST_UNUSABLE_RULES} events recur by rules that cannot be followed; "
                "no calendar application writes such a file."
            )


def _own_zone(calendar: Component) -> ZoneInfo | None:
    for line in calendar.properties:
        name, _, value = line.partition(":")
        if name.strip().upper() == "X-WR-TIMEZONE" and (known := iana_name(value)) is not None:
            return ZoneInfo(known)
    return None


def _check(event: Event) -> None:
    faults = [f"{name}: {fault}" for name, fault in event.errors if name in _TIMES]
    faults += [f"more than one {name}" for name in _ONLY_ONCE if isinstance(event.get(name), list)]
    if faults:
        raise Skip(Reason.UNREADABLE, faults[0][:200])
    if "DTSTART" not in event:
        raise Skip(Reason.NO_START)


def _in_zone(value: Any, own_zone: ZoneInfo | None, tzid: str) -> vDDDTypes:
    found = value.dt
    if not isinstance(found, date):
        raise Skip(Reason.UNREADABLE, "a date or a time is needed")
    if not EARLIEST.year <= found.year < LATEST.year:
        raise Skip(Reason.YEAR_OUT_OF_RANGE, str(found.year))
    if isinstance(found, datetime):
        if found.tzinfo is None:
            found = found.replace(tzinfo=own_zone or ZoneInfo(tzid))
        elif own_zone is not None and zone_key(found.tzinfo) == "UTC":
            # Google writes UTC and means the calendar's zone: what recurs does so by its clock.
            found = found.astimezone(own_zone)
    return vDDDTypes(found, {"RANGE": value.params["RANGE"]} if "RANGE" in value.params else {})


def _is_floating(component: Component) -> bool:
    starts = (line for line in component.properties if line[:7].upper() == "DTSTART")
    return any("TZID" not in line.upper() and "T" in line[8:] and not line.endswith("Z") for line in starts)


def _alarms(component: Component) -> Iterator[Alarm]:
    """The alarms that go off at or before the start."""
    duration: Any = vDuration  # whose methods are not typed
    for line in (line for child in component.children for line in child.properties):
        match = _TRIGGER.fullmatch(line)
        if match is None or "RELATED=END" in match["parameters"].upper():
            continue
        try:
            before = -duration.from_ical(match["value"].strip())
        except ValueError:
            continue  # an absolute time, or nothing of the sort
        if timedelta(0) <= before <= _LONGEST_REMINDER:
            alarm = Alarm()
            alarm["TRIGGER"] = vDDDTypes(-before)
            yield alarm


def _ics_uid(event: Event) -> str:
    """What tells an event from all others of its calendar: UID and RECURRENCE-ID."""
    known = _series_uid(event)
    if "RECURRENCE-ID" not in event:
        return known
    # With RANGE=THISANDFUTURE all later occurrences have the RECURRENCE-ID of the first.
    identity: Any = event["RECURRENCE-ID"]
    which = moment(event, "DTSTART") if "RANGE" in identity.params else identity.dt
    if isinstance(which, datetime):
        return f"{known}#{which.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{known}#{which:%Y%m%d}"


def _series_uid(event: Event) -> str:
    """The UID, in which `#` has no place: it separates the parts of an occurrence's."""
    uid = str(event["UID"])
    return (uid if len(uid) <= _MAX_UID else digest(uid)).replace("%", "%25").replace("#", "%23")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
