"""Commands for the tenants: who they are and what they may embed."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from widgetsvc.cli.support import (
    TEXT,
    as_json,
    instant,
    instant_or_none,
    operations,
    print_fields,
    print_json,
    print_table,
)
from widgetsvc.gateway.keys import TenantKey
from widgetsvc.gateway.signatures import SigningKey
from widgetsvc.gateway.tenant_models import Access, Policy, Tenant, TenantUpdate
from widgetsvc.permissions import PUBLIC_PERMISSIONS, Element, Permission
from widgetsvc.wiring import Operations

Command = TypeVar("Command", bound=Callable[..., None])

_ORIGIN = click.option(
    "--origin",
    "origins",
    multiple=True,
    type=TEXT,
    help="An origin that may embed, such as https://jobs.example.com; repeat it for more.",
)
_PERMISSION = click.option(
    "--permission",
    "permissions",
    multiple=True,
    type=click.Choice(sorted(permission.value for permission in Permission)),
    help="What tokens may allow; repeat it for more.  [default: agenda, availability]",
)
_ELEMENT = click.option(
    "--element",
    "elements",
    multiple=True,
    type=click.Choice(sorted(element.value for element in Element)),
    help="An element that may be embedded; repeat it for more.  [default: all that the permissions cover]",
)
_ACCESS = [access.value for access in Access]
_ACCESS_HELP = "public: an allowed origin suffices; signed: an assertion is required."
_TZID_HELP = "Zone of the tenant's office hours, such as Europe/London."
_LAZY_HELP = "Let assertions name calendars that do not exist yet; they are made at their first use."
_SINGLE_USE_HELP = "Let each assertion be good once; it has to carry a jti."
_TEST_MODE_HELP = "Let pages simulate failures with data-simulate; it grants nothing."


@click.group()
def tenant() -> None:
    """Tenants: the customers who embed calendars."""


def _all(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@tenant.command("create")
@click.argument("slug", type=TEXT)
@_all(
    click.option("--name", type=TEXT, required=True, help="The tenant's name, for people."),
    _ORIGIN,
    click.option(
        "--access",
        type=click.Choice(_ACCESS),
        default=Access.PUBLIC.value,
        show_default=True,
        help=_ACCESS_HELP,
    ),
    _PERMISSION,
    _ELEMENT,
    click.option("--tzid", default="Etc/UTC", show_default=True, help=_TZID_HELP),
    click.option("--lazy-calendars", is_flag=True, help=_LAZY_HELP),
    click.option("--single-use-assertions", is_flag=True, help=_SINGLE_USE_HELP),
    click.option("--test-mode", is_flag=True, help=_TEST_MODE_HELP),
)
@as_json
def tenant_create(  # noqa: PLR0913 - one parameter an option
    slug: str,
    *,
    name: str,
    origins: tuple[str, ...],
    access: str,
    permissions: tuple[str, ...],
    elements: tuple[str, ...],
    tzid: str,
    lazy_calendars: bool,
    single_use_assertions: bool,
    test_mode: bool,
    as_json: bool,
) -> None:
    """Create the tenant SLUG; its secrets are shown this once."""
    policy = Policy(
        access=Access(access),
        permissions=frozenset(map(Permission, permissions)) or PUBLIC_PERMISSIONS,
        tzid=tzid,
        elements=frozenset(map(Element, elements)) or None,
        lazy_calendars=lazy_calendars,
        single_use_assertions=single_use_assertions,
        test_mode=test_mode,
    )
    created = operations().tenants.create(slug, name, origins, policy)
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
        click.echo(
            f"No origin is allowed yet, so nothing can be embedded: widgetsvc origin add {slug} ORIGIN",
            err=True,
        )
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
                    "test_mode": each.policy.test_mode,
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
            _state(each),
            " ".join(map(str, each.origins)),
        )
        for each in tenants
    ]
    none = "There are no tenants yet; `widgetsvc tenant create` makes one."
    print_table(("TENANT", "NAME", "PUBLISHABLE KEY", "ACCESS", "ORIGINS"), rows, none)


@tenant.command("show")
@click.argument("slug", type=TEXT)
@as_json
def tenant_show(slug: str, *, as_json: bool) -> None:
    """Show the tenant SLUG: its policy, origins, keys and signing keys, and how many calendars it has."""
    service = operations()
    _show(service, service.tenants.by_slug(slug), as_json=as_json)


@tenant.command("update")
@click.argument("slug", type=TEXT)
@_all(
    click.option("--name", type=TEXT, help="Another name, for people."),
    _ORIGIN,
    click.option("--no-origins", is_flag=True, help="Take every origin away: nothing can be embedded."),
    click.option("--access", type=click.Choice(_ACCESS), help=_ACCESS_HELP),
    _PERMISSION,
    _ELEMENT,
    click.option("--every-element", is_flag=True, help="Allow all elements that the permissions cover."),
    click.option("--tzid", help=_TZID_HELP),
    click.option("--lazy-calendars/--no-lazy-calendars", default=None, help=_LAZY_HELP),
    click.option("--single-use-assertions/--no-single-use-assertions", default=None, help=_SINGLE_USE_HELP),
    click.option("--test-mode/--no-test-mode", default=None, help=_TEST_MODE_HELP),
    click.option("--jwks-url", type=TEXT, help="Where the tenant publishes its signing keys (JWKS)."),
    click.option("--no-jwks-url", is_flag=True, help="Take that address away."),
)
@as_json
def tenant_update(  # noqa: PLR0913 - one parameter an option
    slug: str,
    *,
    name: str | None,
    origins: tuple[str, ...],
    no_origins: bool,
    access: str | None,
    permissions: tuple[str, ...],
    elements: tuple[str, ...],
    every_element: bool,
    tzid: str | None,
    lazy_calendars: bool | None,
    single_use_assertions: bool | None,
    test_mode: bool | None,
    jwks_url: str | None,
    no_jwks_url: bool,
    as_json: bool,
) -> None:
    """Change the tenant SLUG: what an option names becomes what it says, everything else stays.

    Lists are replaced as a whole; `widgetsvc origin add` and `remove` change single origins.
    """
    for one, other, both in (
        (origins, no_origins, "--origin and --no-origins"),
        (elements, every_element, "--element and --every-element"),
        (jwks_url, no_jwks_url, "--jwks-url and --no-jwks-url"),
    ):
        if one and other:
            raise click.UsageError(f"{both} exclude each other.")
    wanted = TenantUpdate(
        name=name,
        allowed_origins=origins if origins or no_origins else None,
        access=None if access is None else Access(access),
        permissions=frozenset(map(Permission, permissions)) or None,
        elements=frozenset(map(Element, elements)) or None,
        every_element=every_element,
        tzid=tzid,
        lazy_calendars=lazy_calendars,
        single_use_assertions=single_use_assertions,
        test_mode=test_mode,
        jwks_url=jwks_url,
        no_jwks_url=no_jwks_url,
    )
    if wanted == TenantUpdate():
        raise click.UsageError("Say what to change: --name, --origin, --access, … (--help lists them).")
    service = operations()
    old = service.tenants.by_slug(slug)
    if jwks_url is not None:
        service.key_sets.check_address(jwks_url)
    new = service.tenants.update(old, wanted)
    if new.version == old.version:
        click.echo("It is so already; nothing was changed.", err=True)
    _show(service, new, as_json=as_json)


@tenant.command("suspend")
@click.argument("slug", type=TEXT)
@as_json
def tenant_suspend(slug: str, *, as_json: bool) -> None:
    """Suspend the tenant SLUG: it embeds nothing, and its servers are refused, until it is resumed."""
    tenants = operations().tenants
    changed = tenants.suspend(tenants.by_slug(slug))
    if as_json:
        print_json({"tenant": slug, "suspended": True})
        return
    click.echo(f"{changed.name} is suspended; `widgetsvc tenant resume {slug}` ends that.")


@tenant.command("resume")
@click.argument("slug", type=TEXT)
@as_json
def tenant_resume(slug: str, *, as_json: bool) -> None:
    """End the suspension of the tenant SLUG."""
    tenants = operations().tenants
    changed = tenants.resume(tenants.by_slug(slug))
    if as_json:
        print_json({"tenant": slug, "suspended": False})
        return
    click.echo(f"{changed.name} may embed again.")


@tenant.command("delete")
@click.argument("slug", type=TEXT)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--with-calendars", is_flag=True, help="Revoke its calendars first: their events are deleted as well."
)
@as_json
def tenant_delete(slug: str, *, yes: bool, with_calendars: bool, as_json: bool) -> None:
    """Delete the tenant SLUG with its keys, origins and widgets. Only the audit trail remembers it.

    Its calendars stay upstream with their events, unless --with-calendars revokes them. Where a revocation
    fails, the tenant stays; the same command goes on from there.
    """
    service = operations()
    doomed = service.tenants.by_slug(slug)
    # What is revoked here, but perhaps not upstream, still has its sub.
    calendars = [
        each for each in service.calendars.all_of(doomed) if each.revoked_at is None or each.sub is not None
    ]
    if not yes:
        fate = "are deleted with their events" if with_calendars else "stay upstream"
        click.confirm(
            f"Delete {doomed.name} ({slug})? Its pages embed nothing any more; its calendars "
            f"({len(calendars)}) {fate}.",
            abort=True,
            err=True,
        )
    revoked = 0
    if with_calendars:
        for each in calendars:
            service.calendars.revoke(doomed, each.application_calendar_id)
            revoked += 1
            click.echo(
                f"{each.application_calendar_id} is revoked ({revoked} of {len(calendars)}).", err=True
            )
    service.tenants.delete(doomed)
    if as_json:
        print_json({"tenant": slug, "deleted": True, "calendars_revoked": revoked})
        return
    click.echo(f"{doomed.name} is deleted.")


# Showing


def _show(service: Operations, each: Tenant, *, as_json: bool) -> None:
    signing_keys = service.signing_keys.all_of(each)
    in_use = sum(calendar.revoked_at is None for calendar in service.calendars.all_of(each))
    if as_json:
        print_json(_document(each, signing_keys, in_use))
        return
    print_fields(_fields(each, signing_keys, in_use))
    click.echo()
    rows = [
        (
            key.key_id,
            key.kind.value,
            key.publishable_key or f"{key.kind.prefix}…{key.hint}",
            instant(key.created_at),
            "" if key.expires_at is None else instant(key.expires_at),
        )
        for key in each.keys
    ]
    print_table(("KEY ID", "KIND", "KEY", "CREATED", "ENDS"), rows, "It has no keys.")


def _document(each: Tenant, signing_keys: Sequence[SigningKey], calendars: int) -> dict[str, object]:
    policy = each.policy
    return {
        "tenant": each.slug,
        "name": each.name,
        "suspended": each.suspended,
        "access": policy.access.value,
        "permissions": sorted(policy.permissions),
        "elements": None if policy.elements is None else sorted(policy.elements),
        "tzid": policy.tzid,
        "lazy_calendars": policy.lazy_calendars,
        "single_use_assertions": policy.single_use_assertions,
        "test_mode": policy.test_mode,
        "jwks_url": each.jwks_url,
        "origins": [str(rule) for rule in each.origins],
        "keys": [_key_document(key) for key in each.keys],
        "signing_keys": [{"kid": key.kid, "alg": key.alg.value} for key in signing_keys],
        "calendars": calendars,
        "version": each.version,
    }


def _fields(each: Tenant, signing_keys: Sequence[SigningKey], calendars: int) -> list[tuple[str, str]]:
    policy = each.policy
    return [
        ("tenant", f"{each.slug}{'  (suspended)' if each.suspended else ''}"),
        ("name", each.name),
        ("access", policy.access.value),
        ("permissions", ", ".join(sorted(policy.permissions)) or "none"),
        ("elements", _elements(policy)),
        ("tzid", policy.tzid),
        ("lazy calendars", _yes_or_no(policy.lazy_calendars)),
        ("single-use assertions", _yes_or_no(policy.single_use_assertions)),
        ("test mode", _yes_or_no(policy.test_mode)),
        ("JWKS", each.jwks_url or "none"),
        ("origins", "\n".join([*map(str, each.origins), *_ignored(each)]) or "none"),
        ("calendars", str(calendars)),
        ("signing keys", "\n".join(f"{key.kid}  {key.alg.value}" for key in signing_keys) or "none"),
    ]


def _key_document(key: TenantKey) -> dict[str, str | None]:
    return {
        "key_id": key.key_id,
        "kind": key.kind.value,
        "publishable_key": key.publishable_key,
        "hint": key.hint,
        "created_at": instant(key.created_at),
        "expires_at": instant_or_none(key.expires_at),
    }


def _elements(policy: Policy) -> str:
    return "all that the permissions cover" if policy.elements is None else ", ".join(sorted(policy.elements))


def _state(each: Tenant) -> str:
    state = "suspended" if each.suspended else each.policy.access.value
    return f"{state}, test mode" if each.policy.test_mode else state


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _ignored(each: Tenant) -> list[str]:
    return [f"{text}  (no rule; matches nothing)" for text in each.origins.ignored]
