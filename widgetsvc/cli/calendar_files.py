"""Commands that bring calendar files (.ics) into calendars, and calendars out as files and feeds."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import Progress as ProgressBar

from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.ics.lines import MAX_BYTES, CalendarFileError
from widgetsvc.calendars.ics.reading import Progress, Reading, Scope, read
from widgetsvc.calendars.ics.skips import Reason
from widgetsvc.calendars.ics.writing import About, write
from widgetsvc.calendars.records import Account, Event, ImportCount
from widgetsvc.calendars.store.events import Covered
from widgetsvc.calendars.store.selection import Cursor, Selection, Window
from widgetsvc.calendars.times import EARLIEST, LATEST
from widgetsvc.cli.support import TEXT, as_json, operations, print_json
from widgetsvc.localtime import first_of_day
from widgetsvc.timezones import is_zone

_YEARS_BACK, _YEARS_AHEAD = 1, 2
_LINES_SHOWN = 10
_EVENTS_A_TIME = 1_000
_DAY = click.DateTime(["%Y-%m-%d"])

Command = TypeVar("Command", bound=Callable[..., None])


def _of_a_calendar(command: Command) -> Command:
    for add in (
        click.option("--sub", type=TEXT, help="The calendar of this account, instead of a tenant's."),
        click.argument("application_calendar_id", type=TEXT, required=False),
        click.argument("tenant", type=TEXT, required=False),
    ):
        command = add(command)
    return command


def _within_days(command: Command) -> Command:
    for add in (
        click.option("--to", "last", type=_DAY, help="The day up to which.  [default: in two years]"),
        click.option("--from", "first", type=_DAY, help="The first day.  [default: a year ago]"),
    ):
        command = add(command)
    return command


@click.command("import")
@click.argument("file", type=click.File("rb"))
@_of_a_calendar
@_within_days
@click.option("--tzid", help="Zone of times that name none, such as Europe/London.")
@click.option("--dry-run", is_flag=True, help="Read the file and report, but write nothing.")
@as_json
def import_file(  # noqa: PLR0913 - one parameter an option
    file: BinaryIO,
    *,
    tenant: str | None,
    application_calendar_id: str | None,
    sub: str | None,
    first: datetime | None,
    last: datetime | None,
    tzid: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import the events of a calendar FILE (.ics; - reads the standard input): all of them or none.

    They go to TENANT's calendar APPLICATION_CALENDAR_ID, or to that of the account --sub. Importing a later
    export of the same calendar updates what is there. Recurring events are written occurrence by occurrence.
    """
    backend, account = _backend_and_account(tenant, application_calendar_id, sub)
    days = _days(first, last)
    zone = _zone(tzid or account.tzid or "Etc/UTC")
    within = _timespan(days, zone)
    with _progress_bar() as progress:
        try:
            reading = read(file.read(MAX_BYTES + 1), Scope(within, zone.key), progress)
        except CalendarFileError as error:
            raise click.ClickException(f"{file.name}: {error} Nothing was imported.") from error
    count = None
    if not dry_run:
        covered = Covered(reading.covered, within)
        count = backend.events.import_events(account.calendar_id, reading.events, covered)
    if as_json:
        print_json(_document(account, days, reading, count))
        return
    _print_summary(account, reading, count)


@click.command("export")
@_of_a_calendar
@_within_days
@click.option(
    "--output", "-o", type=click.File("wb"), default="-", help="Where to.  [default: standard output]"
)
def export_file(
    *,
    tenant: str | None,
    application_calendar_id: str | None,
    sub: str | None,
    first: datetime | None,
    last: datetime | None,
    output: BinaryIO,
) -> None:
    """Write a calendar as a file (.ics): TENANT's APPLICATION_CALENDAR_ID, or that of the account --sub.

    Unlike a feed, the file tells all of private events.
    """
    backend, account = _backend_and_account(tenant, application_calendar_id, sub)
    days = _days(first, last)
    selection = Selection(account.calendar_id, Window(_zone(account.tzid or "Etc/UTC"), *days))
    about = About(account.label, urlsplit(backend.public_url).hostname or "localhost", account.tzid)
    output.write(write(about, _all_events(backend, selection), tells_private=True))


@click.command("feed")
@_of_a_calendar
@click.option("--rotate", is_flag=True, help="Make another address; the one it had is dead at once.")
@click.option("--revoke", is_flag=True, help="Withdraw the address; it is dead at once.")
@as_json
def feed(
    *,
    tenant: str | None,
    application_calendar_id: str | None,
    sub: str | None,
    rotate: bool,
    revoke: bool,
    as_json: bool,
) -> None:
    """Print the secret address at which calendar applications can subscribe to a calendar.

    The calendar is TENANT's APPLICATION_CALENDAR_ID, or that of the account --sub. The address is made at the
    first time and stays the same. Whoever has it can read the calendar; private events show as busy.
    """
    if rotate and revoke:
        raise click.UsageError("--rotate and --revoke exclude each other.")
    backend, account = _backend_and_account(tenant, application_calendar_id, sub)
    if revoke:
        had_one = backend.feeds.revoke(account.sub)
        if as_json:
            print_json({"sub": account.sub, "revoked": had_one})
            return
        click.echo(f"The feed of {account.label} {'is withdrawn' if had_one else 'had no address'}.")
        return
    token = backend.feeds.rotate(account.sub) if rotate else backend.feeds.token(account.sub)
    address = f"{backend.public_url}/feeds/{token}.ics"
    if as_json:
        print_json({"sub": account.sub, "url": address})
        return
    click.echo(address)


def _backend_and_account(
    tenant: str | None, application_calendar_id: str | None, sub: str | None
) -> tuple[Backend, Account]:
    service = operations()
    if service.backend is None:
        raise click.ClickException(
            "Cronofy's cloud keeps the calendars: calendar files and feeds need the embedded backend."
        )
    if sub is None:
        if tenant is None or application_calendar_id is None:
            raise click.UsageError("Name a calendar: TENANT APPLICATION_CALENDAR_ID, or --sub SUB.")
        (sub,) = service.calendars.subs(service.tenants.by_slug(tenant), [application_calendar_id])
    elif tenant is not None:
        raise click.UsageError("--sub names the calendar; leave out TENANT and APPLICATION_CALENDAR_ID.")
    account = service.backend.accounts.account_by_sub(sub)
    if account is None:
        raise click.ClickException(
            f"There is no account {sub}; `widgetsvc account list` and `widgetsvc calendar list` show them."
        )
    return service.backend, account


def _days(first: datetime | None, last: datetime | None) -> tuple[date, date]:
    today = datetime.now(UTC).date()
    begin = first.date() if first else today - timedelta(days=365 * _YEARS_BACK)
    end = last.date() if last else today + timedelta(days=365 * _YEARS_AHEAD)
    if not EARLIEST <= begin < end <= LATEST:
        raise click.UsageError(
            f"--from must lie before --to, and both between {EARLIEST.year} and {LATEST.year}; "
            f"they are {begin} and {end}."
        )
    return begin, end


def _timespan(days: tuple[date, date], zone: ZoneInfo) -> Timespan:
    begin, end = days
    return Timespan(first_of_day(begin, zone), first_of_day(end, zone))


def _zone(tzid: str) -> ZoneInfo:
    if not is_zone(tzid):
        raise click.BadParameter("must be an IANA name such as Europe/London", param_hint="--tzid")
    return ZoneInfo(tzid)


def _all_events(backend: Backend, selection: Selection) -> Iterator[Event]:
    after: Cursor | None = None
    while page := backend.events.page(selection, after, _EVENTS_A_TIME):
        yield from page
        after = Cursor(page[-1].draft.time.start, page[-1].event_uid)


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    """On a terminal alone, and gone when all is done."""
    console = Console(stderr=True)
    with ProgressBar(console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Reading events", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _document(
    account: Account, days: tuple[date, date], reading: Reading, count: ImportCount | None
) -> dict[str, Any]:
    first, last = days
    return {
        "sub": account.sub,
        "calendar_id": account.calendar_id,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "dry_run": count is None,
        "events": len(reading.events),
        "created": count.created if count else 0,
        "updated": count.updated if count else 0,
        "unchanged": count.unchanged if count else 0,
        "deleted": count.deleted if count else 0,
        "skipped": [
            {"reason": each.reason.value, "line": each.line, "detail": each.detail}
            for each in reading.skipped
        ],
        "notes": reading.notes,
    }


def _print_summary(account: Account, reading: Reading, count: ImportCount | None) -> None:
    if count is None:
        click.echo(f"{len(reading.events):,} events would be imported into {account.label}; nothing was.")
    else:
        click.echo(
            f"{account.label}: {count.created:,} events written, {count.updated:,} updated, "
            f"{count.unchanged:,} unchanged, {count.deleted:,} deleted."
        )
    places: defaultdict[Reason, list[str]] = defaultdict(list)
    for each in reading.skipped:
        places[each.reason].append(f"{each.line} ({each.detail})" if each.detail else str(each.line))
    for reason, lines in places.items():
        more = ", ..." if len(lines) > _LINES_SHOWN else ""
        click.echo(
            f"Left out, {reason.words}: {len(lines):,}, in line {', '.join(lines[:_LINES_SHOWN])}{more}"
        )
    for note in reading.notes:
        click.echo(f"Note: {note}")
