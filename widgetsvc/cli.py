"""The `widgetsvc` command."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from alembic.util import CommandError
from rich.cells import cell_len, set_cell_size
from sqlalchemy.exc import DatabaseError

from widgetsvc import __version__, database
from widgetsvc.config import Settings
from widgetsvc.elements import VERSION
from widgetsvc.errors import ConfigurationError, ServiceError
from widgetsvc.gateway.tenants import Access, Policy
from widgetsvc.permissions import EMBEDDABLE_PERMISSIONS, Permission
from widgetsvc.wiring import Operations, build_bundle, build_operations

_INVALID_SETTINGS = 2
_HTTP_PORT = 80
_MAX_NAME = 255

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class _Text(click.ParamType[str]):
    """Text in valid Unicode; a terminal can pass anything."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("is not valid UTF-8", param, ctx)
        return value


TEXT = _Text()


class _Commands(click.Group):
    """Turns the service's errors into words and an exit status; everything else is a bug and shows as one."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            click.echo(f"widgetsvc cannot start with these settings:\n{error}", err=True)
            ctx.exit(_INVALID_SETTINGS)
        except ServiceError as error:
            raise click.ClickException(str(error)) from error
        except (OSError, DatabaseError, CommandError) as error:
            # The data folder cannot be used: not there, read-only, full, or no database of ours.
            raise click.ClickException(f"{type(error).__name__}: {error}".partition("\n")[0]) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Put scheduling calendars on any web page.

    Settings are environment variables that begin with WIDGETSVC_; the README lists them.
    """


def _operations() -> Operations:
    return build_operations(Settings.from_environment())


def _print_json(document: object) -> None:
    click.echo(json.dumps(document))


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> None:
    if not rows:
        click.echo(none)
        return
    # Names and ids are shown as they are, markup and emoji codes included, and each row keeps to its line.
    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        click.echo("  ".join(map(set_cell_size, row, widths)).rstrip())


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def serve(host: str, port: int, workers: int) -> None:
    """Run the service."""
    from widgetsvc import server  # noqa: PLC0415 - not needed by other commands

    settings = Settings.from_environment()
    if "public_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"public_url": _default_public_url(host, port)})
    address = server.listening_address(host, port)
    _prepare(settings)
    behind = f"Cronofy at {settings.api_url}" if settings.is_cloud else "the embedded backend"
    click.echo(f"widgetsvc {__version__} on {settings.public_url}, with {behind}. Ctrl-C ends it.", err=True)
    server.serve(settings, address=address, port=port, workers=workers)


def _default_public_url(host: str, port: int) -> str:
    """The address of the server itself; one that listens everywhere is reached at the loopback address."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}" if port == _HTTP_PORT else f"http://{name}:{port}"


def _prepare(settings: Settings) -> None:
    """Find every fault of the settings here, before there are processes, and do once what takes time."""
    build_operations(settings)
    bundle = build_bundle(settings)
    if bundle.content is None:
        click.echo(
            f"No UI Elements bundle in {settings.elements_dir}, so pages load it from {bundle.src}. "
            f"`npm install cronofy-elements@{VERSION}` brings it here.",
            err=True,
        )


@main.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--partner-port", default=8081, show_default=True, type=click.IntRange(1, 65_535))
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the demo keeps its data.  [default: the folder `demo` in the data folder]",
)
def demo(port: int, partner_port: int, data_dir: Path | None) -> None:
    """Run the service and a partner's site that embeds it, with a demo tenant and its calendars."""
    from widgetsvc.demo.run import run_demo  # noqa: PLC0415 - the demo is not needed by other commands

    settings = Settings.from_environment()
    settings = settings.model_copy(
        update={
            "data_dir": data_dir or settings.data_dir / "demo",
            "public_url": f"http://127.0.0.1:{port}",
            "database_url": "",
        }
    )
    run_demo(settings, port=port, partner_port=partner_port)


@main.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest schema."""
    settings = Settings.from_environment()
    engine = database.connect(settings.effective_database_url)
    if database.is_current(engine):
        click.echo("The database is up to date.")
        return
    database.upgrade(engine)
    click.echo("The database has been brought up to date.")


@main.group("app")
def application() -> None:
    """Applications of the embedded backend, for Cronofy's SDKs."""


@application.command("create")
@click.argument("name", type=TEXT)
@as_json
def app_create(name: str, *, as_json: bool) -> None:
    """Create an application; its secret is shown this once."""
    applications = _operations().applications
    if applications is None:
        raise click.ClickException("Cronofy's cloud keeps the applications: create one in its dashboard.")
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise click.ClickException(f"The name must be 1 to {_MAX_NAME} printable characters.")
    created = applications.create_application(name)
    document = {"client_id": created.client_id, "client_secret": created.client_secret}
    if as_json:
        _print_json(document)
        return
    click.echo(f"client_id      {created.client_id}")
    click.echo(f"client_secret  {created.client_secret}    (shown only now; also the API key)")


@main.group()
def tenant() -> None:
    """Tenants: the customers who embed calendars."""


def _tenant_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--name", type=TEXT, required=True, help="The tenant's name, for people."),
        click.option(
            "--origin",
            "origins",
            multiple=True,
            help="An origin that may embed, such as https://jobs.example.com; repeat it for more.",
        ),
        click.option(
            "--access",
            type=click.Choice([access.value for access in Access]),
            default=Access.PUBLIC.value,
            show_default=True,
            help="public: an allowed origin suffices; signed: an assertion is required.",
        ),
        click.option(
            "--permission",
            "permissions",
            multiple=True,
            type=click.Choice([permission.value for permission in sorted(EMBEDDABLE_PERMISSIONS)]),
            help="What may be embedded; repeat it for more.  [default: all of these]",
        ),
        click.option(
            "--tzid", default="Etc/UTC", show_default=True, help="Zone of the tenant's office hours."
        ),
    ):
        command = option(command)
    return command


@tenant.command("create")
@click.argument("slug", type=TEXT)
@_tenant_options
@as_json
def tenant_create(  # noqa: PLR0913 - one parameter an option
    slug: str,
    *,
    name: str,
    origins: tuple[str, ...],
    access: str,
    permissions: tuple[str, ...],
    tzid: str,
    as_json: bool,
) -> None:
    """Create the tenant SLUG; its secrets are shown this once."""
    allowed = frozenset(Permission(value) for value in permissions) or EMBEDDABLE_PERMISSIONS
    created = _operations().tenants.create(slug, name, origins, Policy(Access(access), allowed, tzid))
    key = created.signing_key
    if as_json:
        _print_json(
            {
                "tenant": slug,
                "publishable_key": created.tenant.publishable_key,
                "secret_key": created.secret_key,
                "signing_key": {"kid": key.kid, "alg": key.alg.value, "secret": key.secret.decode()},
            }
        )
        return
    click.echo(f"publishable_key  {created.tenant.publishable_key}")
    click.echo(f"secret_key       {created.secret_key}    (shown only now)")
    click.echo(f"signing_key      {key.secret.decode()}    ({key.alg.value}, kid {key.kid}; shown only now)")
    if not origins:
        click.echo("No origin is allowed yet, so nothing can be embedded.", err=True)
    click.echo(f"Next: widgetsvc calendar add {slug} ID", err=True)


@tenant.command("list")
@as_json
def tenant_list(*, as_json: bool) -> None:
    """List the tenants."""
    tenants = _operations().tenants.all()
    if as_json:
        _print_json(
            [
                {
                    "tenant": each.slug,
                    "name": each.name,
                    "publishable_key": each.publishable_key,
                    "origins": [str(rule) for rule in each.origins],
                    "access": each.policy.access.value,
                    "permissions": sorted(each.policy.permissions),
                    "tzid": each.policy.tzid,
                    "suspended": each.suspended,
                }
                for each in tenants
            ]
        )
        return
    rows = [
        (
            each.slug,
            each.name,
            each.publishable_key,
            each.policy.access.value,
            " ".join(map(str, each.origins)),
        )
        for each in tenants
    ]
    none = "There are no tenants yet; `widgetsvc tenant create` makes one."
    _print_table(("TENANT", "NAME", "PUBLISHABLE KEY", "ACCESS", "ORIGINS"), rows, none)


@main.group()
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
    operations = _operations()
    owner = operations.tenants.by_slug(tenant)
    operations.calendars.add(owner, application_calendar_id, upstream_id)
    (sub,) = operations.calendars.subs(owner, [application_calendar_id])
    if as_json:
        _print_json({"tenant": tenant, "application_calendar_id": application_calendar_id, "sub": sub})
        return
    click.echo(f"{application_calendar_id}  {sub}")


@calendar.command("list")
@click.argument("tenant", type=TEXT)
@as_json
def calendar_list(tenant: str, *, as_json: bool) -> None:
    """List TENANT's calendars."""
    operations = _operations()
    calendars = operations.calendars.all_of(operations.tenants.by_slug(tenant))
    if as_json:
        _print_json(
            [
                {
                    "tenant": tenant,
                    "application_calendar_id": each.application_calendar_id,
                    "upstream_id": each.upstream_id,
                    "sub": each.sub,
                }
                for each in calendars
            ]
        )
        return
    rows = [
        (each.application_calendar_id, each.sub or "(at first use)", each.upstream_id) for each in calendars
    ]
    none = f"{tenant} has no calendars yet; `widgetsvc calendar add {tenant} ID` adds one."
    _print_table(("CALENDAR", "SUB", "UPSTREAM ID"), rows, none)


@calendar.command("token")
@click.argument("tenant", type=TEXT)
@click.argument("application_calendar_id", type=TEXT)
@as_json
def calendar_token(tenant: str, application_calendar_id: str, *, as_json: bool) -> None:
    """Show what a Cronofy SDK needs to write events into a calendar: an access token and a calendar id."""
    settings = Settings.from_environment()
    operations = build_operations(settings)
    access = operations.calendars.access(operations.tenants.by_slug(tenant), application_calendar_id)
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
        _print_json(document)
        return
    for label, value in document.items():
        click.echo(f"{label:<24} {value}")
