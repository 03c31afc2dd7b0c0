"""Commands that look after the database, and the secret that encrypts what it keeps."""

import click

from widgetsvc import database
from widgetsvc.cli.support import as_json, print_json, print_table
from widgetsvc.config import Settings, secret_file_of, secret_keys_of
from widgetsvc.errors import ConfigurationError
from widgetsvc.reencryption import reencrypt
from widgetsvc.wiring import open_database


@click.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest schema."""
    settings = Settings.from_environment()
    engine = database.connect(settings.effective_database_url)
    click.get_current_context().call_on_close(engine.dispose)
    if database.is_current(engine):
        click.echo("The database is up to date.")
        return
    database.upgrade(engine)
    click.echo("The database has been brought up to date.")


@db.command("rotate-secret")
def db_rotate_secret() -> None:
    """Put a new secret into the data folder, in front of the old one, which goes on to be read.

    Where the secret is a setting, set WIDGETSVC_SECRET_KEY to a new one and WIDGETSVC_SECRET_KEY_FALLBACKS to
    the old one instead. In both cases restart the service then, run `widgetsvc db reencrypt`, and drop the
    old secret after 18 hours, when the last element token that it signed is over.
    """
    settings = Settings.from_environment()
    if settings.secret_key:
        raise click.ClickException(
            "WIDGETSVC_SECRET_KEY holds the secret: set it to a new one (`openssl rand -hex 32`), and "
            "WIDGETSVC_SECRET_KEY_FALLBACKS to the old one."
        )
    file = secret_file_of(settings)
    try:
        file.rotate()
    except ValueError as error:
        raise ConfigurationError([f"{file.path}: {error}"]) from None
    click.echo(f"{file.path} has a new secret in its first line.")
    click.echo(
        "Next: restart the service, then `widgetsvc db reencrypt`; after 18 hours, when the element tokens "
        "of the old secret are over, delete the lines below and restart again.",
        err=True,
    )


@db.command("reencrypt")
@as_json
def db_reencrypt(*, as_json: bool) -> None:
    """Bring all that is stored under an older secret under the current one.

    It may run beside the service, and be repeated: what is current already is left alone. Without it, what
    only an older secret can read is lost once that is dropped.
    """
    settings = Settings.from_environment()
    engine = open_database(settings)
    click.get_current_context().call_on_close(engine.dispose)
    done = []
    for progress in reencrypt(engine, secret_keys_of(settings)):
        if progress.is_done:
            done.append(progress)
        elif not as_json:
            seen = progress.rewritten + progress.current + progress.lost
            click.echo(f"{progress.what}: {seen} seen, {progress.rewritten} rewritten", err=True)
    if as_json:
        print_json(
            {
                each.what: {"rewritten": each.rewritten, "current": each.current, "lost": each.lost}
                for each in done
            }
        )
        return
    rows = [(each.what, *map(str, (each.rewritten, each.current, each.lost))) for each in done]
    print_table(("WHAT", "REWRITTEN", "CURRENT ALREADY", "LOST"), rows, "")
