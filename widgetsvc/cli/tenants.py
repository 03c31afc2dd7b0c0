"""Commands for the tenants and their keys."""

from collections.abc import Callable

import click

from widgetsvc.cli.support import TEXT, as_json, operations, print_json, print_table
from widgetsvc.gateway.tenants import Access, Policy
from widgetsvc.permissions import PUBLIC_PERMISSIONS, Permission


@click.group()
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
            type=click.Choice(sorted(permission.value for permission in Permission)),
            help="What may be embedded; repeat it for more.  [default: agenda, availability]",
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
    allowed = frozenset(Permission(value) for value in permissions) or PUBLIC_PERMISSIONS
    created = operations().tenants.create(slug, name, origins, Policy(Access(access), allowed, tzid))
    key = created.signing_key
    if as_json:
        print_json(
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
    tenants = operations().tenants.all()
    if as_json:
        print_json(
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
    print_table(("TENANT", "NAME", "PUBLISHABLE KEY", "ACCESS", "ORIGINS"), rows, none)
