"""When something begins or ends: as a Time or a Date, plain or beside the zone that it is meant in.

Source: Cronofy API, Create or update events and Available Periods. A Time is an instant whatever the zone.
"""

from datetime import date, timedelta
from typing import Annotated

from pydantic import BeforeValidator

from widgetsvc.calendars import times
from widgetsvc.calendars.requests.base import Date, Instant, Request, Time, TzId, fault, read_instant


def _time_or_date(raw: object) -> int | date:
    if not isinstance(raw, str):
        raise fault("errors.invalid", "must be a time such as 2024-06-25T17:00:00Z, or a date")
    try:
        return times.parse_date(raw) if times.looks_like_date(raw) else times.parse_time(raw)
    except ValueError as error:
        raise fault("errors.invalid", str(error)) from None


TimeOrDate = Annotated[int | date, BeforeValidator(_time_or_date, json_schema_input_type=Time | Date)]
"""A Time (Unix seconds) or a Date."""


class ZonedTime(Request):
    """A Time, and the zone that people read it in."""

    time: Instant
    tzid: TzId | None = None


class ZonedTimeOrDate(Request):
    """A Time or a Date, and the zone that it is meant in."""

    time: TimeOrDate
    tzid: TzId | None = None


def _read_time(raw: object) -> object:
    return ZonedTime.model_construct(time=read_instant(raw)) if isinstance(raw, str) else raw


def _read_time_or_date(raw: object) -> object:
    return ZonedTimeOrDate.model_construct(time=_time_or_date(raw)) if isinstance(raw, str) else raw


StartOrEnd = Annotated[ZonedTime, BeforeValidator(_read_time, json_schema_input_type=Time | ZonedTime)]
"""When a stretch of time begins or ends."""

EventStartOrEnd = Annotated[
    ZonedTimeOrDate,
    BeforeValidator(_read_time_or_date, json_schema_input_type=Time | Date | ZonedTimeOrDate),
]
"""When an event begins or ends."""


def end_after_start(end: int | date, start: int | date, longest: timedelta, name: str) -> None:
    """Raise the fault of an end that does not follow its start, or only after more than `longest`."""
    if isinstance(start, int) and isinstance(end, int):
        length = timedelta(seconds=end - start)
    elif isinstance(start, date) and isinstance(end, date):
        length = end - start
    else:
        raise fault("errors.invalid_time_pair", "start and end must both be times or both be dates")
    if length <= timedelta(0):
        raise fault("errors.invalid_time_pair", "end must be after start")
    if length > longest:
        raise fault("errors.invalid_time_pair", f"{name} lasts at most a year")
