"""Commands for the accounts of the embedded backend's applications."""

import click

from widgetsvc.calendars.errors import InvalidParameters
from widgetsvc.calendars.records import Account, AccountIdentity, AccountKind, Application
from widgetsvc.calendars.requests.accounts import NewAccount
from widgetsvc.calendars.requests.base import parse_fields
from widgetsvc.calendars.store.accounts import AccountStore
from widgetsvc.cli.support import TEXT, as_json, embedded_backend, print_json, print_table

_KINDS = {"user": AccountKind.USER, "resource": AccountKind.RESOURCE}


@click.group()
def account() -> None:
    """Accounts of the embedded backend: people and resources, beside the application calendars.

    CLIENT_ID names the application that they belong to, as `widgetsvc app list` shows it.
    """


@account.command("create")
@click.argument("client_id", type=TEXT)
@click.option(
    "--kind",
    type=click.Choice(list(_KINDS)),
    required=True,
    help="user: a person (sub acc_…); resource: a room or a machine (sub res_…).",
)
@click.option("--name", type=TEXT, required=True, help="What people know it by.")
@click.option("--email", type=TEXT, help="Its e-mail address.")
@click.option("--tzid", type=TEXT, help="The zone it lives in, such as Europe/London.")
@as_json
def account_create(
    client_id: str, *, kind: str, name: str, email: str | None, tzid: str | None, as_json: bool
) -> None:
    """Create an account with one calendar in the application CLIENT_ID; its tokens are shown this once."""
    backend = embedded_backend()
    owner = _application(backend, client_id)
    wanted = _new_account(name=name, email=email, tzid=tzid)
    identity = AccountIdentity(_KINDS[kind], email=wanted.email, name=wanted.name, tzid=wanted.tzid)
    grant = backend.create_account(owner, identity)
    document = {
        "sub": grant.account.sub,
        "calendar_id": grant.account.calendar_id,
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expires_in": grant.expires_in,
    }
    if as_json:
        print_json(document)
        return
    for label, value in document.items():
        click.echo(f"{label:<14} {value}")


@account.command("list")
@click.argument("client_id", type=TEXT)
@as_json
def account_list(client_id: str, *, as_json: bool) -> None:
    """List the accounts of the application CLIENT_ID, its application calendars among them."""
    backend = embedded_backend()
    accounts = backend.all_accounts(_application(backend, client_id).application_id)
    if as_json:
        print_json([_document(each) for each in accounts])
        return
    rows = [(each.sub, _kind(each), each.label, each.email or "", each.tzid or "") for each in accounts]
    none = f"{client_id} has no accounts yet; `widgetsvc account create {client_id}` makes one."
    print_table(("SUB", "KIND", "NAME", "EMAIL", "TZID"), rows, none)


@account.command("revoke")
@click.argument("client_id", type=TEXT)
@click.argument("sub", type=TEXT)
@as_json
def account_revoke(client_id: str, sub: str, *, as_json: bool) -> None:
    """Revoke the account SUB: its tokens end at once, and its events and all else it holds are deleted.

    A tenant's calendar is revoked with `widgetsvc calendar revoke`, which tells the running service, too.
    """
    backend = embedded_backend()
    if not backend.revoke(_application(backend, client_id).application_id, sub):
        raise click.ClickException(
            f"{client_id} has no account {sub}; `widgetsvc account list {client_id}` shows those it has."
        )
    if as_json:
        print_json({"client_id": client_id, "sub": sub, "revoked": True})
        return
    click.echo(f"{sub} is revoked.")


def _application(backend: AccountStore, client_id: str) -> Application:
    found = backend.application_by_client_id(client_id)
    if found is None:
        raise click.ClickException(
            f"There is no application {client_id}; `widgetsvc app list` shows those there are."
        )
    return found


def _new_account(**fields: str | None) -> NewAccount:
    try:
        return parse_fields(NewAccount, fields)
    except InvalidParameters as error:
        faults = (f"--{fault.path}: {fault.description}" for fault in error.faults)
        raise click.ClickException("\n".join(faults)) from None


def _kind(each: Account) -> str:
    return next((word for word, kind in _KINDS.items() if kind is each.kind), each.kind.value)


def _document(each: Account) -> dict[str, str | None]:
    return {
        "sub": each.sub,
        "kind": _kind(each),
        "application_calendar_id": each.application_calendar_id,
        "name": each.name,
        "email": each.email,
        "tzid": each.tzid,
        "calendar_id": each.calendar_id,
    }
