"""Origins that were refused: whom a tenant may have forgotten to allow, and who tries without being asked.

A request only leaves a note; the notes are written in the background.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from sqlalchemy import Engine, Executable, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from widgetsvc.clock import Clock
from widgetsvc.errors import UnknownResource
from widgetsvc.gateway.origins import Origin, printable
from widgetsvc.gateway.schema import refused_origins
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.write_behind import WriteBehind, lock_living

MAX_ORIGINS = 200
"""How many are kept of a tenant; the one that was not seen for longest goes first."""

NO_ORIGIN = "(none)"
"""Under which requests without an Origin header are counted; no origin looks like it."""

_MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class RefusedOrigin:
    """An origin that was refused, with the page (no query) and the nearest rule of the last refusal.

    `origin` is the header, made printable, where it was no origin as browsers send it. Instants are in Unix
    seconds.
    """

    origin: str
    count: int
    first_seen_at: int
    last_seen_at: int
    page: str | None
    nearest_rule: str | None


class RefusedOrigins:
    """The refused origins of each tenant; safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._clock = clock
        self._pending: WriteBehind[str, RefusedOrigin] = WriteBehind(
            "refused origins", add=_added, write=self._write, max_keys=MAX_ORIGINS
        )

    def note(
        self, tenant: Tenant, header: str | None, *, nearest_rule: str | None, referer: str | None
    ) -> None:
        """Count a refusal of this `Origin` header, from the page that `Referer` names."""
        now = int(self._clock())
        origin = _shown(header)
        seen = RefusedOrigin(origin, 1, now, now, _page(referer), nearest_rule)
        self._pending.note(tenant.tenant_id, origin, seen)

    def all_of(self, tenant: Tenant) -> list[RefusedOrigin]:
        """Return those that the tenant's rules would refuse today, too, the last seen first."""
        self.flush()
        query = (
            select(*_SHOWN)
            .where(refused_origins.c.tenant_id == tenant.tenant_id)
            .order_by(refused_origins.c.last_seen_at.desc(), refused_origins.c.origin)
        )
        with self._reader.connect() as connection:
            seen = [RefusedOrigin(**row) for row in connection.execute(query).mappings()]
        return [each for each in seen if not _is_allowed(tenant, each.origin)]

    def forget(self, tenant: Tenant, origin: str) -> None:
        """Drop what is known of an origin, as `all_of` names it. Raises UnknownResource."""
        self.flush()
        named = refused_origins.c.tenant_id == tenant.tenant_id, refused_origins.c.origin == origin
        with self._writer.begin() as connection:
            if not connection.execute(delete(refused_origins).where(*named)).rowcount:
                raise UnknownResource(f"{tenant.name} has no refused origin {printable(origin)}.")

    def flush(self) -> None:
        """Write what has been noted so far."""
        self._pending.flush()

    def flushing(self) -> AbstractContextManager[None]:
        """Write what is noted until the context is left."""
        return self._pending.flushing()

    def _write(self, batch: Mapping[int, Mapping[str, RefusedOrigin]]) -> None:
        with self._writer.begin() as connection:
            # In one order, so that two processes never wait for each other's rows.
            living = sorted(lock_living(connection, batch))
            rows = [
                {"tenant_id": tenant_id, **{name: getattr(seen, name) for name in _NAMES}}
                for tenant_id in living
                for _, seen in sorted(batch[tenant_id].items())
            ]
            if rows:
                connection.execute(_UPSERT[connection.dialect.name], rows)
            for tenant_id in living:
                connection.execute(_drop_oldest(tenant_id))


_NAMES = ("origin", "count", "first_seen_at", "last_seen_at", "page", "nearest_rule")
_SHOWN = [refused_origins.c[name] for name in _NAMES]


def _upsert(insert: sqlite.Insert | postgresql.Insert) -> Executable:
    old, new = refused_origins.c, insert.excluded
    is_newer = new.last_seen_at >= old.last_seen_at
    return insert.on_conflict_do_update(
        index_elements=[old.tenant_id, old.origin],
        set_={
            "count": old.count + new.count,
            "last_seen_at": case((is_newer, new.last_seen_at), else_=old.last_seen_at),
            "page": func.coalesce(new.page, old.page),
            "nearest_rule": new.nearest_rule,
        },
    )


_UPSERT = {
    "sqlite": _upsert(sqlite.insert(refused_origins)),
    "postgresql": _upsert(postgresql.insert(refused_origins)),
}


def _drop_oldest(tenant_id: int) -> Executable:
    of_tenant = refused_origins.c.tenant_id == tenant_id
    kept = (
        select(refused_origins.c.origin)
        .where(of_tenant)
        .order_by(refused_origins.c.last_seen_at.desc(), refused_origins.c.origin)
        .limit(MAX_ORIGINS)
    )
    return delete(refused_origins).where(of_tenant, refused_origins.c.origin.not_in(kept))


def _added(older: RefusedOrigin, newer: RefusedOrigin) -> RefusedOrigin:
    return replace(
        newer,
        count=older.count + newer.count,
        first_seen_at=older.first_seen_at,
        page=newer.page or older.page,
    )


def _is_allowed(tenant: Tenant, text: str) -> bool:
    origin = Origin.parse(text)
    return origin is not None and tenant.origins.match(origin) is not None


def _shown(header: str | None) -> str:
    if header is None:
        return NO_ORIGIN
    return header if Origin.parse(header) is not None else printable(header)


def _page(referer: str | None) -> str | None:
    """A page's address without what may be private in it: query, fragment, user and password."""
    try:
        parts = urlsplit(referer or "")
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return None
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in address[:_MAX_PAGE])
