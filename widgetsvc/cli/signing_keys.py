"""Commands for the keys with which tenants' servers sign assertions."""

from typing import IO, Any

import click

from widgetsvc.cli.support import (
    DURATION,
    TEXT,
    as_json,
    instant,
    instant_or_none,
    operations,
    print_json,
    print_table,
)
from widgetsvc.gateway.signatures import MAX_PUBLIC_KEY, PUBLIC_ALGORITHMS, SigningAlgorithm, SigningKey


@click.group("signing-key")
def signing_key() -> None:
    """The keys with which tenants' servers sign assertions."""


@signing_key.command("add")
@click.argument("tenant", type=TEXT)
@click.option(
    "--alg",
    type=click.Choice(sorted(alg.value for alg in PUBLIC_ALGORITHMS)),
    required=True,
    help="EdDSA: Ed25519; ES256: P-256; RS256: RSA of at least 2048 bits.",
)
@click.option(
    "--public-key",
    type=click.File("rb"),
    required=True,
    help="A file with the public key, PEM or JWK; - for standard input.",
)
@click.option("--kid", type=TEXT, help="The key's id.  [default: the JWK's kid, or one that is made up]")
@as_json
def signing_key_add(tenant: str, *, alg: str, public_key: IO[bytes], kid: str | None, as_json: bool) -> None:
    """Register a public key of TENANT. The private key stays on the tenant's server."""
    service = operations()
    # One byte more than is taken, so that a longer file is refused rather than cut.
    text = public_key.read(MAX_PUBLIC_KEY + 1).decode("ascii", errors="replace")
    owner = service.tenants.by_slug(tenant)
    key = service.signing_keys.add_public(owner, SigningAlgorithm(alg), text, kid=kid)
    if as_json:
        print_json({"tenant": tenant, **_document(key)})
        return
    click.echo(f"kid  {key.kid}    ({key.alg.value})")


@signing_key.command("list")
@click.argument("tenant", type=TEXT)
@as_json
def signing_key_list(tenant: str, *, as_json: bool) -> None:
    """List TENANT's signing keys, the newest first; secrets are not shown again."""
    service = operations()
    owner = service.tenants.by_slug(tenant)
    keys = service.signing_keys.all_of(owner)
    if as_json:
        print_json([{"tenant": tenant, **_document(key)} for key in keys])
        return
    rows = [
        (key.kid, key.alg.value, instant(key.created_at), instant_or_none(key.expires_at) or "-")
        for key in keys
    ]
    none = f"{tenant} has no signing keys; `widgetsvc signing-key rotate {tenant}` makes a secret."
    print_table(("KID", "ALG", "CREATED", "ENDS"), rows, none)
    if owner.jwks_url is not None:
        click.echo(f"Besides, those of {owner.jwks_url}", err=True)


@signing_key.command("rotate")
@click.argument("tenant", type=TEXT)
@click.option(
    "--overlap",
    type=DURATION,
    default="24h",
    show_default=True,
    help="How long older secrets stay good, such as 30m, 24h or 7d; 0 ends them at once.",
)
@as_json
def signing_key_rotate(tenant: str, *, overlap: int, as_json: bool) -> None:
    """Make a new HS256 secret for TENANT, which is shown this once."""
    service = operations()
    owner = service.tenants.by_slug(tenant)
    key = service.signing_keys.rotate_secret(owner, overlap=overlap)
    if as_json:
        print_json({"tenant": tenant, **_document(key), "secret": key.secret.decode()})
        return
    click.echo(f"signing_key      {key.secret.decode()}    ({key.alg.value}, kid {key.kid}; shown only now)")


@signing_key.command("revoke")
@click.argument("tenant", type=TEXT)
@click.argument("kid", type=TEXT)
@click.option(
    "--overlap",
    type=DURATION,
    default="0",
    show_default=True,
    help="How long the key stays good, such as 30m, 24h or 7d; 0 ends it at once.",
)
@as_json
def signing_key_revoke(tenant: str, kid: str, *, overlap: int, as_json: bool) -> None:
    """End TENANT's signing key KID, at once or after a while."""
    service = operations()
    service.signing_keys.revoke(service.tenants.by_slug(tenant), kid, overlap=overlap)
    if as_json:
        print_json({"tenant": tenant, "kid": kid, "revoked": True})
        return
    click.echo(f"{kid} {'is good for a while yet' if overlap else 'is revoked'}.")


def _document(key: SigningKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "alg": key.alg.value,
        "created_at": instant(key.created_at),
        "expires_at": instant_or_none(key.expires_at),
    }
