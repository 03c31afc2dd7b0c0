"""What is left out of an import, and why."""

from dataclasses import dataclass
from enum import StrEnum

from widgetsvc.calendars.times import EARLIEST, LATEST


class Reason(StrEnum):
    """Why something in a file is no event afterwards."""

    CANCELLED = "cancelled"
    OUTSIDE_WINDOW = "outside_window"
    NO_START = "no_start"
    NO_DURATION = "no_duration"
    ENDS_BEFORE_START = "ends_before_start"
    TOO_LONG = "too_long"
    YEAR_OUT_OF_RANGE = "year_out_of_range"
    UNKNOWN_ZONE = "unknown_zone"
    UNUSABLE_RULE = "unusable_rule"
    UNREADABLE = "unreadable"
    NOT_AN_EVENT = "not_an_event"

    @property
    def words(self) -> str:
        """The reason in words, to follow a number of entries."""
        return _WORDS[self]


_WORDS = {
    Reason.CANCELLED: "cancelled",
    Reason.OUTSIDE_WINDOW: "outside of the days to import",
    Reason.NO_START: "without a start",
    Reason.NO_DURATION: "take no time",
    Reason.ENDS_BEFORE_START: "end before they start",
    Reason.TOO_LONG: "last longer than a year",
    Reason.YEAR_OUT_OF_RANGE: f"in years before {EARLIEST.year} or from {LATEST.year} on",
    Reason.UNKNOWN_ZONE: "in a zone that neither is known nor defined in the file",
    Reason.UNUSABLE_RULE: "recur by a rule that cannot be followed",
    Reason.UNREADABLE: "cannot be read",
    Reason.NOT_AN_EVENT: "no events (tasks, journals, free/busy times)",
}


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that was left out: where it begins, why, and what exactly is the matter."""

    line: int
    reason: Reason
    detail: str = ""


class Skip(Exception):
    """Raised where an entry turns out to be none that can be kept."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
