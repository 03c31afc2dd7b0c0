"""The calendars that a request names, held against those of the account that sends it."""

from collections.abc import Iterator

from widgetsvc.calendars.errors import FieldError
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.identifiers import MAX_CALENDARS


def foreign_calendars(owner: Account, calendar_ids: object, path: str) -> Iterator[FieldError]:
    """The faults of a list of calendar ids, checked or as it was sent, that are not the account's own."""
    named = calendar_ids[:MAX_CALENDARS] if isinstance(calendar_ids, list) else []
    for index, calendar_id in enumerate(named):
        if isinstance(calendar_id, str) and not owner.has_calendar(calendar_id):
            yield FieldError(f"{path}[{index}]", "errors.not_recognized", "is not a calendar of the account")
