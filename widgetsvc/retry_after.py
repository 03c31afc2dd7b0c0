"""The Retry-After header. Source: RFC 9110 section 10.2.3."""

from datetime import UTC
from email.utils import parsedate_to_datetime


def seconds_to_wait(value: str, now: float) -> int | None:
    """How long a Retry-After asks to wait, less than nothing for a date that is over; None for nonsense."""
    if value.isascii() and value.isdigit():
        # Nine digits are enough for any cap; int() refuses thousands of them.
        return int(value[:9])
    try:
        date = parsedate_to_datetime(value)
        return round((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None
