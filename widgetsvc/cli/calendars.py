"""Commands for the tenants' application calendars."""

import click

from widgetsvc.cli.support import TEXT, as_json, operations, print_json, print_table
from widgetsvc.config import Settings
from widgetsvc.gateway.calendars import TenantCalendar


@click.group()
def calendar() -> None:
    """The tenants' application calendars."""


@calendar.command("add")
@click.argument("tenant", type=TEXT)
@click.argument("application_calendar_id", type=TEXT)
@click.option(
    "--upstream-id", type=TEXT, help="Its id at Cronofy, where it exists there already.  [default: TENANT:ID]"
)
@as_json
def calendar_add(
    tenant: str, application_calendar_id: str, *, upstream_id: str | None, as_json: bool
) -> None:
    """Let TENANT embed the calendar APPLICATION_CALENDAR_ID, created where there is none yet."""
    service = operations()
    owner = service.tenants.by_slug(tenant)
    service.calendars.add(owner, application_calendar_id, upstream_id)
    (sub,) = service.calendars.subs(owner, [application_calendar_id])
    if as_json:
        print_json({"tenant": tenant, "application_calendar_id": application_calendar_id, "sub": sub})
        return
    click.echo(f"{application_calendar_id}  {sub}")


@calendar.command("list")
@click.argument("tenant", type=TEXT)
@as_json
def calendar_list(tenant: str, *, as_json: bool) -> None:
    """List TENANT's calendars."""
    service = operations()
    calendars = service.calendars.all_of(service.tenants.by_slug(tenant))
    if as_json:
        print_json(
            [
                {
                    "tenant": tenant,
                    "application_calendar_id": each.application_calendar_id,
                    "upstream_id": each.upstream_id,
                    "sub": each.sub,
                    "revoked": each.revoked_at is not None,
                }
                for each in calendars
            ]
        )
        return
    rows = [(each.application_calendar_id, _shown_sub(each), each.upstream_id) for each in calendars]
    none = f"{tenant} has no calendars yet; `widgetsvc calendar add {tenant} ID` adds one."
    print_table(("CALENDAR", "SUB", "UPSTREAM ID"), rows, none)


def _shown_sub(calendar: TenantCalendar) -> str:
    if calendar.revoked_at is not None:
        return "(revoked)" if calendar.sub is None else "(revoked here only)"
    return calendar.sub or "(at first use)"


@calendar.command("revoke")
@click.argument("tenant", type=TEXT)
@click.argument("application_calendar_id", type=TEXT)
@as_json
def calendar_revoke(tenant: str, application_calendar_id: str, *, as_json: bool) -> None:
    """Revoke TENANT's calendar APPLICATION_CALENDAR_ID: it is embedded no more, and its events are deleted.

    `widgetsvc calendar add` makes a new, empty one of the same id.
    """
    service = operations()
    service.calendars.revoke(service.tenants.by_slug(tenant), application_calendar_id)
    if as_json:
        print_json({"tenant": tenant, "application_calendar_id": application_calendar_id, "revoked": True})
        return
    click.echo(f"{application_calendar_id} is revoked.")


@calendar.command("token")
@click.argument("tenant", type=TEXT)
@click.argument("application_calendar_id", type=TEXT)
@as_json
def calendar_token(tenant: str, application_calendar_id: str, *, as_json: bool) -> None:
    """Show what a Cronofy SDK needs to write events into a calendar: an access token and a calendar id."""
    settings = Settings.from_environment()
    service = operations(settings)
    access = service.calendars.access(service.tenants.by_slug(tenant), application_calendar_id)
    document = {
        "tenant": tenant,
        "application_calendar_id": application_calendar_id,
        "sub": access.sub,
        "calendar_id": access.calendar_id,
        "access_token": access.access_token,
        "expires_in": access.expires_in,
        "api_url": settings.api_url,
    }
    if as_json:
        print_json(document)
        return
    for label, value in document.items():
        click.echo(f"{label:<24} {value}")
