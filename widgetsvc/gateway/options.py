"""What a UI Element is to be started with.

Source: UI Elements documentation; the Agenda gets no `tzid`, since it sorts events into days by the
browser's own zone and would otherwise put some on the wrong day.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from widgetsvc.permissions import Element

DURATION = timedelta(minutes=30)
DAYS_AHEAD = 14
OPENS, CLOSES = time(9), time(17)
_SATURDAY = 5

AVAILABILITY_RULE_ID = "default"
"""The rule that is edited unless the page names another one; rules belong to the calendar's account."""


def element_options(
    element: Element | None, subs: Sequence[str], *, api_url: str, tzid: str, now: float
) -> dict[str, Any]:
    """Options for an Element, or for a frontend that drives the Elements itself (`element` None).

    `now` is in Unix seconds. Without a widget that says otherwise a slot lasts half an hour, in office hours
    of the tenant's zone, from now to two weeks ahead.
    """
    options: dict[str, Any] = {"api_domain": api_url}
    match element:
        case None | Element.AGENDA:
            return options
        case Element.AVAILABILITY_RULES:
            return options | {"tzid": tzid, "availability_rule_id": AVAILABILITY_RULE_ID}
        case Element.CALENDAR_SYNC:
            # Application calendars connect no further profiles, but the Element does not start without it.
            return options | {"authorization_url": f"{api_url}/oauth/authorize", "single_profile": True}
        case _:
            return options | {"tzid": tzid, "availability_query": availability_query(subs, tzid, now)}


def availability_query(subs: Sequence[str], tzid: str, now: float) -> dict[str, Any]:
    """The query of a picker that was given none (Cronofy API, Availability)."""
    return {
        "participants": [{"members": [{"sub": sub} for sub in subs], "required": "all"}],
        "required_duration": {"minutes": int(DURATION.total_seconds()) // 60},
        "query_periods": _office_hours(ZoneInfo(tzid), datetime.fromtimestamp(now, UTC)),
    }


def _office_hours(zone: ZoneInfo, now: datetime) -> list[dict[str, str]]:
    today = now.astimezone(zone).date()
    days = [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    earliest = _next_half_hour(now)
    periods = []
    for day in days:
        if day.weekday() >= _SATURDAY:
            continue
        opens = datetime.combine(day, OPENS, zone).astimezone(UTC)
        closes = datetime.combine(day, CLOSES, zone).astimezone(UTC)
        start = max(opens, earliest)
        if closes - start >= DURATION:
            periods.append({"start": _utc(start), "end": _utc(closes)})
    return periods


def _next_half_hour(now: datetime) -> datetime:
    grid = int(DURATION.total_seconds())
    return datetime.fromtimestamp(-(-int(now.timestamp()) // grid) * grid, UTC)


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
