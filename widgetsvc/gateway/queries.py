"""What a widget's query comes to at a moment: the availability query that an Element is started with.

Source: Cronofy API, Availability. Everything here is a function of the query and the moment, and the moment
moves by steps: what was worked out once is good until the next start of a meeting is past.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from widgetsvc.gateway.widget_models import DAYS, MAX_DAYS_AHEAD, DailyHours, WidgetQuery
from widgetsvc.localtime import first_at, last_before

DEFAULT_QUERY = WidgetQuery()
"""The query of a picker that was given none: half an hour in office hours, today and two weeks ahead."""

_MINUTE = 60
_HOUR_MINUTES = 60
_HALF_HOUR = 30
_MOST_SECONDS = (MAX_DAYS_AHEAD + 1) * 24 * 60 * _MINUTE
_MAX_KEPT = 4_096


class Moment(NamedTuple):
    """When a query is asked: the day that it is then in its zone, and the first start that it may offer.

    `earliest` is in Unix seconds. All requests between two possible starts of one day have the same moment.
    """

    tzid: str
    today: date
    earliest: int


class Period(NamedTuple):
    """A stretch in which meetings may lie, in Unix seconds, half-open."""

    start: int
    end: int


def moment_of(query: WidgetQuery, tzid: str, now: float) -> Moment:
    """The moment of a request at `now` (Unix seconds). `tzid` is the zone of a query that names none."""
    zone = query.tzid or tzid
    step = _step(query)
    # The first whole second that is not past; steps are counted from midnight UTC, as Cronofy does.
    notice = math.ceil(now) + query.minimum_notice_minutes * _MINUTE
    return Moment(zone, datetime.fromtimestamp(now, ZoneInfo(zone)).date(), -(-notice // step) * step)


def availability_query(query: WidgetQuery, subs: Sequence[str], moment: Moment) -> dict[str, Any]:
    """The body of `POST /v1/availability` for some accounts at a moment, without a `response_format`."""
    body: dict[str, Any] = {
        "participants": [
            {"members": [{"sub": sub} for sub in subs], "required": "all" if query.required == "all" else 1}
        ],
        "required_duration": {"minutes": query.duration_minutes},
        "query_periods": [{"start": start, "end": end} for start, end in _asked(query, moment)],
    }
    if query.start_interval_minutes is not None:
        body["start_interval"] = {"minutes": query.start_interval_minutes}
    before, after = query.buffer_before_minutes, query.buffer_after_minutes
    if before or after:
        body["buffer"] = {"before": {"minutes": before}, "after": {"minutes": after}}
    return body


def periods(query: WidgetQuery, moment: Moment) -> tuple[Period, ...]:
    """The stretches that a query's hours come to, long enough for a meeting, in order and apart.

    A stretch holds every moment at which clocks in the zone show a time of its hours: what clocks skip is
    missing, and hours that reach into a time shown twice hold both passes and what lies between. What lies
    more than 35 days after the earliest start is left to tomorrow.
    """
    zone = ZoneInfo(moment.tzid)
    of_day: list[list[DailyHours]] = [
        [each for each in query.weekly_hours if each.day == day] for day in DAYS
    ]
    latest = moment.earliest + _MOST_SECONDS
    off = frozenset(query.days_off)
    days = (moment.today + timedelta(days=ahead) for ahead in range(query.days_ahead + 1))
    found = (
        Period(max(start, moment.earliest), min(end, latest))
        for day in days
        if day not in off
        for start, end in _hours_of(day, of_day[day.weekday()], zone)
    )
    shortest = query.duration_minutes * _MINUTE
    return tuple(period for period in _merged(found) if period.end - period.start >= shortest)


@lru_cache(_MAX_KEPT)
def _asked(query: WidgetQuery, moment: Moment) -> tuple[tuple[str, str], ...]:
    # Neither Cronofy nor the Elements take a query without periods. In a minute no meeting has room (the
    # shortest lasts five), so the Element finds nothing, and says so in its own words.
    nothing = (Period(moment.earliest, moment.earliest + _MINUTE),)
    return tuple((utc(start), utc(end)) for start, end in periods(query, moment) or nothing)


def _step(query: WidgetQuery) -> int:
    """How far apart meetings may start, in seconds; unsaid, it is what Cronofy's API goes by."""
    if query.start_interval_minutes is not None:
        return query.start_interval_minutes * _MINUTE
    divides = _HOUR_MINUTES % query.duration_minutes == 0
    return (query.duration_minutes if divides else _HALF_HOUR) * _MINUTE


def _hours_of(day: date, hours: Sequence[DailyHours], zone: ZoneInfo) -> list[Period]:
    midnight = datetime.combine(day, time.min)
    found = []
    for each in hours:
        opens, closes = (midnight + timedelta(minutes=minutes) for minutes in each.minutes)
        found.append(Period(first_at(opens, zone), last_before(closes, zone)))
    return found


def _merged(found: Iterable[Period]) -> list[Period]:
    merged: list[Period] = []
    for period in sorted(period for period in found if period.start < period.end):
        if merged and period.start <= merged[-1].end:
            merged[-1] = Period(merged[-1].start, max(merged[-1].end, period.end))
        else:
            merged.append(period)
    return merged


def utc(instant: int) -> str:
    """Write an instant, in Unix seconds, as `2026-11-23T09:00:00Z`."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
