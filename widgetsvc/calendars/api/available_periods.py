"""Available periods: single stretches of time at which an account is available.

Source: Cronofy API, Available Periods; deleting an unknown period is no error.
"""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import account
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.api.paging import Listing
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.errors import InvalidParameters
from widgetsvc.calendars.records import Account, AvailablePeriod
from widgetsvc.calendars.requests.available_periods import (
    AvailablePeriodReference,
    AvailablePeriodRequest,
    AvailablePeriodsQuery,
)
from widgetsvc.calendars.requests.page_links import PageLink, Place
from widgetsvc.calendars.store.available_periods import MAX_PERIODS, Cursor

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
    return jsonify(_page(owner, reading))


@endpoint(
    blueprint,
    "GET",
    "/v1/available_periods/pages/<link>",
    {200: "a page of available periods"},
    caller=account(),
)
def read_available_periods_page(owner: Account, link: str) -> Response:
    """A further page of available periods."""
    page = PageLink.decode(link)
    return jsonify(_page(owner, page.read(AvailablePeriodsQuery), page))


def _page(owner: Account, reading: AvailablePeriodsQuery, link: PageLink | None = None) -> wire.Document:
    store, selection = current_backend().available_periods, reading.selection(owner.sub)

    def read(after: Place | None, most: int) -> list[AvailablePeriod]:
        return store.page(selection, Cursor(*after) if after else None, most)

    def entry(period: AvailablePeriod) -> wire.Document:
        return wire.available_period(period, reading.localized_in(period))

    return Listing(
        "available_periods",
        AvailablePeriodsQuery,
        PERIODS_PER_PAGE,
        read,
        lambda: store.count(selection),
        lambda period: Place(period.start, period.available_period_id),
        entry,
    ).page(link)
