"""Rows that belong to an account, each under an id of the application's own choice."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from widgetsvc.calendars.store.schema import accounts

_LOCK_ACCOUNT = (
    select(accounts.c.sub).where(accounts.c.sub == bindparam("sub")).with_for_update(key_share=True)
)


def put(
    connection: Connection,
    table: Table,
    key: Mapping[str, str],
    values: Mapping[str, Any],
    *,
    at_most: int,
    when_new: Mapping[str, Any] | None = None,
) -> bool:
    """Write a row under its primary key, `sub` and an id; `when_new` is written with a new row only.

    False, and nothing written, if the row would be a new one and the account has as many as it may.
    """
    mine = [table.c[name] == value for name, value in key.items()]
    replace = update(table).where(*mine).values(values)
    if connection.execute(replace).rowcount:
        return True
    # Or two at once could both be the last one that there is room for; SQLite's writers queue anyway.
    connection.execute(_LOCK_ACCOUNT, {"sub": key["sub"]})
    held = select(func.count()).select_from(table).where(table.c.sub == key["sub"])
    if connection.execute(held).scalar_one() >= at_most:
        return False
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(**key, **values, **(when_new or {})))
    except IntegrityError:
        # Another's first use of this id came before the lock. Should it be the account that is gone, this
        # writes nothing.
        connection.execute(replace)
    return True
