"""What a UI Element is to be started with.

Source: UI Elements documentation; the Agenda gets no `tzid`, since it sorts events into days by the
browser's own zone and would otherwise put some on the wrong day.
"""

from collections.abc import Sequence
from typing import Any

from widgetsvc.gateway.queries import DEFAULT_QUERY, availability_query, moment_of
from widgetsvc.gateway.widget_models import WidgetDraft, WidgetLook, WidgetQuery, takes_query
from widgetsvc.permissions import Element

AVAILABILITY_RULE_ID = "default"
"""The rule that is edited unless the page names another one; rules belong to the calendar's account."""


def element_options(
    element: Element | None,
    subs: Sequence[str],
    *,
    api_url: str,
    tzid: str,
    now: float,
    widget: WidgetDraft | None = None,
) -> dict[str, Any]:
    """Options for an Element, or for a frontend that drives the Elements itself (`element` None).

    `now` is in Unix seconds. Without a widget that says otherwise a slot lasts half an hour, in office hours
    of the tenant's zone, from now to two weeks ahead.
    """
    options: dict[str, Any] = {"api_domain": api_url}
    if element is None:
        return options
    query = widget.query if widget else DEFAULT_QUERY
    if element not in {Element.AGENDA, Element.CALENDAR_SYNC}:
        options["tzid"] = query.tzid or tzid
    if takes_query(element):
        options["availability_query"] = availability_query(query, subs, moment_of(query, tzid, now))
    if element is Element.AVAILABILITY_RULES:
        options["availability_rule_id"] = AVAILABILITY_RULE_ID
    if element is Element.CALENDAR_SYNC:
        # Application calendars connect no further profiles, but the Element does not start without it.
        options |= {"authorization_url": f"{api_url}/oauth/authorize", "single_profile": True}
    if widget is not None:
        options |= _look_options(widget.look)
        config = _config(element, widget)
        if config:
            options["config"] = config
    return options


def _look_options(look: WidgetLook) -> dict[str, Any]:
    styles = {"prefix": look.class_prefix, "colors": look.colors}
    options = {
        "locale": look.locale,
        "translations": look.texts,
        "styles": {name: value for name, value in styles.items() if value},
    }
    return {name: value for name, value in options.items() if value}


def _config(element: Element, widget: WidgetDraft) -> dict[str, Any]:
    look = widget.look
    config: dict[str, Any] = {}
    if look.week_start_day is not None:
        config["week_start_day"] = look.week_start_day
    if look.confirm is not None:
        config["mode"] = "confirm" if look.confirm else "no_confirm"
    if element is Element.AVAILABILITY_VIEWER:
        config |= _rows(widget.query)
    return config


def _rows(query: WidgetQuery) -> dict[str, Any]:
    """The part of the day that the viewer draws, which would leave out what is not in office hours."""
    rows: dict[str, Any] = {
        "start_time": min(each.start_time for each in query.weekly_hours),
        # The viewer takes 00:00 for the end of the day, and no 24:00.
        "end_time": max(each.end_time for each in query.weekly_hours).replace("24:00", "00:00"),
    }
    if query.start_interval_minutes is not None:
        rows["interval"] = query.start_interval_minutes
    return rows
