"""Commands for the tenants' widgets."""

import re
from collections.abc import Callable, Mapping
from typing import IO, Any

import click
from pydantic_core import from_json

from widgetsvc.cli.support import TEXT, as_json, operations, print_json, print_table
from widgetsvc.gateway.widget_models import DAYS, WidgetDraft, takes_query
from widgetsvc.gateway.widgets import MAX_WIDGETS, Widget
from widgetsvc.permissions import Element

_HOURS = re.compile(r"([a-z]+)(?:-([a-z]+))? ([0-9:]+)-([0-9:]+)")


class _Hours(click.ParamType[list[dict[str, str]]]):
    """Weekly hours such as `monday-friday 09:00-17:00`, one entry for each day."""

    name = "hours"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[dict[str, str]]:
        matched = _HOURS.fullmatch(str(value))
        first, last = (matched[1], matched[2] or matched[1]) if matched else ("", "")
        if matched is None or first not in DAYS or last not in DAYS:
            self.fail(f"{value!r} is not like “monday-friday 09:00-17:00”", param, ctx)
        start = DAYS.index(first)
        days = (DAYS * 2)[start : start + (DAYS.index(last) - start) % len(DAYS) + 1]
        return [{"day": day, "start_time": matched[3], "end_time": matched[4]} for day in days]


@click.group()
def widget() -> None:
    """Widgets: presets that pages embed by their id."""


_QUERY_OPTIONS = {
    "duration": "duration_minutes",
    "days_ahead": "days_ahead",
    "tzid": "tzid",
    "notice": "minimum_notice_minutes",
    "buffer_before": "buffer_before_minutes",
    "buffer_after": "buffer_after_minutes",
    "interval": "start_interval_minutes",
    "required": "required",
}


def _draft_options(command: Callable[..., None]) -> Callable[..., None]:
    minutes = click.IntRange(min=0)
    for option in (
        click.option("--element", type=click.Choice([each.value for each in Element]), help="What is shown."),
        click.option(
            "--calendar", "calendars", multiple=True, type=TEXT, help="A calendar's id; repeat it for more."
        ),
        click.option("--name", type=TEXT, help="A name, for people."),
        click.option("--duration", type=minutes, help="Minutes that a meeting lasts.  [default: 30]"),
        click.option("--days-ahead", type=minutes, help="How many days after today.  [default: 14]"),
        click.option("--tzid", type=TEXT, help="Zone of the hours.  [default: the tenant's]"),
        click.option(
            "--hours",
            multiple=True,
            type=_Hours(),
            help="Such as “monday-friday 09:00-17:00” (the default); repeat it for more.",
        ),
        click.option("--day-off", "days_off", multiple=True, type=TEXT, help="A date without hours."),
        click.option("--notice", type=minutes, help="Minutes between now and the first time.  [default: 0]"),
        click.option("--buffer-before", type=minutes, help="Minutes to keep free before a meeting."),
        click.option("--buffer-after", type=minutes, help="Minutes to keep free after it."),
        click.option("--interval", type=minutes, help="Minutes between the starts of meetings."),
        click.option(
            "--required",
            type=click.Choice(["all", "any"]),
            help="How many of the calendars have to be free.  [default: all]",
        ),
        click.option(
            "--json-file",
            "file",
            type=click.File("rb"),
            help="All of it as JSON, as the management API takes it; - reads standard input.",
        ),
    ):
        command = option(command)
    return command


@widget.command("create")
@click.argument("tenant", type=TEXT)
@_draft_options
@as_json
def widget_create(tenant: str, *, file: IO[bytes] | None, as_json: bool, **options: Any) -> None:
    """Store a widget of TENANT: what is shown, of which calendars, at which times."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if file is not None and given:
        raise click.UsageError("--json-file says it all: leave the other options out.")
    draft = WidgetDraft.read(_document(given) if file is None else _json_object(file))
    service = operations()
    owner = service.tenants.by_slug(tenant)
    created = service.widgets.create(owner, draft)
    if as_json:
        print_json({"tenant": tenant, **created.as_document()})
        return
    click.echo(created.widget_id)
    click.echo(
        f'Embed it with data-key="{owner.publishable_key}" data-widget="{created.widget_id}".', err=True
    )


def _json_object(file: IO[bytes]) -> dict[str, Any]:
    try:
        document = from_json(file.read(), allow_inf_nan=False)
    except ValueError as error:
        raise click.ClickException(f"{file.name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise click.ClickException(f"{file.name} holds no JSON object.")
    return document


def _document(given: Mapping[str, Any]) -> dict[str, Any]:
    query = {_QUERY_OPTIONS[name]: value for name, value in given.items() if name in _QUERY_OPTIONS}
    if "hours" in given:
        query["weekly_hours"] = [each for hours in given["hours"] for each in hours]
    if "days_off" in given:
        query["days_off"] = list(given["days_off"])
    document = {name: given[name] for name in ("name", "element") if name in given}
    if "calendars" in given:
        document["calendars"] = list(given["calendars"])
    return document | ({"query": query} if query else {})


@widget.command("list")
@click.argument("tenant", type=TEXT)
@as_json
def widget_list(tenant: str, *, as_json: bool) -> None:
    """List TENANT's widgets, the oldest first."""
    service = operations()
    widgets = service.widgets.page(service.tenants.by_slug(tenant), MAX_WIDGETS)
    if as_json:
        print_json([{"tenant": tenant, **each.as_document()} for each in widgets])
        return
    rows = [
        (each.widget_id, each.draft.name or "", each.element.value, " ".join(each.calendars))
        for each in widgets
    ]
    none = f"{tenant} has no widgets yet; `widgetsvc widget create {tenant}` stores one."
    print_table(("WIDGET", "NAME", "ELEMENT", "CALENDARS"), rows, none)


@widget.command("show")
@click.argument("tenant", type=TEXT)
@click.argument("widget_id", type=TEXT)
@as_json
def widget_show(tenant: str, widget_id: str, *, as_json: bool) -> None:
    """Show TENANT's widget WIDGET_ID."""
    service = operations()
    found = service.widgets.get(service.tenants.by_slug(tenant), widget_id)
    if as_json:
        print_json({"tenant": tenant, **found.as_document()})
        return
    for label, value in _described(found):
        click.echo(f"{label:<24} {value}")


def _described(found: Widget) -> list[tuple[str, str]]:
    draft, query = found.draft, found.draft.query if takes_query(found.element) else None
    lines = [
        ("name", draft.name or ""),
        ("element", found.element.value),
        ("calendars", " ".join(found.calendars)),
        ("version", str(found.version)),
        ("after_pick", draft.after_pick.kind),
    ]
    if query is None:
        return lines
    for name, value in query.model_dump(mode="json", exclude={"weekly_hours", "days_off"}).items():
        lines.append((name, "" if value is None else str(value)))
    lines += [
        ("weekly_hours", f"{each.day} {each.start_time}-{each.end_time}") for each in query.weekly_hours
    ]
    lines += [("days_off", day.isoformat()) for day in query.days_off]
    return lines


@widget.command("delete")
@click.argument("tenant", type=TEXT)
@click.argument("widget_id", type=TEXT)
@as_json
def widget_delete(tenant: str, widget_id: str, *, as_json: bool) -> None:
    """Delete TENANT's widget WIDGET_ID: pages show it no more."""
    service = operations()
    service.widgets.delete(service.tenants.by_slug(tenant), widget_id)
    if as_json:
        print_json({"tenant": tenant, "widget_id": widget_id, "deleted": True})
        return
    click.echo(f"{widget_id} is deleted.")
