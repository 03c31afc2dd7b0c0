"""What a read of events or free/busy asks for, from its query string or from the link to a further page.

Source: Cronofy API, Read events and Free/busy. Events that were written through the API are managed, imported
ones are external; managed ones are left out unless they are asked for. The documentation limits a window to
what Cronofy has synchronized with, 42 days back and 201 ahead. Nothing limits a window here: those are its
ends where only the other one is given, and the window of external events where neither is.
"""

from datetime import date
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo

from widgetsvc.calendars import times
from widgetsvc.calendars.requests.base import Date, Flag, Instant, Time, TzId, fault
from widgetsvc.calendars.requests.page_links import PagedQuery
from widgetsvc.calendars.store.selection import Selection, Window
from widgetsvc.localtime import day_of

UTC = "Etc/UTC"
"""The zone of days where none is named."""

_DAYS_BACK, _DAYS_AHEAD = -42, 201


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


def _is_not_before_from(last: date | int | None, info: ValidationInfo) -> date | int | None:
    zone = times.zone(info.data.get("tzid") or UTC)
    since, before = _day_in(zone, info.data.get("first")), _day_in(zone, last)
    if since is not None and before is not None and before < since:
        raise fault("errors.invalid_time_pair", "to must not be before from")
    return last


def _day_in(zone: ZoneInfo, given: date | int | None) -> date | None:
    return day_of(given, zone) if isinstance(given, int) else given


class WindowQuery(PagedQuery):
    """Base of the queries for what lies in a window of days. `to` is not part of it."""

    tzid: TzId | None = None
    first: Annotated[Day | None, Field(alias="from")] = None
    last: Annotated[Day | None, Field(alias="to"), AfterValidator(_is_not_before_from)] = None
    localized_times: Flag = False

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which days are read."""
        return times.zone(self.tzid or UTC)

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first day and the one after the last, as far as they were given."""
        return _day_in(self.zone, self.first), _day_in(self.zone, self.last)


class ReadingQuery(WindowQuery):
    """`GET /v1/events` and `GET /v1/free_busy`."""

    several: ClassVar[frozenset[str]] = frozenset({"calendar_ids"})
    # The reader's own calendar was among those that were asked for.
    not_in_links: ClassVar[frozenset[str]] = frozenset({"calendar_ids", "include_userinfo"})

    model_config = ConfigDict(json_schema_extra=_zone_is_required)

    tzid: Annotated[TzId, Field(validate_default=True)] = ""
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
