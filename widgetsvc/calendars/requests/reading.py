"""What a read of events or free/busy asks for, from its query string or from the link to a further page.

Source: Cronofy API, Read events and Free/busy. Every event of an application calendar was written through
the API and so is managed: without `include_managed` or `only_managed` a read finds nothing, and the window
limits of unmanaged events do not apply.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from widgetsvc.calendars import times
from widgetsvc.calendars.errors import FieldError, InvalidParameters, NotFound
from widgetsvc.calendars.store.events import Cursor, Selection, Window

_DAYS_BACK, _DAYS_AHEAD = -42, 201
_TRUE, _FALSE = {"true", "1"}, {"false", "0"}
_MAX_LINK = 4_096
_MAX_PAGES, _MAX_INSTANT = 1_000_000, 2**40
_EVENT_UID = re.compile(r"evt_[0-9a-f]{24}")
_KEPT_IN_LINKS = (
    "tzid",
    "from",
    "to",
    "include_managed",
    "only_managed",
    "include_deleted",
    "include_free",
    "include_geo",
    "include_ids",
    "last_modified",
    "localized_times",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A checked query: `selection` is None where it can find nothing."""

    selection: Selection | None
    localized_in: str | None
    include_geo: bool
    include_userinfo: bool
    include_ids: bool


class _Parameters:
    """Reads parameters one by one and collects their faults."""

    def __init__(self, values: MultiDict[str, str]) -> None:
        self._values = values
        self.faults: list[FieldError] = []

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean; pycronofy writes `True`."""
        text = self._values.get(name, "").lower()
        if text in _TRUE | _FALSE:
            return text in _TRUE
        if text:
            self._fault(name, "errors.invalid", "must be true or false")
        return default

    def zone(self) -> ZoneInfo:
        """The required zone in which days are read."""
        try:
            return times.zone(self._values.get("tzid", ""))
        except ValueError as error:
            self._fault("tzid", "errors.tzid_unrecognized", str(error))
            return ZoneInfo("UTC")

    def day(self, name: str, tz: ZoneInfo) -> date | None:
        """A day; Ruby users may send a time, which stands for its day."""
        text = self._values.get(name)
        if not text:
            return None
        try:
            is_time = not times.looks_like_date(text) and len(text) > len("2024-06-25")
            return times.day_of(times.parse_time(text), tz) if is_time else times.parse_date(text)
        except ValueError as error:
            self._fault(name, "errors.invalid", str(error))
            return None

    def instant(self, name: str) -> int | None:
        """A time."""
        text = self._values.get(name)
        try:
            return times.parse_time(text) if text else None
        except ValueError as error:
            self._fault(name, "errors.invalid", str(error))
            return None

    def several(self, name: str) -> list[str]:
        """The values of a list parameter."""
        return self._values.getlist(f"{name}[]") or self._values.getlist(name)

    def _fault(self, name: str, key: str, description: str) -> None:
        self.faults.append(FieldError(name, key, description))

    def check_order(self, first: date | None, last: date | None) -> None:
        """Note a window that ends before it begins."""
        if first is not None and last is not None and last < first:
            self._fault("to", "errors.invalid_time_pair", "to must not be before from")


def parse_reading(values: MultiDict[str, str], calendar_id: str, now: float) -> Reading:
    """Check a query string. Raises InvalidParameters with all of its faults."""
    parameters = _Parameters(values)
    tz = parameters.zone()
    first, last = parameters.day("from", tz), parameters.day("to", tz)
    parameters.check_order(first, last)
    managed = parameters.flag("include_managed") | parameters.flag("only_managed")
    calendar_ids = parameters.several("calendar_ids")
    selection = Selection(
        calendar_id=calendar_id,
        window=_window(tz, first, last, int(now)),
        include_deleted=parameters.flag("include_deleted"),
        include_transparent=parameters.flag("include_free", default=True),
        modified_since=parameters.instant("last_modified"),
    )
    found = managed and (not calendar_ids or calendar_id in calendar_ids)
    reading = Reading(
        selection=selection if found else None,
        localized_in=tz.key if parameters.flag("localized_times") else None,
        include_geo=parameters.flag("include_geo"),
        include_userinfo=parameters.flag("include_userinfo"),
        include_ids=parameters.flag("include_ids"),
    )
    if parameters.faults:
        raise InvalidParameters(parameters.faults)
    return reading


def _window(tz: ZoneInfo, first: date | None, last: date | None, now: int) -> Window:
    """The window; without either end managed events come back whatever their time."""
    if first is None and last is None:
        return Window(tz)
    return Window(
        tz, first or times.days_from(now, _DAYS_BACK, tz), last or times.days_from(now, _DAYS_AHEAD, tz)
    )


@dataclass(frozen=True, slots=True)
class PageLink:
    """A further page: the query again, the page's number and where it begins.

    It carries no authority: whoever follows it shows credentials, and the query is checked anew.
    """

    query: Mapping[str, list[str]]
    number: int
    after: Cursor

    @classmethod
    def after_page(cls, number: int, values: MultiDict[str, str], last: Cursor) -> "PageLink":
        """The link from a page to the next; only a reading that found something has one.

        What a query need not say again stays out, above all `calendar_ids`: the reader's own was among them.
        """
        query = {name: values.getlist(name) for name in _KEPT_IN_LINKS if name in values}
        return cls(query, number + 1, last)

    def encode(self) -> str:
        """The opaque last part of `next_page`."""
        payload = [self.query, self.number, self.after.start, self.after.event_uid]
        return (
            base64.urlsafe_b64encode(json.dumps(payload, separators=(",", ":")).encode()).decode().rstrip("=")
        )

    @classmethod
    def decode(cls, text: str) -> "PageLink":
        """Read a link. Raises NotFound for anything that `encode` did not make."""
        if len(text) > _MAX_LINK:
            raise NotFound("page link too long")
        try:
            payload: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            query, number, start, event_uid = payload
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise NotFound("no such page") from None
        if not (_is_query(query) and _is_number(number) and _is_instant(start) and _is_event_uid(event_uid)):
            raise NotFound("no such page")
        return cls(query, number, Cursor(start, event_uid))


def _is_number(value: object) -> bool:
    return type(value) is int and 2 <= value <= _MAX_PAGES


def _is_instant(value: object) -> bool:
    return type(value) is int and abs(value) < _MAX_INSTANT


def _is_event_uid(value: object) -> bool:
    return isinstance(value, str) and _EVENT_UID.fullmatch(value) is not None


def _is_query(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in value.values()
    )
