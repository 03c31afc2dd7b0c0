"""Picking a time, and saying that none will do.

What applications are told is the body that Cronofy documents for a completed booking, and beside it
`notification` and `real_time_scheduling`, which tell the three kinds apart; the other two bodies are not
documented. Source: Cronofy API, Scheduling Triggers.
"""

import json
from enum import Enum, auto

from widgetsvc.calendars import wire
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.pages.offer import Offer
from widgetsvc.calendars.records import EventTime, SchedulingLink, SchedulingStatus, Telling
from widgetsvc.calendars.times import format_time

_COMPLETED = "real_time_scheduling_completed"


class Outcome(Enum):
    """What came of a booking."""

    BOOKED = auto()
    """The time is booked, now or by the same request before."""
    TAKEN = auto()
    """The time is not free, or was never offered; nothing has changed."""
    BOOKED_ALREADY = auto()
    """Another time was picked on this link before."""
    CLOSED = auto()
    """The link is disabled, or calendars that it needs are gone."""


def book(backend: Backend, seen: SchedulingLink, start: int, visitor_tzid: str) -> Outcome:
    """Book the meeting that starts at an instant.

    Whether it is free is asked in the transaction that writes it, and writers queue: of two that want one
    time, or one link, the second finds it taken.
    """
    with backend.scheduling_links.changing(seen) as (connection, link):
        if link.slot is not None:
            return Outcome.BOOKED if link.slot[0] == start else Outcome.BOOKED_ALREADY
        offer = Offer(link, int(backend.clock()))
        accounts = backend.accounts.lock(connection, link.application_id, offer.wanted.subs)
        if link.status is SchedulingStatus.DISABLED or not offer.stands(accounts):
            return Outcome.CLOSED
        within = backend.within(connection)
        opening = offer.opening(within, accounts, start)
        if opening is None:
            return Outcome.TAKEN
        wanted = offer.wanted
        time = EventTime(opening.start, opening.end)
        draft = wanted.event.draft_at(time, wanted.event.tzid or offer.tzid, wanted.event.event_id)
        for target in wanted.written:
            within.events.upsert(target.calendar_id, draft)
        completed = backend.scheduling_links.complete(connection, link, (opening.start, opening.end))
        if wanted.completed_callback is not None:
            body = _completed(backend, completed, offer, opening.subs, visitor_tzid)
            backend.outbox.put(connection, link.application_id, wanted.completed_callback, body)
        return Outcome.BOOKED


def tell(backend: Backend, seen: SchedulingLink, telling: Telling) -> None:
    """Tell the application, if it asked for that and has not been told of this link."""
    urls = Offer(seen, int(backend.clock())).wanted.callback_urls
    url = {
        Telling.NO_TIMES_DISPLAYED: urls.no_times_displayed_url,
        Telling.NO_TIMES_SUITABLE: urls.no_times_suitable_url,
    }[telling]
    if url is None or telling in seen.told:
        return
    with backend.scheduling_links.changing(seen) as (connection, link):
        if link.status is not SchedulingStatus.OPEN or telling in link.told:
            return
        body = json.dumps({"event": wire.event_of_link(link), **_about(backend, link, telling.value)})
        backend.outbox.put(connection, link.application_id, url, body)
        backend.scheduling_links.note_told(connection, link, telling)


def _completed(
    backend: Backend, link: SchedulingLink, offer: Offer, subs: tuple[str, ...], visitor_tzid: str
) -> str:
    assert link.slot is not None  # noqa: S101 - it was completed just now
    tzid = offer.tzid or visitor_tzid
    start, end = ({"time": format_time(instant), "tzid": tzid} for instant in link.slot)
    return json.dumps(
        {
            "event": wire.event_of_link(link) | {"start": start, "end": end},
            "participants": [{"sub": sub} for sub in subs],
            "user": {"tzid": visitor_tzid},
            **_about(backend, link, _COMPLETED),
        }
    )


def _about(backend: Backend, link: SchedulingLink, kind: str) -> wire.Document:
    return {
        "notification": {"type": kind},
        "real_time_scheduling": wire.scheduling_link(link, backend.public_url),
    }
