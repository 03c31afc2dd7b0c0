"""The first free slots of a picker, asked for ahead of the Element, which asks again when it has loaded.

Nobody waits long for them, and nothing depends on them: where the API is slow, fails or has been asked enough
for now, it is not known what is free.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Lock
from typing import Any

from cachetools import TTLCache

from widgetsvc.clock import Clock, monotonic_clock, system_clock
from widgetsvc.cronofy.client import CronofyClient
from widgetsvc.errors import UpstreamRejected, UpstreamUnavailable
from widgetsvc.gateway.queries import Moment, Period, availability_query, moment_of, periods, utc
from widgetsvc.gateway.widget_models import WidgetQuery
from widgetsvc.limits import Allowance, Counts, Limited
from widgetsvc.permissions import Element

ANSWER_SECONDS = 0.3
"""How long Cronofy's cloud may take, and a thread with it."""

FRESH_SECONDS = 10
"""How long an answer is given to others who ask the same."""

REST_SECONDS = 5
"""How long nobody asks an API that has just not answered."""

MAX_SLOTS = 300
"""How many are asked for: enough for three days of a meeting every quarter of an hour."""

_MAX_KEPT = 512
_VIEWER_INTERVAL = 15
_MINUTE = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Search:
    """What an Element looks for. `tzid` is the zone of a query that names none.

    `subs` are empty where the accounts are not known yet. `interval_minutes` is how far apart the Element
    lets meetings start, where it has a say in that.
    """

    subs: tuple[str, ...]
    query: WidgetQuery
    tzid: str
    interval_minutes: int | None = None

    @classmethod
    def of(cls, element: Element, subs: Sequence[str], query: WidgetQuery, tzid: str) -> "Search":
        """The search of one of the Elements that offer times (UI Elements documentation)."""
        asked = query.start_interval_minutes
        interval = asked or _VIEWER_INTERVAL if element is Element.AVAILABILITY_VIEWER else asked
        return cls(tuple(subs), query, tzid, interval)

    @property
    def duration(self) -> int:
        """How long a meeting lasts, in seconds."""
        return self.query.duration_minutes * _MINUTE


class FirstSlots:
    """What is free; safe to share between threads."""

    def __init__(
        self,
        cronofy: CronofyClient,
        counts: Counts,
        allowances: Sequence[Allowance] = (),
        *,
        clock: Clock = system_clock,
        monotonic: Clock = monotonic_clock,
    ) -> None:
        """`allowances` are how often `cronofy` may be asked, by all processes that share `counts`."""
        self._cronofy = cronofy
        self._counts = counts
        self._limited = [Limited("first slots by application", "", each) for each in allowances]
        self._clock = clock
        self._monotonic = monotonic
        self._lock = Lock()
        self._kept: TTLCache[tuple[Search, Moment, int], tuple[int, ...] | None] = TTLCache(
            _MAX_KEPT, FRESH_SECONDS, timer=monotonic
        )
        self._rests_until = 0.0

    def starts(self, search: Search, since: int = 0) -> tuple[int, ...] | None:
        """The starts of the first free slots, not before `since`; both are in Unix seconds.

        They are at most MAX_SLOTS, and others may follow where they are as many. None where it could not be
        found out.
        """
        moment = moment_of(search.query, search.tzid, self._clock())
        key = search, moment, since
        with self._lock:
            if key in self._kept:
                return self._kept[key]
        offered = _since(since, periods(search.query, moment), search.duration)
        found = self._find(search, moment, offered, MAX_SLOTS) if offered else ()
        with self._lock:
            self._kept[key] = found
        return found

    def is_free(self, search: Search, start: int) -> bool | None:
        """Whether a slot is offered and still free, asked anew; None where that could not be found out."""
        moment = moment_of(search.query, search.tzid, self._clock())
        slot = Period(start, start + search.duration)
        offered = periods(search.query, moment)
        if not any(each.start <= slot.start and slot.end <= each.end for each in offered):
            return False
        found = self._find(search, moment, [slot], 1)
        return None if found is None else start in found

    def last_day(self, search: Search) -> date:
        """The last day that a search looks at, in the zone of its hours."""
        today = moment_of(search.query, search.tzid, self._clock()).today
        return today + timedelta(days=search.query.days_ahead)

    def _find(
        self, search: Search, moment: Moment, within: Sequence[Period], most: int
    ) -> tuple[int, ...] | None:
        if (
            not search.subs
            or self._monotonic() < self._rests_until
            or self._counts.use(self._limited) is not None
        ):
            return None
        body: dict[str, Any] = availability_query(search.query, search.subs, moment)
        body["query_periods"] = [{"start": utc(each.start), "end": utc(each.end)} for each in within]
        body["max_results"] = most
        if search.interval_minutes is not None:
            body["start_interval"] = {"minutes": search.interval_minutes}
        try:
            found = self._cronofy.availability(body, "overlapping_slots", seconds=ANSWER_SECONDS)
        except UpstreamUnavailable as error:
            self._rests_until = self._monotonic() + REST_SECONDS
            _log.warning("first slots are left out for %d s: %s", REST_SECONDS, error)
            return None
        except UpstreamRejected as error:
            _log.warning("first slots are left out: %s", error)
            return None
        return tuple(int(slot.start.timestamp()) for slot in found)


def _since(since: int, offered: Sequence[Period], shortest: int) -> list[Period]:
    """What of some stretches is left from an instant on, where it is long enough."""
    left = (Period(max(each.start, since), each.end) for each in offered)
    return [each for each in left if each.end - each.start >= shortest]
