"""The body of an availability rule.

Source: Cronofy API, Availability Rules. The documentation is silent on periods that overlap, which count once
but are returned as written, and on an end at midnight, which is `24:00` or `00:00`.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from widgetsvc.calendars.records import AvailabilityRule, WeeklyPeriod
from widgetsvc.calendars.requests.base import Described, Request, TzId, fault
from widgetsvc.calendars.requests.identifiers import CalendarIds, OwnId

MAX_WEEKLY_PERIODS = 336
"""Every other quarter of an hour: more would have to touch each other."""

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

_TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_MIDNIGHT = {"24:00", "00:00"}
"""How an end at the end of the day is written."""


def _start_time(text: str) -> str:
    if _TIME_OF_DAY.fullmatch(text) is None:
        raise fault("errors.invalid", "must be a time of day such as 09:00")
    return text


def _end_time(text: str, info: ValidationInfo) -> str:
    if text in _MIDNIGHT:
        return text
    if _TIME_OF_DAY.fullmatch(text) is None:
        raise fault("errors.invalid", "must be a time of day such as 17:00, or 24:00")
    start = info.data.get("start_time")
    if start is not None and text <= start:
        raise fault("errors.invalid_time_pair", "end_time must be after start_time")
    return text


class WeeklyPeriodRequest(Request):
    """A stretch of one weekday on the wall clock of the rule's zone."""

    day: Day
    start_time: Annotated[
        str,
        AfterValidator(_start_time),
        Described({"pattern": f"^{_TIME_OF_DAY.pattern}$", "examples": ["09:00"]}),
    ]
    end_time: Annotated[
        str,
        AfterValidator(_end_time),
        Described({"pattern": f"^({_TIME_OF_DAY.pattern}|24:00)$", "examples": ["17:00", "24:00"]}),
    ]


class AvailabilityRuleRequest(Request):
    """`POST /v1/availability_rules`."""

    availability_rule_id: OwnId
    tzid: TzId
    weekly_periods: Annotated[list[WeeklyPeriodRequest], Field(max_length=MAX_WEEKLY_PERIODS)]
    calendar_ids: CalendarIds | None = None

    @property
    def rule(self) -> AvailabilityRule:
        """The rule to store."""
        return AvailabilityRule(
            availability_rule_id=self.availability_rule_id,
            tzid=self.tzid,
            weekly_periods=tuple(
                WeeklyPeriod(period.day, period.start_time, period.end_time) for period in self.weekly_periods
            ),
            calendar_ids=None if self.calendar_ids is None else tuple(self.calendar_ids),
        )
