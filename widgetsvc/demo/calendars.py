"""The demo tenant: a furniture shop's consultations and an interviewer's days, around today."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from widgetsvc.clock import Clock
from widgetsvc.errors import UnknownTenant
from widgetsvc.gateway.tenant_models import Policy, Tenant
from widgetsvc.wiring import Operations

SLUG = "harbour-and-pine"
NAME = "Harbour & Pine"
TZID = "Europe/London"
ORIGIN_RULE = "http://localhost:*"
STORE, INTERVIEWS = "store-harbour", "interviews-anna"
_DAYS = range(-7, 22)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class _Appointment:
    """Something that recurs on some weekdays (Monday is 0)."""

    weekdays: frozenset[int]
    start: time
    minutes: int
    summary: str
    description: str = ""
    location: str = ""


def _on(
    weekdays: str, start: str, minutes: int, summary: str, description: str, location: str
) -> _Appointment:
    days = frozenset("MTWRF".index(letter) for letter in weekdays)
    return _Appointment(days, time.fromisoformat(start), minutes, summary, description, location)


_APPOINTMENTS: Mapping[str, tuple[_Appointment, ...]] = {
    STORE: (
        _on("MTWRF", "09:00", 30, "Opening round", "Floor walk and deliveries.", "Harbour store"),
        _on("M", "10:30", 60, "Dining table: the Okafors", "Oak, seats eight.", "Bench by the window"),
        _on("T", "11:00", 90, "Measuring visit: Castellanos", "Bookcase, attic stairs.", "12 Quay Street"),
        _on("W", "09:30", 60, "Chair fabrics with the Harrisons", "Bring the wool swatches.", "Studio"),
        _on("R", "10:00", 30, "Collection: rocking chair", "Two people to carry.", "Goods entrance"),
        _on("F", "11:30", 60, "Writing desk: Adeyemi", "Second appointment.", "Bench by the window"),
        _on("MTWRF", "12:30", 60, "Lunch", "", ""),
        _on("MW", "14:00", 60, "Wood samples", "Ash, oak and larch.", "Studio"),
        _on("TR", "15:30", 60, "Repairs desk", "Loose joints and old varnish.", "Workshop"),
        _on("F", "14:30", 90, "Window display", "Winter chairs.", "Front of house"),
    ),
    INTERVIEWS: (
        _on("MTWRF", "09:15", 15, "Hiring stand-up", "Who is coming in today.", "Meeting room Pine"),
        _on("M", "10:00", 45, "Interview: Priya Raman", "Store adviser, first round.", "Meeting room Pine"),
        _on("M", "13:30", 60, "Interview: Tom Eriksen", "Joiner, chairs: trial piece.", "Workshop"),
        _on("T", "10:30", 45, "Interview: Leila Haddad", "Joiner, tables.", "Meeting room Oak"),
        _on("T", "15:00", 30, "Call with agency", "Two profiles for the workshop.", "Telephone"),
        _on("W", "11:00", 60, "Interview: Marco Bianchi", "Store adviser, final round.", "Harbour store"),
        _on("W", "14:00", 30, "Feedback round", "Decide on Bianchi.", "Meeting room Pine"),
        _on("R", "09:45", 45, "Interview: Sofia Almeida", "Joiner, chairs.", "Meeting room Oak"),
        _on("R", "13:00", 45, "Interview: Daniel Osei", "Joiner, tables.", "Meeting room Oak"),
        _on("F", "10:00", 60, "Offer talk: Priya Raman", "Start date and hours.", "Meeting room Pine"),
        _on("F", "15:30", 30, "Week in review", "Open roles and numbers.", "Meeting room Pine"),
    ),
}


def seed(operations: Operations, clock: Clock) -> Tenant:
    """Create the demo tenant unless it is there, and write its events anew around today."""
    tenant = _tenant(operations)
    today = datetime.fromtimestamp(clock(), ZoneInfo(TZID)).date()
    for application_calendar_id, appointments in _APPOINTMENTS.items():
        operations.calendars.add(tenant, application_calendar_id)
        access = operations.calendars.access(tenant, application_calendar_id)
        for event in _events(appointments, today):
            operations.cronofy.upsert_event(access.access_token, access.calendar_id, event)
    return tenant


def share_link(operations: Operations, tenant: Tenant, clock: Clock) -> str:
    """Create a link at which anybody can book half an hour with the interviewer, and return its address."""
    access = operations.calendars.access(tenant, INTERVIEWS)
    now = clock()
    today = datetime.fromtimestamp(now, ZoneInfo(TZID)).date()
    days = [today + timedelta(days=ahead) for ahead in range(1, _DAYS.stop)]
    hours = [
        {"start": _instant(day, "09:00"), "end": _instant(day, "17:00")}
        for day in days
        if day.weekday() < _SATURDAY
    ]
    return operations.cronofy.create_scheduling_link(
        {
            "oauth": {"redirect_uri": "http://localhost/"},
            "event": {
                "event_id": f"demo-first-talk-{int(now)}",
                "summary": "First talk with Anna",
                "description": "Half an hour about the workshop, the work, and you.",
                "location": {"description": "Meeting room Pine"},
            },
            "availability": {
                "participants": [{"members": [{"sub": access.sub}], "required": "all"}],
                "required_duration": {"minutes": 30},
                "buffer": {"before": {"minutes": 15}, "after": {"minutes": 15}},
                "query_periods": hours,
            },
            "target_calendars": [{"sub": access.sub, "calendar_id": access.calendar_id}],
            "tzid": TZID,
            "minimum_notice": {"hours": 12},
        }
    )


def _instant(day: date, clock: str) -> str:
    local = datetime.combine(day, time.fromisoformat(clock), ZoneInfo(TZID))
    return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tenant(operations: Operations) -> Tenant:
    try:
        return operations.tenants.by_slug(SLUG)
    except UnknownTenant:
        return operations.tenants.create(SLUG, NAME, [ORIGIN_RULE], Policy(tzid=TZID)).tenant


def _events(appointments: tuple[_Appointment, ...], today: date) -> Iterator[dict[str, Any]]:
    for day in (today + timedelta(days=ahead) for ahead in _DAYS):
        # A demo that is started at a weekend shows something today, too.
        weekday = day.weekday() if day.weekday() < _SATURDAY else 0 if day == today else None
        for number, appointment in enumerate(appointments):
            if weekday in appointment.weekdays:
                yield _event(appointment, day, f"demo-{day}-{number}")


def _event(appointment: _Appointment, day: date, event_id: str) -> dict[str, Any]:
    start = datetime.combine(day, appointment.start, ZoneInfo(TZID)).astimezone(UTC)
    end = start + timedelta(minutes=appointment.minutes)
    event: dict[str, Any] = {
        "event_id": event_id,
        "summary": appointment.summary,
        "description": appointment.description,
        "start": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "end": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tzid": TZID,
    }
    return event | ({"location": {"description": appointment.location}} if appointment.location else {})
