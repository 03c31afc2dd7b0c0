"""Which changes take something away from tokens that are there already, and from which.

A request passes the registry's checks before it may look for a token, so this is the second line: what has
been taken away is found in no cache, however late a process hears of it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from widgetsvc.gateway.audit import Action, Change

_ENDS = frozenset(
    {
        Action.TENANT_SUSPENDED,
        Action.TENANT_DELETED,
        Action.KEY_REVOKED,
        Action.SIGNING_KEY_REVOKED,
    }
)
_LISTS = ("allowed_origins", "permissions")
"""What of a tenant an update may shorten."""


class Scope(NamedTuple):
    """A tenant's tokens: all, or those that reach one account."""

    tenant_id: str
    sub: str = ""


class Narrowing(NamedTuple):
    """Tokens of `scope` that were minted before the trail's entry `entry_id` are not to be found any more."""

    scope: Scope
    entry_id: int


def narrowings(changes: Sequence[Change]) -> Iterator[Narrowing]:
    """What the changes take away; most take nothing."""
    for change in changes:
        tenant_id = str(change.tenant_id)
        if change.action is Action.CALENDAR_REVOKED:
            yield Narrowing(Scope(tenant_id, change.details.get("sub", "")), change.entry_id)
        elif change.action in _ENDS or (change.action is Action.TENANT_UPDATED and _shortens(change)):
            yield Narrowing(Scope(tenant_id), change.entry_id)


def _shortens(change: Change) -> bool:
    return any(
        set(before) - set(after) for before, after in (change.details.get(name, ((), ())) for name in _LISTS)
    )
