"""The body of `POST /v1/channels`. Source: Cronofy API, Create Notification Channel."""

from typing import Annotated

from pydantic import StringConstraints

from widgetsvc.calendars.requests.base import Name, Request
from widgetsvc.calendars.requests.identifiers import CalendarIds
from widgetsvc.outbound import MAX_URL


class ChannelFilters(Request):
    """Which changes are told: those to some calendars, or to managed events alone."""

    calendar_ids: CalendarIds | None = None
    only_managed: bool = False


class ChannelRequest(Request):
    """Where changes are to be told, and which."""

    callback_url: Annotated[Name, StringConstraints(max_length=MAX_URL)]
    filters: ChannelFilters = ChannelFilters()
