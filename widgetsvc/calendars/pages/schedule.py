"""`/schedule/{token}`: the page behind a real-time scheduling link.

It is complete without scripts: a list of free times, each a button; a page that asks whether the picked time
is right; the booking. Where scripts run, Cronofy's Date Time Picker takes the list's place once it shows
something, and hands the picked time to the same form.

The token in the address is all that a visitor needs, so the address is nobody else's business: as a referrer
it goes to our own origin only. (`no-referrer` would do too, but then browsers send `Origin: null` with our
own forms. Source: Fetch, "append a request `Origin` header".)
"""

import logging
from datetime import date
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from widgetsvc.calendars.api.error_handlers import storage_unavailable
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import InvalidParameters, NotFound, NotPermitted
from widgetsvc.calendars.pages import words
from widgetsvc.calendars.pages.booking import Outcome, book, tell
from widgetsvc.calendars.pages.event_file import event_file
from widgetsvc.calendars.pages.offer import Offer
from widgetsvc.calendars.pages.rendering import path_of, render
from widgetsvc.calendars.records import Account, SchedulingStatus, Telling
from widgetsvc.calendars.times import parse_date, parse_time
from widgetsvc.permissions import Permission
from widgetsvc.timezones import is_zone
from widgetsvc.urls import origin_of

_log = logging.getLogger(__name__)

blueprint = Blueprint("schedule", __name__)

_FORM = "application/x-www-form-urlencoded"


@blueprint.get("/schedule/<token>")
def show(token: str) -> Response:
    """The free times, or the picked one to confirm, or why there is nothing to pick."""
    offer = _offer(token)
    start = _instant(request.args.get("start", ""))
    return _page_of(offer, picked=start)


@blueprint.post("/schedule/<token>")
def pick(token: str) -> Response:
    """Book the time in `start`; the same again is answered as the first was."""
    _require_own_form()
    offer = _offer(token)
    start = _instant(request.form.get("start", ""))
    if start is None:
        return _page_of(offer, notice="Please choose one of these times.", status=HTTPStatus.BAD_REQUEST)
    tzid = _visitor_tzid(request.form.get("tzid", ""))
    outcome = book(current_backend(), offer.link, start, tzid or offer.tzid or "Etc/UTC")
    if outcome is Outcome.BOOKED:
        return _onwards(offer, tzid)
    notices = {
        Outcome.TAKEN: "That time has just been taken.",
        Outcome.BOOKED_ALREADY: "A time had already been booked with this link, and it stays as it was.",
        Outcome.CLOSED: None,
    }
    # Read anew: what stood in the way is what the page has to say.
    return _page_of(_offer(token), notice=notices[outcome], status=HTTPStatus.CONFLICT)


@blueprint.post("/schedule/<token>/no_times_suitable")
def decline(token: str) -> Response:
    """Say that none of the times suits; the link stays open."""
    _require_own_form()
    offer = _offer(token)
    tell(current_backend(), offer.link, Telling.NO_TIMES_SUITABLE)
    return _see_other(f"{path_of(offer)}?declined=1")


@blueprint.get("/schedule/<token>/event.ics")
def download(token: str) -> Response:
    """The booked event for the visitor's own calendar."""
    offer = _offer(token)
    if offer.link.status is not SchedulingStatus.COMPLETED:
        raise NotFound("no time has been picked")
    response = Response(event_file(offer), content_type="text/calendar; charset=utf-8; method=PUBLISH")
    response.headers["Content-Disposition"] = 'attachment; filename="event.ics"'
    return response


@blueprint.get("/schedule/")
@blueprint.get("/schedule/<path:_rest>")
def unknown(_rest: str = "") -> Response:
    """Whatever else somebody types after a link."""
    raise NotFound("no such page")


@blueprint.after_request
def _keep_private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


@blueprint.errorhandler(NotFound)
def _not_found(_error: NotFound) -> Response:
    return _message(
        "This link does not exist",
        "Perhaps a part of it was lost on the way. Open it again from the message that it came in, "
        "or ask for a new one.",
        HTTPStatus.NOT_FOUND,
    )


@blueprint.errorhandler(NotPermitted)
def _not_permitted(_error: NotPermitted) -> Response:
    return _message(
        "That did not come from this page",
        "To book a time, open your link and choose it there.",
        HTTPStatus.FORBIDDEN,
    )


@blueprint.errorhandler(InvalidParameters)
def _not_offerable(error: InvalidParameters) -> Response:
    # The link was checked when it was made: what it needs has changed since, such as a member's rules.
    _log.warning("a scheduling link can no longer be answered: %s", error)
    return _message(
        "These times cannot be looked up any more",
        "Something has changed since this link was made. Please ask whoever sent it for a new one.",
        HTTPStatus.GONE,
    )


@blueprint.errorhandler(OperationalError)
@blueprint.errorhandler(PoolTimeoutError)
def _storage_unavailable(error: OperationalError | PoolTimeoutError) -> Response:
    refusal = storage_unavailable(error)
    response = _message(
        "The calendar does not answer just now",
        "Nothing has been booked. Please try again in a moment.",
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
    response.headers["Retry-After"] = refusal.headers["Retry-After"]
    return response


def _offer(token: str) -> Offer:
    backend = current_backend()
    link = backend.scheduling_links.by_token(token)
    if link is None:
        raise NotFound("no such link")
    return Offer(link, int(backend.clock()))


def _require_own_form() -> None:
    """Refuse forms of other sites. Without cookies there is little to forge, but a link may be known."""
    site = request.headers.get("Sec-Fetch-Site")
    ours = origin_of(current_backend().public_url)
    # Browsers send Sec-Fetch-Site to trustworthy addresses only; with a POST they all send Origin.
    same = site == "same-origin" if site is not None else request.headers.get("Origin") == ours
    if not same or request.mimetype != _FORM:
        raise NotPermitted("the form is none of ours")


def _instant(text: str) -> int | None:
    try:
        return parse_time(text)
    except ValueError:
        return None


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _visitor_tzid(text: str) -> str | None:
    return text if is_zone(text) else None


def _onwards(offer: Offer, tzid: str | None) -> Response:
    """Where the visitor goes after booking: on to the application's page, else to the confirmation."""
    url = offer.wanted.redirect_urls.completed_url
    if url is None:
        url = path_of(offer) + (f"?{urlencode({'tzid': tzid})}" if tzid and tzid != offer.tzid else "")
    return _see_other(url)


def _see_other(url: str) -> Response:
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": url})


def _page_of(
    offer: Offer,
    *,
    picked: int | None = None,
    notice: str | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    """The page that a link has at present."""
    link = offer.link
    if link.slot is not None:
        return _booked(offer, link.slot, notice, status)
    if link.status is SchedulingStatus.DISABLED:
        return _message("This link has been closed", link.display_message or "", HTTPStatus.GONE, offer)
    backend = current_backend()
    accounts = backend.accounts.accounts(link.application_id, offer.wanted.subs)
    if not offer.stands(accounts):
        return _message(
            "This link no longer works",
            "A calendar that it needs has been removed. Please ask whoever sent it to you for a new one.",
            HTTPStatus.GONE,
            offer,
        )
    if offer.query is None:
        return _message(
            "It is too late to book with this link",
            "The times that it offered are over. Please ask whoever sent it to you for a new one.",
            HTTPStatus.GONE,
            offer,
        )
    if picked is not None and offer.asks_to_confirm:
        opening = offer.opening(backend, accounts, picked)
        if opening is not None:
            return _confirm(offer, (opening.start, opening.end), accounts)
        notice = "That time is no longer free."
    return _times(offer, accounts, notice, status)


def _reader(offer: Offer, accounts: dict[str, Account] | None = None) -> words.Reader:
    """In whose zone times are written: the visitor's choice, the application's, the calendar's."""
    chosen = _visitor_tzid(request.values.get("tzid", ""))
    owner = (accounts or {}).get(offer.wanted.target_calendars[0].sub)
    tzid = chosen or offer.tzid or (owner.tzid if owner else None) or "Etc/UTC"
    return words.Reader(tzid, twelve_hours=offer.wanted.formatting.hour_format == "h")


def _times(offer: Offer, accounts: dict[str, Account], notice: str | None, status: HTTPStatus) -> Response:
    backend = current_backend()
    reader = _reader(offer, accounts)
    first = _day(request.args.get("from", ""))
    choice = offer.choice(backend, accounts, reader, first)
    if not choice.days and first is None and request.method == "GET":
        tell(backend, offer.link, Telling.NO_TIMES_DISPLAYED)
    return render(
        "times.html",
        status,
        offer,
        reader=reader,
        choice=choice,
        first=first,
        notice=notice,
        declined="declined" in request.args,
        asks_whether_none_suits=offer.wanted.callback_urls.no_times_suitable_url is not None,
        picker=_picker(offer) if choice.days else None,
    )


def _picker(offer: Offer) -> dict[str, Any]:
    """What the Date Time Picker is started with; its token is for these accounts' free times only."""
    backend = current_backend()
    wanted, query = offer.wanted, offer.query
    assert query is not None  # noqa: S101 - there are times to show
    origin = origin_of(backend.public_url) or backend.public_url
    subs = list(dict.fromkeys(wanted.availability.subs))
    token = backend.element_tokens.issue(offer.link.application_id, subs, [Permission.AVAILABILITY], origin)
    document = query.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if document.get("response_format") == "periods":
        del document["response_format"]
    return {
        "element_token": token.token,
        "api_domain": backend.public_url,
        "tzid": _visitor_tzid(request.values.get("tzid", "")) or offer.tzid,
        "hour_format": wanted.formatting.hour_format,
        "availability_query": document,
    }


def _confirm(offer: Offer, slot: tuple[int, int], accounts: dict[str, Account]) -> Response:
    return render("confirm.html", HTTPStatus.OK, offer, reader=_reader(offer, accounts), slot=slot)


def _booked(offer: Offer, slot: tuple[int, int], notice: str | None, status: HTTPStatus) -> Response:
    onwards = offer.wanted.redirect_urls.completed_url or offer.wanted.oauth.redirect_uri
    return render(
        "booked.html", status, offer, reader=_reader(offer), slot=slot, notice=notice, onwards=onwards
    )


def _message(title: str, text: str, status: HTTPStatus, offer: Offer | None = None) -> Response:
    return render("message.html", status, offer, title=title, text=text)
