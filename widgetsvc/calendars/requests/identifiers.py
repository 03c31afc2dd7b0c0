"""Ids in requests: those that applications choose for what they keep here, and those of calendars."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from widgetsvc.calendars.requests.base import Described, Name, Text, fault

_READABLE = re.compile(r"[ -.0-~]+")
_DOTS = {".", ".."}


def _fits_a_path(text: str) -> str:
    # A rule is read under its id: a slash would part it, and clients resolve dots before they send them.
    if _READABLE.fullmatch(text) is None or text in _DOTS:
        raise fault("errors.invalid", "must consist of printable ASCII characters other than /")
    return text


OwnId = Annotated[
    Name,
    StringConstraints(max_length=64),
    AfterValidator(_fits_a_path),
    Described({"pattern": r"^(?!\.{1,2}$) *[!-.0-~][ -.0-~]*$"}),
]
"""An application's own id of up to 64 ASCII characters.

Source: Cronofy API, Availability Rules and Available Periods.
"""

MAX_CALENDARS = 50
"""Calendars that a request names at most."""

CalendarIds = Annotated[list[Text], Field(min_length=1, max_length=MAX_CALENDARS)]
"""Some calendars, where leaving them out means all."""
