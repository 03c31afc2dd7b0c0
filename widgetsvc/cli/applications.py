"""Commands for the embedded backend's applications."""

import click

from widgetsvc.cli.support import TEXT, as_json, embedded_backend, print_json, print_table

_MAX_NAME = 255


@click.group("app")
def application() -> None:
    """Applications of the embedded backend, for Cronofy's SDKs."""


@application.command("create")
@click.argument("name", type=TEXT)
@as_json
def app_create(name: str, *, as_json: bool) -> None:
    """Create an application; its secret is shown this once."""
    backend = embedded_backend()
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise click.ClickException(f"The name must be 1 to {_MAX_NAME} printable characters.")
    created = backend.create_application(name)
    document = {"client_id": created.client_id, "client_secret": created.client_secret}
    if as_json:
        print_json(document)
        return
    click.echo(f"client_id      {created.client_id}")
    click.echo(f"client_secret  {created.client_secret}    (shown only now; also the API key)")


@application.command("list")
@as_json
def app_list(*, as_json: bool) -> None:
    """List the applications; `app_gateway` is the service's own, for the tenants' calendars."""
    applications = embedded_backend().applications()
    if as_json:
        print_json([{"client_id": each.client_id, "name": each.name} for each in applications])
        return
    rows = [(each.client_id, each.name) for each in applications]
    print_table(("CLIENT ID", "NAME"), rows, "There are no applications yet.")
