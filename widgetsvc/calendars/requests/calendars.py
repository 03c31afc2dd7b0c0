"""What the creation of a calendar asks for.

Source: Cronofy API, Application Calendars and Create Calendar.
"""

from typing import Annotated

from pydantic import StringConstraints

from widgetsvc.calendars.requests.base import Name, Request, Text


class ApplicationCalendarRequest(Request):
    """`POST /v1/application_calendars`: client credentials and the application's own id for the calendar."""

    client_id: Text
    client_secret: Text
    application_calendar_id: Annotated[Name, StringConstraints(max_length=255)]


class CalendarRequest(Request):
    """`POST /v1/calendars`."""

    profile_id: Text
    name: Name
