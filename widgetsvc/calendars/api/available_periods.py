"""Available periods: single stretches of time at which an account is available.

Source: Cronofy API, Available Periods; deleting an unknown period is no error.
"""

from http import HTTPStatus
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import InvalidParameters
from widgetsvc.calendars.records import Account, AvailablePeriod
from widgetsvc.calendars.requests.available_periods import (
    AvailablePeriodReference,
    AvailablePeriodRequest,
    AvailablePeriodsQuery,
)
from widgetsvc.calendars.store.available_periods import MAX_PERIODS

blueprint = Blueprint("available_periods", __name__)

PERIODS_PER_PAGE = 300


@endpoint(
    blueprint,
    "POST",
    "/v1/available_periods",
    {202: "written, and seen by reads from now on"},
    caller=account(),
    body=AvailablePeriodRequest,
    in_batch=True,
)
def upsert_available_period(owner: Account, wanted: AvailablePeriodRequest) -> Response:
    """Create an available period, or replace the one of this id."""
    if not current_backend().available_periods.upsert(owner.sub, wanted.period):
        raise InvalidParameters.single(
            "available_period_id",
            "errors.too_many",
            f"an account has at most {MAX_PERIODS} available periods",
        )
    return Response(status=HTTPStatus.ACCEPTED)


@endpoint(
    blueprint,
    "DELETE",
    "/v1/available_periods",
    {202: "deleted, or never there"},
    caller=account(),
    body=AvailablePeriodReference,
    in_batch=True,
)
def delete_available_periods(owner: Account, unwanted: AvailablePeriodReference) -> Response:
    """Delete one available period, or all of them."""
    store = current_backend().available_periods
    if unwanted.available_period_id is None:
        store.delete_all(owner.sub)
    else:
        store.delete(owner.sub, unwanted.available_period_id)
    return Response(status=HTTPStatus.ACCEPTED)


@endpoint(
    blueprint,
    "GET",
    "/v1/available_periods",
    {200: "a page of available periods"},
    caller=account(),
    query=AvailablePeriodsQuery,
)
def read_available_periods(owner: Account, reading: AvailablePeriodsQuery) -> Response:
    """The account's available periods by start, a page at a time."""
    store = current_backend().available_periods
    selection = reading.selection(owner.sub)
    found = store.page(selection, reading.cursor, PERIODS_PER_PAGE + 1)
    shown, more = found[:PERIODS_PER_PAGE], len(found) > PERIODS_PER_PAGE
    # Counting is only needed where there are several pages: a first page that holds all knows the total.
    total = 1 if reading.page == 1 and not more else -(-store.count(selection) // PERIODS_PER_PAGE)
    next_page = _link(reading.page + 1, shown[-1]) if more else None
    entries = [wire.available_period(period, reading.localized_in(period)) for period in shown]
    return jsonify(
        wire.page(reading.page, max(total, reading.page), next_page, {"available_periods": entries})
    )


def _link(page: int, last: AvailablePeriod) -> str:
    """The page after the one that ends with `last`, of the same query."""
    kept = {name: text for name, text in request.args.items() if name in _REPEATED}
    onward = {"page": page, "after": f"{last.start}:{last.available_period_id}"}
    return f"{current_backend().public_url}/v1/available_periods?{urlencode(kept | onward)}"


_REPEATED = {"from", "to", "tzid", "localized_times"}
