"""What the commands share: types of argument, faults as exit statuses, and output."""

import json
import re
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click
from alembic.util import CommandError
from rich.cells import cell_len, set_cell_size
from sqlalchemy.exc import DatabaseError

from widgetsvc.calendars.store.accounts import AccountStore
from widgetsvc.config import Settings
from widgetsvc.errors import ConfigurationError, ServiceError
from widgetsvc.wiring import Operations, build_operations

_INVALID_SETTINGS = 2

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


class _Duration(click.ParamType[int]):
    """A length of time such as 90s, 30m, 24h or 7d, as seconds."""

    name = "duration"
    _seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}  # noqa: RUF012 - read only

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if value == "0":
            return 0
        found = re.fullmatch(r"([0-9]{1,6})([smhd])", value)
        if found is None:
            self.fail(f"{value!r} is no duration; write one such as 30m, 24h, 7d or 0.", param, ctx)
        return int(found[1]) * self._seconds[found[2]]


DURATION = _Duration()


class Commands(click.Group):
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


def operations(settings: Settings | None = None) -> Operations:
    """What the service can do, with the settings that the environment holds; closed when the command ends."""
    return click.get_current_context().with_resource(
        closing(build_operations(settings or Settings.from_environment()))
    )


def embedded_backend() -> AccountStore:
    """The embedded backend's applications and accounts. Raises ClickException in cloud mode."""
    applications = operations().applications
    if applications is None:
        raise click.ClickException(
            "Cronofy's cloud keeps the applications and accounts: look after them in its dashboard."
        )
    return applications


def print_json(document: object) -> None:
    """Print the document on one line, for programs."""
    click.echo(json.dumps(document))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> None:
    """Print the rows under their columns, for people; where there are no rows, print `none`."""
    if not rows:
        click.echo(none)
        return
    # Names and ids are shown as they are, markup and emoji codes included, and each row keeps to its line.
    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        click.echo("  ".join(map(set_cell_size, row, widths)).rstrip())


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print each value behind its name, for people; a value of several lines stays in its column."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        first, *more = value.split("\n")
        click.echo(f"{name:<{width}}  {first}".rstrip())
        for line in more:
            click.echo(f"{'':<{width}}  {line}")


def instant(seconds: int) -> str:
    """Unix seconds as RFC 3339 writes them, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant_or_none(seconds: int | None) -> str | None:
    """`instant`, or None for None."""
    return None if seconds is None else instant(seconds)
