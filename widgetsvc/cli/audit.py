"""The command that prints the trail of changes."""

import json
from typing import Any

import click

from widgetsvc.cli.support import TEXT, as_json, instant, operations, print_json, print_table
from widgetsvc.gateway.audit import Change


@click.command()
@click.argument("tenant", type=TEXT, required=False)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, at most."
)
@click.option("--before", type=click.IntRange(1), metavar="ENTRY", help="Those before this entry.")
@as_json
def audit(tenant: str | None, *, limit: int, before: int | None, as_json: bool) -> None:
    """Show what was done to TENANT, or to all, and by whom; the newest first.

    Deleted tenants are remembered here.
    """
    changes = operations().trail.of(tenant, limit, before)
    if as_json:
        print_json([_document(change) for change in changes])
        return
    rows = [
        (
            str(change.entry_id),
            instant(change.at),
            change.tenant,
            change.by,
            change.action,
            " ".join(filter(None, (change.subject, _details(change)))),
        )
        for change in changes
    ]
    none = "Nothing has been done yet." if tenant is None else f"Nothing has been done to a tenant {tenant}."
    print_table(("ENTRY", "WHEN", "TENANT", "BY", "ACTION", "WHAT"), rows, none)


def _document(change: Change) -> dict[str, Any]:
    return {
        "entry_id": change.entry_id,
        "at": instant(change.at),
        "tenant": change.tenant,
        "by": change.by,
        "action": change.action,
        "subject": change.subject,
        "details": change.details,
    }


def _details(change: Change) -> str:
    return " ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in change.details.items()
    )
