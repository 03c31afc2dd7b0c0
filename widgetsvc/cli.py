"""The `widgetsvc` command."""

import click

from widgetsvc import __version__


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Put scheduling calendars on any web page."""
