"""What is asked of available periods: to write one, to read them, to delete one or all.

Source: Cronofy API, Available Periods. The documentation is silent on the window of a read without `from` and
`to`, which is open, and on what is deleted by neither an id nor `delete_all`, which is refused.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, model_validator

from widgetsvc.calendars import times
from widgetsvc.calendars.records import AvailablePeriod
from widgetsvc.calendars.requests.base import (
    Described,
    Flag,
    Query,
    Request,
    Text,
    TzId,
    fault,
)
from widgetsvc.calendars.requests.identifiers import OwnId
from widgetsvc.calendars.requests.moments import StartOrEnd, ZonedTime, end_after_start
from widgetsvc.calendars.requests.reading import Day
from widgetsvc.calendars.store.available_periods import MAX_LENGTH, Cursor, Selection

_UTC = "Etc/UTC"
_CURSOR = re.compile(r"-?\d{1,11}:.{1,64}", re.ASCII)


_LONGEST = timedelta(seconds=MAX_LENGTH)


def _after_start(end: ZonedTime, info: ValidationInfo) -> ZonedTime:
    start: ZonedTime | None = info.data.get("start")
    if start is not None:
        end_after_start(end.time, start.time, _LONGEST, "an available period")
    return end


class AvailablePeriodRequest(Request):
    """`POST /v1/available_periods`."""

    available_period_id: OwnId
    start: StartOrEnd
    end: Annotated[StartOrEnd, AfterValidator(_after_start)]
    tzid: TzId | None = None

    @property
    def period(self) -> AvailablePeriod:
        """The period to store."""
        return AvailablePeriod(
            available_period_id=self.available_period_id,
            start=self.start.time,
            end=self.end.time,
            tzid=self.start.tzid or self.tzid,
        )


def _is_one_or_all(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [
        {"required": ["available_period_id"], "properties": {"available_period_id": {"type": "string"}}},
        {"required": ["delete_all"], "properties": {"delete_all": {"const": True}}},
    ]


class AvailablePeriodReference(Request):
    """`DELETE /v1/available_periods`: one period, or all of them."""

    model_config = ConfigDict(json_schema_extra=_is_one_or_all)

    available_period_id: OwnId | None = None
    delete_all: bool = False

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> Self:
        if self.available_period_id is None and not self.delete_all:
            raise fault(
                "errors.required", "give an available_period_id, or delete_all", "available_period_id"
            )
        if self.available_period_id is not None and self.delete_all:
            raise fault(
                "errors.must_be_specified_once",
                "give either an available_period_id or delete_all",
                "available_period_id",
            )
        return self


def _is_cursor(text: str) -> str:
    if _CURSOR.fullmatch(text) is None:
        raise fault("errors.invalid", "must be as in next_page")
    return text


class AvailablePeriodsQuery(Query):
    """`GET /v1/available_periods`. Days are read in `tzid`; `to` is not part of the window.

    `page` and `after` are what `next_page` adds: the page's number, and the period that ends the one before.
    """

    tzid: TzId | None = None
    first: Annotated[Day | None, Field(alias="from")] = None
    last: Annotated[Day | None, Field(alias="to")] = None
    localized_times: Flag = False
    page: Annotated[int, Field(ge=1, le=1_000_000, strict=False)] = 1
    after: (
        Annotated[Text, AfterValidator(_is_cursor), Described({"pattern": r"^-?[0-9]{1,11}:[ -~]{1,64}$"})]
        | None
    ) = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        since, before = self._window
        if since is not None and before is not None and before < since:
            raise fault("errors.invalid_time_pair", "to must not be before from", "to")
        return self

    @property
    def _window(self) -> tuple[int | None, int | None]:
        return self._start_of(self.first), self._start_of(self.last)

    def _start_of(self, day: Day | None) -> int | None:
        zone = times.zone(self.tzid or _UTC)
        if isinstance(day, int):
            day = times.day_of(day, zone)
        return None if day is None else times.start_of_day(day, zone)

    def selection(self, sub: str) -> Selection:
        """What to read of an account."""
        since, before = self._window
        return Selection(sub, since, before)

    @property
    def cursor(self) -> Cursor | None:
        """Where the page begins; None for the first."""
        if self.after is None:
            return None
        start, _, available_period_id = self.after.partition(":")
        return Cursor(int(start), available_period_id)

    def localized_in(self, period: AvailablePeriod) -> str | None:
        """The zone to write a period's times in: the query's, or else its own; None for UTC."""
        return (self.tzid or period.tzid or _UTC) if self.localized_times else None
