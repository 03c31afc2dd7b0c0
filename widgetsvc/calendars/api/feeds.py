"""Calendars as files at secret addresses, for calendar applications to subscribe to.

Source: RFC 5545; RFC 9110 section 13 for conditional requests. Cronofy has nothing of the kind.

- A feed holds 90 days back and a year ahead, and of those at most `MOST_EVENTS`, the earliest.
- The ETag tells what is in the file without making it. It is left out in the second of a write, in which
  another one could follow unnoticed (RFC 9110 section 8.8.2.2 on times as validators).
"""

import hashlib
import re
from datetime import timedelta
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, request

from widgetsvc.calendars import times
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.errors import NotFound
from widgetsvc.calendars.ics.writing import FORMAT, About, write
from widgetsvc.calendars.records import Account
from widgetsvc.calendars.store.selection import Selection, Window

blueprint = Blueprint("feeds", __name__)

MOST_EVENTS = 5_000
DAYS_BACK, DAYS_AHEAD = 90, 365

_DAY = 86_400
_MAX_AGE = timedelta(minutes=5)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@blueprint.get("/feeds/<token>.ics")
def feed(token: str) -> Response:
    """The calendar of the account whose feed this is."""
    backend = current_backend()
    sub = backend.feeds.sub(token)
    account = backend.accounts.account_by_sub(sub) if sub else None
    if account is None:
        raise NotFound("no such feed")
    now = int(backend.clock())
    window = _window(account, now)
    etag = _etag(account, window, now)
    if etag is not None and request.if_none_match.contains_weak(etag):
        return _described(Response(status=304), account, etag)
    selection = Selection(account.calendar_id, window)
    events = backend.events.page(selection, None, MOST_EVENTS)
    body = write(_about(account, backend.public_url), events)
    return _described(Response(body, content_type="text/calendar; charset=utf-8"), account, etag)


def _window(account: Account, now: int) -> Window:
    zone = times.zone(account.tzid or "Etc/UTC")
    return Window(zone, times.days_from(now, -DAYS_BACK, zone), times.days_from(now, DAYS_AHEAD, zone))


def _about(account: Account, public_url: str) -> About:
    return About(account.label, urlsplit(public_url).hostname or "localhost", account.tzid)


def _etag(account: Account, window: Window, now: int) -> str | None:
    # Wider than the window by two days, so that it does not matter in which zone an all-day event begins.
    around = Timespan(now - (DAYS_BACK + 2) * _DAY, now + (DAYS_AHEAD + 2) * _DAY)
    version = current_backend().feeds.version(account.calendar_id, around)
    if version.latest >= now:
        return None
    parts = (FORMAT, account.label, account.tzid, window.first, *version)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _described(response: Response, account: Account, etag: str | None) -> Response:
    if etag is not None:
        response.set_etag(etag)
    response.cache_control.private = True
    response.cache_control.max_age = int(_MAX_AGE.total_seconds())
    response.headers["Content-Disposition"] = _disposition(account.label)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _disposition(name: str) -> str:
    """Source: RFC 6266 section 4.3: a plain name for all, and the very name for those who read it."""
    plain = _UNSAFE.sub("-", name).strip("-.") or "calendar"
    return f"inline; filename=\"{plain[:80]}.ics\"; filename*=UTF-8''{quote(name[:80], safe='')}.ics"
