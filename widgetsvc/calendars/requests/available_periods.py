"""What is asked of available periods: to write one, to read them, to delete one or all.

Source: Cronofy API, Available Periods. The documentation is silent on the window of a read without `from` and
`to`, which is open, and on what is deleted by neither an id nor `delete_all`, which is refused.
"""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, ValidationInfo, model_validator

from widgetsvc.calendars.records import AvailablePeriod
from widgetsvc.calendars.requests.base import (
    Request,
    TzId,
    fault,
)
from widgetsvc.calendars.requests.identifiers import OwnId
from widgetsvc.calendars.requests.moments import StartOrEnd, ZonedTime, end_after_start
from widgetsvc.calendars.requests.reading import UTC, WindowQuery
from widgetsvc.calendars.store.available_periods import MAX_LENGTH, Selection
from widgetsvc.localtime import first_of_day

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


class AvailablePeriodsQuery(WindowQuery):
    """`GET /v1/available_periods`."""

    def selection(self, sub: str) -> Selection:
        """What to read of an account."""
        since, before = (first_of_day(day, self.zone) if day else None for day in self.days)
        return Selection(sub, since, before)

    def localized_in(self, period: AvailablePeriod) -> str | None:
        """The zone to write a period's times in: the query's, or else its own; None for UTC."""
        return (self.tzid or period.tzid or UTC) if self.localized_times else None
