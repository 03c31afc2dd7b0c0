"""What the backend answers: one function per shape, key order as in Cronofy's documentation.

`calendars` has to come before `sub` in a list of calendars: the PHP sample takes the first member.
Absent values are left out, never null: the C# SDK raises on a null time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from widgetsvc.calendars.engine.availability import Opening
from widgetsvc.calendars.engine.sequences import Item
from widgetsvc.calendars.records import (
    Account,
    AccountKind,
    AvailabilityRule,
    AvailablePeriod,
    Event,
    EventTime,
    Grant,
    SchedulingLink,
    Transparency,
)
from widgetsvc.calendars.times import format_localized, format_time

Document = dict[str, Any]

_PROVIDER = "cronofy"
_SCOPE = "read_write"


def token_response(grant: Grant) -> Document:
    """`POST /oauth/token` and the head of `POST /v1/application_calendars`."""
    return {
        "token_type": "bearer",
        "access_token": grant.access_token,
        "expires_in": grant.expires_in,
        "refresh_token": grant.refresh_token,
        "scope": _SCOPE,
    }


def application_calendar(grant: Grant) -> Document:
    """`POST /v1/application_calendars`."""
    account = grant.account
    return token_response(grant) | {
        "application_calendar_id": account.application_calendar_id,
        "sub": account.sub,
        "linking_profile": _profile(account),
    }


def _profile(account: Account) -> Document:
    return {
        "provider_name": _PROVIDER,
        "profile_id": account.profile_id,
        "profile_name": account.profile_name,
    }


def _calendar(account: Account) -> Document:
    return {
        "calendar_id": account.calendar_id,
        "calendar_name": account.label,
        "calendar_readonly": False,
        "calendar_deleted": False,
        "calendar_primary": True,
        "calendar_integrated_conferencing_available": False,
        "calendar_attachments_available": False,
        "permission_level": "unrestricted",
    }


def calendars(account: Account) -> Document:
    """`GET /v1/calendars`: an account has one at most."""
    calendars = [_profile(account) | _calendar(account)] if account.connected else []
    return {"calendars": calendars, "sub": account.sub}


def _connected_profile(account: Account) -> Document:
    return {
        "provider_name": _PROVIDER,
        "provider_service": _PROVIDER,
        "profile_id": account.profile_id,
        "profile_name": account.profile_name,
        "profile_connected": True,
        "profile_initial_sync_required": False,
    }


def profiles(account: Account) -> Document:
    """`GET /v1/profiles`: an account has one at most, and it is connected."""
    return {"profiles": [_connected_profile(account)] if account.connected else []}


def userinfo(account: Account) -> Document:
    """`GET /v1/userinfo`; an application calendar's id stands where others have an e-mail address.

    The documentation knows the type `account`; the other kinds go by names of the same making.
    """
    known = {
        "email": account.application_calendar_id or account.email,
        "name": account.name,
        "zoneinfo": account.tzid,
    }
    data: Document = {"authorization": {"scope": _SCOPE, "status": "active"}}
    if account.application_calendar_id is not None:
        data["application_calendar"] = {"application_calendar_id": account.application_calendar_id}
    profile = _connected_profile(account) | {"profile_calendars": [_calendar(account)]}
    data["profiles"] = [profile] if account.connected else []
    data["conferencing_profiles"] = []
    return {
        "sub": account.sub,
        **{name: value for name, value in known.items() if value is not None},
        "cronofy.type": account.kind.value,
        "cronofy.data": data,
    }


def account(owner: Account) -> Document:
    """`GET /v1/account`, for every kind: the documentation leaves open what an application calendar gets.

    Members that an account has no value for are there, since SDKs read them. `type` is ours, and absent for
    users, whose shape is documented.
    """
    document = {
        "account_id": owner.sub,
        "email": owner.email or "",
        "name": owner.name or "",
        "default_tzid": owner.tzid or "Etc/UTC",
        "scope": _SCOPE,
    }
    if owner.kind is not AccountKind.USER:
        document["type"] = owner.kind.value
    return {"account": document}


def page(number: int, total: int, next_page: str | None, items: Mapping[str, object]) -> Document:
    """One page of a list. `next_page` is absent on the last one; SDKs test for its presence."""
    pages: Document = {"current": number, "total": total}
    if next_page is not None:
        pages["next_page"] = next_page
    return {"pages": pages, **items}


_DETAILS = (
    "url",
    "color",
    "reminders",
    "conferencing",
    "meeting_url",
    "organizer",
    "series_identifier",
    "subscriptions",
    "attachments",
    "event_classes",
    "locale",
    "tags",
)


def event(stored: Event, localized_in: str | None, *, include_geo: bool) -> Document:
    """An entry of `GET /v1/events`; times in UTC, or localized in a zone."""
    draft, details = stored.draft, stored.draft.details
    document: Document = {
        "calendar_id": stored.calendar_id,
        **_ids(stored),
        "summary": draft.summary,
        "description": draft.description,
        **_times(draft.time, localized_in),
        "deleted": stored.deleted,
        "created": format_time(stored.created),
        "updated": format_time(stored.updated),
        "participation_status": details.get("participation_status", "accepted"),
        "attendees": details.get("attendees", []),
        "transparency": draft.transparency.value,
        "extended_transparency": details.get("extended_transparency", draft.transparency.value),
        "status": "tentative" if draft.tentative else "confirmed",
        "categories": details.get("categories", []),
        "recurring": bool(details.get("recurring")),
        "event_private": bool(details.get("event_private")),
        "options": {"delete": True, "update": True, "change_participation_status": False},
    }
    document |= {name: details[name] for name in _DETAILS if name in details}
    return document | _location(details.get("location"), include_geo=include_geo)


def _ids(stored: Event) -> Document:
    if stored.draft.event_id is None:
        return {"event_uid": stored.event_uid}
    return {"event_uid": stored.event_uid, "event_id": stored.draft.event_id}


def _location(stored: object, *, include_geo: bool) -> Document:
    if not isinstance(stored, dict):
        return {}
    # Without a description the Agenda Element crashes to an empty node, so one is always there.
    location: Document = {"description": stored.get("description", "")}
    if include_geo:
        location |= {name: stored[name] for name in ("lat", "long") if name in stored}
    return {"location": location}


def _times(time: EventTime, localized_in: str | None) -> Document:
    if time.days is not None:
        return {"start": time.days[0].isoformat(), "end": time.days[1].isoformat()}
    return _instants(time.start, time.end, localized_in)


def _instants(start: int, end: int, localized_in: str | None) -> Document:
    if localized_in is not None:
        return {"start": format_localized(start, localized_in), "end": format_localized(end, localized_in)}
    return {"start": format_time(start), "end": format_time(end)}


def free_busy(stored: Event, localized_in: str | None, *, include_ids: bool) -> Document:
    """An entry of `GET /v1/free_busy`: neither merged with others nor clipped to the window."""
    document: Document = {
        "calendar_id": stored.calendar_id,
        **_times(stored.draft.time, localized_in),
        "free_busy_status": _free_busy_status(stored),
    }
    if stored.deleted:
        document["deleted"] = True  # else nothing would tell it from one that takes up time
    return document | _ids(stored) if include_ids else document


def _free_busy_status(stored: Event) -> str:
    if stored.draft.transparency is Transparency.TRANSPARENT:
        return "free"
    return "tentative" if stored.draft.tentative else "busy"


def availability_rule(rule: AvailabilityRule) -> Document:
    """An availability rule, as written."""
    document: Document = {
        "availability_rule_id": rule.availability_rule_id,
        "tzid": rule.tzid,
        "weekly_periods": [asdict(period) for period in rule.weekly_periods],
    }
    if rule.calendar_ids is not None:
        document["calendar_ids"] = list(rule.calendar_ids)
    return document


def available_period(period: AvailablePeriod, localized_in: str | None) -> Document:
    """An entry of `GET /v1/available_periods`; times in UTC, or localized in a zone."""
    return {
        "available_period_id": period.available_period_id,
        **_instants(period.start, period.end, localized_in),
    }


def openings(key: str, found: Iterable[Opening]) -> Document:
    """The answer to an availability query under `available_periods` or `available_slots`."""
    return {key: [_opening(opening) for opening in found]}


def _opening(opening: Opening) -> Document:
    return {
        "start": format_time(opening.start),
        "end": format_time(opening.end),
        "participants": [{"sub": sub} for sub in opening.subs],
    }


def sequences(found: Iterable[Iterable[tuple[Item, Opening]]]) -> Document:
    """The answer to a query for sequences."""
    return {
        "sequences": [
            {"sequence": [{"sequence_id": item.id, **_opening(opening)} for item, opening in parts]}
            for parts in found
        ]
    }


_EVENT_OF_LINK = (
    "event_id",
    "summary",
    "description",
    "tzid",
    "location",
    "url",
    "color",
    "transparency",
    "conferencing",
)


def scheduling_url(link: SchedulingLink, public_url: str) -> str:
    """The address of a link's page; its last part is the link's token."""
    return f"{public_url}/schedule/{link.token}"


def event_of_link(link: SchedulingLink) -> Document:
    """The event as the application described it, and, once a time is picked, when it is."""
    given = link.request["event"]
    document: Document = {name: given[name] for name in _EVENT_OF_LINK if given.get(name) is not None}
    if link.slot is not None:
        start, end = link.slot
        document |= {"start": format_time(start), "end": format_time(end)}
    return document | {"event_private": bool(given.get("event_private"))}


def scheduling_link(link: SchedulingLink, public_url: str) -> Document:
    """The `real_time_scheduling` of answers; C# dereferences `status` and `event` unasked."""
    return {
        "real_time_scheduling_id": link.real_time_scheduling_id,
        "url": scheduling_url(link, public_url),
        "event": event_of_link(link),
        "status": link.status.value,
    }
