"""What a read of events or free/busy asks for, from its query string or from the link to a further page.

Source: Cronofy API, Read events and Free/busy. Events that were written through the API are managed, imported
ones are external; managed ones are left out unless they are asked for. The documentation limits a window to
what Cronofy has synchronized with, 42 days back and 201 ahead. Nothing limits a window here: those are its
ends where only the other one is given, and the window of external events where neither is.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from werkzeug.datastructures import MultiDict

from widgetsvc.calendars import times
from widgetsvc.calendars.errors import InvalidParameters, NotFound
from widgetsvc.calendars.requests.base import Date, Flag, Instant, Query, Time, TzId, fault, parse_query
from widgetsvc.calendars.store.selection import Cursor, Selection, Window

_DAYS_BACK, _DAYS_AHEAD = -42, 201
_MAX_LINK = 4_096
_MAX_PAGES, _MAX_INSTANT = 1_000_000, 2**40
_EVENT_UID = re.compile(r"evt_(?:external_)?[0-9a-f]{24}")
_NOT_IN_LINKS = {"calendar_ids", "include_userinfo"}
"""What a link need not say again: the reader's own calendar was among those that were asked for."""


def _day(raw: object) -> date | int:
    if not isinstance(raw, str):
        raise fault("errors.invalid", "must be a date such as 2024-06-25")
    try:
        # Ruby users may send a time, which stands for its day.
        is_time = not times.looks_like_date(raw) and len(raw) > len("2024-06-25")
        return times.parse_time(raw) if is_time else times.parse_date(raw)
    except ValueError as error:
        raise fault("errors.invalid", str(error)) from None


Day = Annotated[date | int, BeforeValidator(_day, json_schema_input_type=Date | Time)]
"""A Date, or a Time (Unix seconds) that stands for its day in the query's zone."""


def _zone_is_required(schema: dict[str, Any]) -> None:
    # Its default is there to be refused: a zone that is missing is answered as one that is unknown.
    schema["required"] = ["tzid"]
    del schema["properties"]["tzid"]["default"]


class ReadingQuery(Query):
    """`GET /v1/events` and `GET /v1/free_busy`. Days are read in `tzid`; `to` is not part of the window."""

    several: ClassVar[frozenset[str]] = frozenset({"calendar_ids"})

    model_config = ConfigDict(json_schema_extra=_zone_is_required)

    tzid: Annotated[TzId, Field(validate_default=True)] = ""
    first: Annotated[Day | None, Field(alias="from")] = None
    last: Annotated[Day | None, Field(alias="to")] = None
    calendar_ids: list[str] | None = None
    include_managed: Flag = False
    only_managed: Flag = False
    include_deleted: Flag = False
    include_moved: Flag = False
    include_free: Flag = True
    include_geo: Flag = False
    include_ids: Flag = False
    include_userinfo: Flag = False
    last_modified: Instant | None = None
    localized_times: Flag = False

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        first, last = self.days
        if first is not None and last is not None and last < first:
            raise fault("errors.invalid_time_pair", "to must not be before from", "to")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which days are read."""
        return times.zone(self.tzid)

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first day and the one after the last, as far as they were given."""
        return self._day_of(self.first), self._day_of(self.last)

    def _day_of(self, given: date | int | None) -> date | None:
        return times.day_of(given, self.zone) if isinstance(given, int) else given

    @property
    def localized_in(self) -> str | None:
        """The zone in which times are to be written; None for UTC."""
        return self.tzid if self.localized_times else None

    def selection(self, calendar_id: str, now: float) -> Selection | None:
        """What to read of a calendar; None where it is not among those that were asked for."""
        if self.calendar_ids and calendar_id not in self.calendar_ids:
            return None
        first, last = self.days
        usual = Window(
            self.zone,
            first or times.days_from(int(now), _DAYS_BACK, self.zone),
            last or times.days_from(int(now), _DAYS_AHEAD, self.zone),
        )
        return Selection(
            calendar_id=calendar_id,
            # Managed events come back whatever their time, unless a window is given.
            window=usual if first or last else Window(self.zone),
            managed=self.include_managed or self.only_managed,
            external=not self.only_managed,
            external_window=usual,
            include_deleted=self.include_deleted,
            include_moved=self.include_moved,
            modified_since=self.last_modified,
        )


@dataclass(frozen=True, slots=True)
class PageLink:
    """A further page: the query again, the page's number of how many, and where it begins.

    It carries no authority: whoever follows it shows credentials, and the query is checked anew.
    """

    query: Mapping[str, list[str]]
    number: int
    total: int
    after: Cursor

    @classmethod
    def after_page(cls, number: int, total: int, values: MultiDict[str, str], last: Cursor) -> "PageLink":
        """The link from a page to the next; only a reading that found something has one."""
        names = {field.alias or name for name, field in ReadingQuery.model_fields.items()} - _NOT_IN_LINKS
        query = {name: values.getlist(name) for name in sorted(names) if name in values}
        return cls(query, number + 1, total, last)

    def encode(self) -> str:
        """The opaque last part of `next_page`."""
        payload = [self.query, self.number, self.total, self.after.start, self.after.event_uid]
        return (
            base64.urlsafe_b64encode(json.dumps(payload, separators=(",", ":")).encode()).decode().rstrip("=")
        )

    @property
    def reading(self) -> ReadingQuery:
        """The query that the link repeats. Raises NotFound where it was tampered with."""
        try:
            return parse_query(ReadingQuery, self.values)
        except InvalidParameters:
            raise NotFound("no such page") from None

    @property
    def values(self) -> MultiDict[str, str]:
        """The query as it was sent."""
        return MultiDict([(name, text) for name, texts in self.query.items() for text in texts])

    @classmethod
    def decode(cls, text: str) -> "PageLink":
        """Read a link. Raises NotFound for anything that `encode` did not make."""
        if len(text) > _MAX_LINK:
            raise NotFound("page link too long")
        try:
            payload: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            query, number, total, start, event_uid = payload
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise NotFound("no such page") from None
        if not (
            _is_query(query)
            and _is_number(number)
            and _is_number(total)
            and _is_instant(start)
            and _is_event_uid(event_uid)
        ):
            raise NotFound("no such page")
        return cls(query, number, total, Cursor(start, event_uid))


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
