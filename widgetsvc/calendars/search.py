"""Answers availability queries: from what is asked and what the stores know to openings.

Source: Cronofy API, Availability.
"""

from collections.abc import Callable, Mapping

from widgetsvc.calendars import diaries
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.diaries import Diaries, Party
from widgetsvc.calendars.engine import availability as engine
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.requests.availability import AvailabilityRequest, ResponseFormat

_FORMATS: Mapping[ResponseFormat, Callable[[engine.Query], list[engine.Opening]]] = {
    "periods": engine.periods,
    "slots": engine.slots,
    "overlapping_slots": engine.overlapping_slots,
}


def find(
    backend: Backend, wanted: AvailabilityRequest, accounts: Mapping[str, Account]
) -> list[engine.Opening]:
    """Answer a query whose every sub is among `accounts`.

    Raises InvalidParameters where the members' managed availability is in too many pieces.
    """
    duration = wanted.required_duration.seconds
    party = Party(wanted.participants, wanted.buffer)
    known = Diaries(backend, accounts, [party], wanted.extent(duration), wanted.excluded)
    return _FORMATS[wanted.response_format](
        engine.Query(
            groups=[known.group(group) for group in wanted.participants],
            duration=duration,
            windows=wanted.windows,
            starts=wanted.starts,
            start_interval=wanted.start_interval.seconds if wanted.start_interval else None,
            buffer=diaries.buffer(wanted.buffer),
            max_results=wanted.max_results,
        )
    )
