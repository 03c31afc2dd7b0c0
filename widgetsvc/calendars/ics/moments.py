"""The days and times of parsed events."""

from datetime import date
from typing import Any

from icalendar import Event


def moment(event: Event, name: str) -> date:
    """The day or time of a property that the event has."""
    value: Any = event[name]  # declared as any of the format's thirty types
    found: date = value.dt
    return found
