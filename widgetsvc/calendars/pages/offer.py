"""What a link still offers: its query without the time that is over or too near."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.engine.availability import Opening
from widgetsvc.calendars.engine.timespan import Timespan, merge
from widgetsvc.calendars.pages.words import Reader
from widgetsvc.calendars.records import Account, SchedulingLink
from widgetsvc.calendars.requests.availability import AvailabilityRequest, Period, Slot
from widgetsvc.calendars.requests.scheduling import RealTimeSchedulingRequest
from widgetsvc.calendars.search import find
from widgetsvc.localtime import first_of_day

_MINUTE = 60
_DAYS_ON_A_PAGE = 5
_SLOTS_ON_A_PAGE = _DAYS_ON_A_PAGE * 24 * 12


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a list of times, and the (start, end) of what is free on it."""

    date: date
    slots: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Choice:
    """A page of a list of times; `following` is the day with which the next one begins, if there is one."""

    days: list[Day]
    following: date | None


@dataclass(frozen=True)
class Offer:
    """A link at a moment (`now`, Unix seconds)."""

    link: SchedulingLink
    now: int

    @cached_property
    def wanted(self) -> RealTimeSchedulingRequest:
        """The request that created the link."""
        return RealTimeSchedulingRequest.restored(self.link.request)

    @property
    def duration(self) -> int:
        """How long the event lasts, in seconds."""
        return self.wanted.availability.required_duration.seconds

    @property
    def tzid(self) -> str | None:
        """The zone that the application chose to show times in."""
        return self.wanted.tzid or self.wanted.event.tzid or self.wanted.availability.tzid

    @property
    def asks_to_confirm(self) -> bool:
        """Whether a picked time is shown once more before it is booked."""
        return self.wanted.selection_mode == "confirm"

    def stands(self, accounts: Mapping[str, Account]) -> bool:
        """Whether everybody is still there whom the link needs."""
        found = [accounts.get(sub) for sub in self.wanted.subs]
        return all(account is not None and account.connected for account in found) and all(
            accounts[target.sub].has_calendar(target.calendar_id) for target in self.wanted.target_calendars
        )

    @cached_property
    def query(self) -> AvailabilityRequest | None:
        """The link's query, cut to what can still be booked; None when that is nothing."""
        return self._query_from(self._earliest)

    def choice(
        self, backend: Backend, accounts: Mapping[str, Account], reader: Reader, first: date | None
    ) -> Choice:
        """The free times by the reader's days, from a day on or from the beginning."""
        begins = first_of_day(first, reader.tz) if first else 0
        query = self._query_from(max(self._earliest, begins))
        if query is None:
            return Choice([], None)
        asked = self.wanted.availability
        most = asked.max_results if "max_results" in asked.model_fields_set else _SLOTS_ON_A_PAGE
        listed = query.model_copy(
            update={
                "response_format": "slots" if asked.response_format == "slots" else "overlapping_slots",
                "max_results": min(most, _SLOTS_ON_A_PAGE),
            }
        )
        found = find(backend, listed, accounts)
        days: dict[date, list[tuple[int, int]]] = {}
        for opening in found:
            days.setdefault(reader.day(opening.start), []).append((opening.start, opening.end))
        dates = list(days)
        cut_off = len(found) == _SLOTS_ON_A_PAGE and len(dates) > 1
        # The last day of a list that was cut off is not whole: it opens the next page.
        shown = min(_DAYS_ON_A_PAGE, len(dates) - cut_off)
        following = dates[shown] if shown < len(dates) else None
        return Choice([Day(day, days[day]) for day in dates[:shown]], following)

    def opening(self, backend: Backend, accounts: Mapping[str, Account], start: int) -> Opening | None:
        """The meeting that starts at this instant, if it is offered and free."""
        query = self._sole(start)
        found = find(backend, query, accounts) if query else []
        return found[0] if found else None

    @property
    def _earliest(self) -> int:
        # Whole minutes: the Date Time Picker compares times as text.
        earliest = self.now + self.wanted.minimum_notice.seconds
        return earliest + -earliest % _MINUTE

    def _query_from(self, earliest: int) -> AvailabilityRequest | None:
        asked = self.wanted.availability
        if asked.query_slots:
            slots = [slot for slot in asked.query_slots if slot.start >= earliest]
            return asked.model_copy(update={"query_slots": slots}) if slots else None
        periods = [
            Period.model_construct(start=max(period.start, earliest), end=period.end)
            for period in asked.periods
            if period.end - max(period.start, earliest) > 0
        ]
        # Two that touch make room for a meeting that neither has alone.
        if not any(span.end - span.start >= self.duration for span in _spans(periods)):
            return None
        return asked.model_copy(update={"query_periods": periods, "available_periods": None})

    def _sole(self, start: int) -> AvailabilityRequest | None:
        """The query for the one meeting that starts then; None where the link does not offer it."""
        query = self.query
        if query is None:
            return None
        update: dict[str, Any] = {"response_format": "overlapping_slots", "max_results": 1}
        if query.query_slots:
            slots = [Slot.model_construct(start=start)]
            known = any(slot.start == start for slot in query.query_slots)
            return query.model_copy(update=update | {"query_slots": slots}) if known else None
        end = start + self.duration
        if not any(span.start <= start and end <= span.end for span in _spans(query.periods)):
            return None
        period = Period.model_construct(start=start, end=end)
        return query.model_copy(update=update | {"query_periods": [period]})


def _spans(periods: list[Period]) -> list[Timespan]:
    return merge(period.span for period in periods)
