"""Commands for the origins at which a tenant may embed."""

from datetime import UTC, datetime

import click

from widgetsvc.cli.support import TEXT, as_json, operations, print_json, print_table
from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.origins import OriginRule, OriginRules, printable
from widgetsvc.gateway.tenant_models import Tenant, TenantUpdate


@click.group()
def origin() -> None:
    """The origins at which a tenant may embed.

    A rule is scheme and host, such as https://jobs.example.com; *. in front of the host stands for every
    sub-domain, :* behind it for every port.
    """


@origin.command("list")
@click.argument("tenant", type=TEXT)
@as_json
def origin_list(tenant: str, *, as_json: bool) -> None:
    """List TENANT's origins."""
    rules = operations().tenants.by_slug(tenant).origins
    if as_json:
        print_json([str(rule) for rule in rules])
        return
    rows = [(str(rule), "") for rule in rules]
    rows += [(printable(text), "no rule; matches nothing") for text in rules.ignored]
    none = f"{tenant} can embed nowhere yet; `widgetsvc origin add {tenant} ORIGIN` adds an origin."
    print_table(("ORIGIN", ""), rows, none)


@origin.command("add")
@click.argument("tenant", type=TEXT)
@click.argument("origins", type=TEXT, nargs=-1, required=True)
@as_json
def origin_add(tenant: str, origins: tuple[str, ...], *, as_json: bool) -> None:
    """Let TENANT embed at ORIGINS, too; what it has already stays as it is."""
    tenants = operations().tenants
    old = tenants.by_slug(tenant)
    wanted = TenantUpdate(allowed_origins=[*map(str, old.origins), *origins])
    _print(tenants.update(old, wanted, version=old.version), as_json=as_json)


@origin.command("remove")
@click.argument("tenant", type=TEXT)
@click.argument("origins", type=TEXT, nargs=-1, required=True)
@as_json
def origin_remove(tenant: str, origins: tuple[str, ...], *, as_json: bool) -> None:
    """Take ORIGINS away from TENANT: new tokens are refused there at once."""
    tenants = operations().tenants
    old = tenants.by_slug(tenant)
    going = {OriginRule.parse(text) for text in origins}
    for rule in going.difference(old.origins):
        raise click.ClickException(
            f"{tenant} has no rule {rule}; `widgetsvc origin list {tenant}` shows those it has."
        )
    wanted = TenantUpdate(allowed_origins=[str(rule) for rule in old.origins if rule not in going])
    _print(tenants.update(old, wanted, version=old.version), as_json=as_json)


@origin.command("explain")
@click.argument("tenant", type=TEXT)
@click.argument("origin", type=TEXT)
@as_json
@click.pass_context
def origin_explain(ctx: click.Context, tenant: str, origin: str, *, as_json: bool) -> None:
    """Say whether pages of ORIGIN may embed for TENANT, which rule decides, and what would have to change.

    ORIGIN is what stands in the browser's Origin header. The exit status is 0 if it is allowed, 1 if not.
    """
    decision = explain(operations().tenants.by_slug(tenant).origins, origin)
    if as_json:
        print_json(
            {
                "allowed": decision.allowed,
                "rule": decision.rule,
                "reason": decision.reason,
                "suggestion": decision.suggestion,
            }
        )
    else:
        click.echo(decision.reason)
        if decision.suggestion is not None:
            click.echo(decision.suggestion)
    ctx.exit(0 if decision.allowed else 1)


@origin.command("refused")
@click.argument("tenant", type=TEXT)
@as_json
def origin_refused(tenant: str, *, as_json: bool) -> None:
    """List the origins that TENANT's rules have refused, the last seen first.

    What a running service has refused appears a few seconds later.
    """
    parts = operations()
    refused = parts.refused_origins.all_of(parts.tenants.by_slug(tenant))
    if as_json:
        print_json(
            [
                {
                    "origin": each.origin,
                    "count": each.count,
                    "first_seen_at": each.first_seen_at,
                    "last_seen_at": each.last_seen_at,
                    "page": each.page,
                    "nearest_rule": each.nearest_rule,
                }
                for each in refused
            ]
        )
        return
    rows = [
        (
            printable(each.origin),
            str(each.count),
            datetime.fromtimestamp(each.last_seen_at, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            each.page or "",
            each.nearest_rule or "",
        )
        for each in refused
    ]
    print_table(("ORIGIN", "COUNT", "LAST SEEN", "PAGE", "NEAREST RULE"), rows, "No origin has been refused.")


def _print(changed: Tenant, *, as_json: bool) -> None:
    rules: OriginRules = changed.origins
    if as_json:
        print_json([str(rule) for rule in rules])
        return
    for rule in rules:
        click.echo(str(rule))
    if not rules:
        click.echo("No origin is allowed any more, so nothing can be embedded.", err=True)
