"""Commands for the embedded backend's applications."""

import click

from widgetsvc.cli.support import TEXT, as_json, operations, print_json

_MAX_NAME = 255


@click.group("app")
def application() -> None:
    """Applications of the embedded backend, for Cronofy's SDKs."""


@application.command("create")
@click.argument("name", type=TEXT)
@as_json
def app_create(name: str, *, as_json: bool) -> None:
    """Create an application; its secret is shown this once."""
    applications = operations().applications
    if applications is None:
        raise click.ClickException("Cronofy's cloud keeps the applications: create one in its dashboard.")
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise click.ClickException(f"The name must be 1 to {_MAX_NAME} printable characters.")
    created = applications.create_application(name)
    document = {"client_id": created.client_id, "client_secret": created.client_secret}
    if as_json:
        print_json(document)
        return
    click.echo(f"client_id      {created.client_id}")
    click.echo(f"client_secret  {created.client_secret}    (shown only now; also the API key)")
