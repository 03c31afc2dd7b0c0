"""Times as Cronofy's API writes and reads them.

Inside the backend an instant is an `int` of Unix seconds and a day a `datetime.date`.
Source: Cronofy API, Data types; the SDKs' deviations that have to be accepted.
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from widgetsvc.localtime import day_of
from widgetsvc.timezones import is_zone

EARLIEST, LATEST = date(1900, 1, 1), date(2200, 1, 1)
"""Bounds of what is stored: within them no zone conversion overflows."""

# C# sends a space for the T, pycronofy lets "UTC" stand for Z.
_TIME = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[T ](?P<clock>\d{2}:\d{2}(?::\d{2})?)(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>Z| ?UTC|[+-]\d{2}:?\d{2})",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_time(text: str) -> int:
    """Read a Time such as `2024-06-25T17:00:00Z` and return Unix seconds.

    Raises ValueError, with words for the caller, for anything else.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("must be a time such as 2024-06-25T17:00:00Z, with its zone")
    if int(match["fraction"] or 0):
        raise ValueError("must not have fractions of a second")
    zone = match["zone"].strip()
    offset = "+00:00" if zone in {"Z", "UTC"} else zone
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['clock']}{offset}")
    except ValueError:
        raise ValueError("is not a time that exists") from None
    _check_bounds(moment.date())
    _check_bounds(moment.astimezone(UTC).date())  # it is written in UTC, and has to be read again
    return int(moment.timestamp())


def parse_date(text: str) -> date:
    """Read a Date such as `2024-06-25`. Raises ValueError, with words for the caller, for anything else."""
    if _DATE.fullmatch(text) is None:
        raise ValueError("must be a date such as 2024-06-25")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a day that exists") from None
    _check_bounds(day)
    return day


def _check_bounds(day: date) -> None:
    if not EARLIEST <= day < LATEST:
        raise ValueError(f"must lie between {EARLIEST.year} and {LATEST.year}")


def looks_like_date(text: str) -> bool:
    """Whether the text is in the form of a Date, existing or not."""
    return _DATE.fullmatch(text) is not None


def zone(tzid: str) -> ZoneInfo:
    """Return the IANA zone. Raises ValueError where there is none of that name."""
    if not is_zone(tzid):
        raise ValueError("TZID not recognized")
    return ZoneInfo(tzid)


def days_from(instant: int, days: int, tz: ZoneInfo) -> date:
    """The day that lies `days` after (before, if negative) an instant's day in a zone."""
    return day_of(instant, tz) + timedelta(days=days)


def format_time(instant: int) -> str:
    """Write Unix seconds as `yyyy-MM-ddTHH:mm:ssZ`; the C# SDK reads no other form."""
    # An availability answer has hundreds of these, and strftime takes twice as long.
    return datetime.fromtimestamp(instant, UTC).replace(tzinfo=None).isoformat() + "Z"


def format_localized(instant: int, tzid: str) -> dict[str, str]:
    """Write Unix seconds as `{"time", "tzid"}`, the form of `localized_times=true`."""
    return {"time": datetime.fromtimestamp(instant, zone(tzid)).isoformat(timespec="seconds"), "tzid": tzid}
