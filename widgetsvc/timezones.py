"""Time zones by their IANA names."""

from functools import cache
from zoneinfo import available_timezones


@cache
def _names() -> frozenset[str]:
    # Listing them walks the zone files. Browsers know neither of the two that are left out.
    return frozenset(available_timezones() - {"localtime", "Factory"})


def is_zone(name: str) -> bool:
    """Whether there is a zone of this name: `ZoneInfo` fails on `America` and `../x` in ways of its own."""
    return name in _names()
