"""Commands that look after the database."""

import click

from widgetsvc import database
from widgetsvc.config import Settings


@click.group()
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
