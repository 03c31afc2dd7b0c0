"""What an examination says, line by line."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check went; only faults keep what is examined from doing its work."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it. `fix`, where there is one, is to be pasted as it is."""

    check: str
    status: Status
    detail: str
    fix: str | None = None
