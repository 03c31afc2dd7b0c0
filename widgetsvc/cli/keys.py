"""Commands that replace and revoke a tenant's keys."""

import click

from widgetsvc.cli.support import DURATION, TEXT, as_json, instant_or_none, operations, print_json
from widgetsvc.gateway.keys import KeyKind


@click.command("rotate-key")
@click.argument("slug", type=TEXT)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in KeyKind]),
    default=KeyKind.SECRET.value,
    show_default=True,
    help="publishable: pk_…, in public HTML; secret: sk_…, of the tenant's servers.",
)
@click.option(
    "--overlap",
    type=DURATION,
    default="24h",
    show_default=True,
    help="How long the old key stays good, such as 30m, 24h or 7d; 0 ends it at once.",
)
@as_json
def rotate_key(slug: str, *, kind: str, overlap: int, as_json: bool) -> None:
    """Make a new key for the tenant SLUG, shown this once; the old one stays good for the overlap."""
    tenants = operations().tenants
    rotation = tenants.rotate_key(tenants.by_slug(slug), KeyKind(kind), overlap=overlap)
    ends = instant_or_none(rotation.old_ends_at)
    if as_json:
        print_json(
            {
                "tenant": slug,
                "kind": kind,
                "key_id": rotation.key.key_id,
                "key": rotation.text,
                "old_key_ends_at": ends,
            }
        )
        return
    shown = "    (shown only now)" if rotation.key.publishable_key is None else ""
    click.echo(f"{kind}_key  {rotation.text}{shown}")
    click.echo(f"The old key {f'is good until {ends}' if overlap else 'is dead'}.", err=True)


@click.command("revoke-key")
@click.argument("slug", type=TEXT)
@click.argument("key_id", type=TEXT)
@as_json
def revoke_key(slug: str, key_id: str, *, as_json: bool) -> None:
    """Revoke the key KEY_ID of the tenant SLUG: it is dead at once.

    `widgetsvc tenant show` lists the ids. Where the new one of two keys is revoked, the old one stays.
    """
    tenants = operations().tenants
    tenants.revoke_key(tenants.by_slug(slug), key_id)
    if as_json:
        print_json({"tenant": slug, "key_id": key_id, "revoked": True})
        return
    click.echo(f"{key_id} is revoked.")
