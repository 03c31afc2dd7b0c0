"""The `widgetsvc` command: what its families of commands share, and a module for each family."""

import click

from widgetsvc import __version__
from widgetsvc.cli.accounts import account
from widgetsvc.cli.applications import application
from widgetsvc.cli.audit import audit
from widgetsvc.cli.calendar_files import export_file, feed, import_file
from widgetsvc.cli.calendars import calendar
from widgetsvc.cli.doctor import doctor
from widgetsvc.cli.keys import revoke_key, rotate_key
from widgetsvc.cli.origins import origin
from widgetsvc.cli.serving import demo, serve
from widgetsvc.cli.signing_keys import signing_key
from widgetsvc.cli.snippet import snippet
from widgetsvc.cli.storage import db
from widgetsvc.cli.support import Commands
from widgetsvc.cli.tenants import tenant
from widgetsvc.cli.widgets import widget


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Put scheduling calendars on any web page.

    Settings are environment variables that begin with WIDGETSVC_; the README lists them.
    """


main.add_command(serve)
main.add_command(demo)
main.add_command(doctor)
main.add_command(db)
main.add_command(application)
main.add_command(account)
main.add_command(tenant)
main.add_command(signing_key)
main.add_command(origin)
main.add_command(calendar)
main.add_command(audit)
for command in (rotate_key, revoke_key):
    tenant.add_command(command)
main.add_command(widget)
main.add_command(snippet)
for command in (import_file, export_file, feed):
    calendar.add_command(command)
