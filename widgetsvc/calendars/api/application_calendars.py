"""`POST /v1/application_calendars`: create an application calendar, or return it."""

from flask import Blueprint, Response, jsonify

from widgetsvc.calendars import wire
from widgetsvc.calendars.api.credentials import application_by_credentials
from widgetsvc.calendars.api.endpoint import endpoint
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.requests.calendars import ApplicationCalendarRequest

blueprint = Blueprint("application_calendars", __name__)


@endpoint(
    blueprint,
    "POST",
    "/v1/application_calendars",
    {200: "the calendar and tokens for it; nothing tells a new one from a known one"},
    body=ApplicationCalendarRequest,
    takes_form=True,
)
def upsert_application_calendar(wanted: ApplicationCalendarRequest) -> Response:
    """Create an application calendar, or return the one of this id."""
    application = application_by_credentials(wanted.client_id, wanted.client_secret)
    grant = current_backend().accounts.upsert_application_calendar(
        application, wanted.application_calendar_id
    )
    return jsonify(wire.application_calendar(grant))
