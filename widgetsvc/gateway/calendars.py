"""A tenant's application calendars, and the `sub` that each resolves to.

Upstream all tenants' calendars belong to one application, where a calendar is named `slug:id`: two tenants
may use the same id without meeting. A calendar that exists upstream under a name of its own is mapped by an
explicit `upstream_id`.

Every request for a token resolves its calendars first, here or in what the process knows of the tenant, so
what is revoked is not served on from a cache of tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import ColumnElement, Engine, Insert, Update, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.cronofy.client import CronofyClient
from widgetsvc.cronofy.faults import InvalidGrant
from widgetsvc.errors import (
    AlreadyExists,
    CalendarRevoked,
    InvalidName,
    UnknownCalendar,
    UpstreamRejected,
    UpstreamUnavailable,
)
from widgetsvc.gateway.audit import OPERATOR, Action, AuditTrail, Transaction
from widgetsvc.gateway.credentials import MIN_REMAINING, RENEW_BEFORE, Credentials, Renewals
from widgetsvc.gateway.schema import tenant_calendars
from widgetsvc.gateway.tenant_models import Tenant

_MAX_ID, _MAX_UPSTREAM_ID = 180, 255
_CALENDARS = select(
    tenant_calendars.c.application_calendar_id,
    tenant_calendars.c.upstream_id,
    tenant_calendars.c.sub,
    tenant_calendars.c.revoked_at,
).order_by(tenant_calendars.c.application_calendar_id)

_KEPT = select(
    tenant_calendars.c.sub, tenant_calendars.c.upstream_calendar_id, tenant_calendars.c.credentials_encrypted
)


@dataclass(frozen=True, slots=True)
class TenantCalendar:
    """An application calendar of a tenant.

    `sub` is None until it is first used. It outlasts `revoked_at` (Unix seconds) until the calendar is known
    to be gone upstream, too.
    """

    application_calendar_id: str
    upstream_id: str
    sub: str | None
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    sub: str
    calendar_id: str | None
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class CalendarAccess:
    """What it takes to write events into a calendar with any Cronofy SDK; `expires_in` is in seconds."""

    sub: str
    calendar_id: str
    access_token: str = field(repr=False)
    expires_in: int


class CalendarDirectory:
    """The tenants' calendars in the database, resolved through Cronofy's API.

    `cipher` encrypts their tokens at rest.
    """

    def __init__(
        self,
        engine: Engine,
        trail: AuditTrail,
        cronofy: CronofyClient,
        clock: Clock,
        *,
        cipher: Fernet | MultiFernet,
        monotonic: Clock = monotonic_clock,
    ) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._trail = trail
        self._cronofy = cronofy
        self._clock = clock
        self._cipher = cipher
        self._renewals = Renewals(monotonic)

    def add(
        self,
        tenant: Tenant,
        application_calendar_id: str,
        upstream_id: str | None = None,
        *,
        by: str = OPERATOR,
    ) -> None:
        """Let a tenant embed a calendar; it is created upstream at its first use.

        Adding it again changes nothing; until its first use it may be mapped to another upstream calendar.
        A revoked one is created anew. Raises InvalidName, AlreadyExists where the upstream calendar is
        another one's, or UpstreamError where what was revoked is still there upstream.
        """
        _check_id(application_calendar_id)
        wanted = upstream_id if upstream_id is not None else f"{tenant.slug}:{application_calendar_id}"
        _check_upstream_id(wanted)
        known = self._find(tenant, [application_calendar_id])
        if known and known[0].revoked_at is not None:
            self.revoke(tenant, application_calendar_id, by=by)
        elif known and known[0].upstream_id == wanted:
            return
        elif known and known[0].sub is not None:
            raise AlreadyExists(
                f"{application_calendar_id} stands for the upstream calendar {known[0].upstream_id} already."
            )
        try:
            self._map(tenant, application_calendar_id, wanted, by, is_new=not known)
        except IntegrityError as error:
            raise AlreadyExists(
                f"The upstream calendar {wanted} belongs to another calendar here."
            ) from error

    def add_unknown(self, tenant: Tenant, ids: Sequence[str], most: int, *, by: str) -> None:
        """Add those of the calendars that the tenant does not have, as long as it has at most `most` then.

        Whatever there is, revoked ones included, stays as it is. Raises InvalidName, UnknownCalendar where
        there is no more room, AlreadyExists where the upstream calendar is another one's.
        """
        known = {calendar.application_calendar_id for calendar in self._find(tenant, ids)}
        missing = [name for name in ids if name not in known]
        if not missing:
            return
        for name in missing:
            _check_id(name)
        try:
            with self._trail.transaction(by) as change:
                _insert_unknown(change, tenant, missing, most)
        except IntegrityError as error:
            raise AlreadyExists(
                f"An upstream calendar of {_quoted(missing)} belongs to another calendar here."
            ) from error

    def _map(
        self, tenant: Tenant, application_calendar_id: str, upstream_id: str, by: str, *, is_new: bool
    ) -> None:
        key = {"tenant_id": tenant.tenant_id, "application_calendar_id": application_calendar_id}
        if is_new:
            statement: Insert | Update = insert(tenant_calendars).values(
                **key, upstream_id=upstream_id, created_at=int(self._clock())
            )
        else:
            statement = (
                update(tenant_calendars).filter_by(**key).values(upstream_id=upstream_id, revoked_at=None)
            )
        with self._trail.transaction(by) as change:
            change.connection.execute(statement)
            change.record(tenant, Action.CALENDAR_ADDED, application_calendar_id, upstream_id=upstream_id)

    def all_of(self, tenant: Tenant) -> list[TenantCalendar]:
        """A tenant's calendars, in order of id."""
        return self._find(tenant, None)

    def page(self, tenant: Tenant, limit: int, after: str | None = None) -> list[TenantCalendar]:
        """The first calendars in order of id, from the one after `after`."""
        query = _CALENDARS.where(tenant_calendars.c.tenant_id == tenant.tenant_id).limit(limit)
        if after is not None:
            query = query.where(tenant_calendars.c.application_calendar_id > after)
        with self._reader.connect() as connection:
            return [TenantCalendar(*row) for row in connection.execute(query)]

    def read(self, tenant: Tenant, application_calendar_id: str) -> TenantCalendar:
        """Return a calendar, be it revoked or not. Raises UnknownCalendar."""
        return self._known(tenant, [application_calendar_id])[application_calendar_id]

    def subs(self, tenant: Tenant, ids: Sequence[str]) -> tuple[str, ...]:
        """Resolve calendar ids to subs, in the order given.

        Raises UnknownCalendar, CalendarRevoked, UpstreamError.
        """
        known = self.check(tenant, ids)
        return tuple(known[name].sub or self._upsert(tenant, known[name]) for name in ids)

    def check(self, tenant: Tenant, ids: Sequence[str]) -> dict[str, TenantCalendar]:
        """Return the tenant's calendars of these ids, by id.

        Raises UnknownCalendar unless all are there, or CalendarRevoked.
        """
        known = self._known(tenant, ids)
        for calendar in known.values():
            if calendar.revoked_at is not None:
                raise _revoked(tenant, calendar.application_calendar_id)
        return known

    def _known(self, tenant: Tenant, ids: Sequence[str]) -> dict[str, TenantCalendar]:
        known = {calendar.application_calendar_id: calendar for calendar in self._find(tenant, ids)}
        unknown = [name for name in ids if name not in known]
        if unknown:
            raise UnknownCalendar(
                f"{tenant.name} has no calendar {_quoted(unknown)}. "
                f"The operator adds one with `widgetsvc calendar add {tenant.slug} ID`, "
                "the tenant's server with `POST /manage/v1/calendars`."
            )
        return known

    def access(
        self, tenant: Tenant, application_calendar_id: str, *, refused: str | None = None
    ) -> CalendarAccess:
        """Return what it takes to write into a calendar: as it is kept here, or renewed where that is due.

        `refused` is an access token that Cronofy has just answered 401 to; another one is got. Raises
        UnknownCalendar, CalendarRevoked, UpstreamError.
        """
        calendar = self._calendar(tenant, application_calendar_id)
        kept = self._kept(tenant, calendar)
        if kept is None or not self._is_fresh(kept, refused):
            kept = self._renewed(tenant, calendar, kept, refused)
        token = kept.credentials.access_token
        try:
            calendar_id = kept.calendar_id or self._calendar_id(tenant, calendar, token)
        except UpstreamRejected as error:
            if error.status != 401 or refused is not None:
                raise
            return self.access(tenant, application_calendar_id, refused=token)
        expires_in = int(kept.credentials.expires_at - self._clock())
        return CalendarAccess(kept.sub, calendar_id, token, expires_in)

    def _calendar(self, tenant: Tenant, application_calendar_id: str) -> TenantCalendar:
        return self.check(tenant, [application_calendar_id])[application_calendar_id]

    def _kept(self, tenant: Tenant, calendar: TenantCalendar) -> _Kept | None:
        query = _KEPT.filter_by(
            tenant_id=tenant.tenant_id, application_calendar_id=calendar.application_calendar_id
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.sub is None or row.credentials_encrypted is None:
            return None
        credentials = Credentials.unseal(row.credentials_encrypted, self._cipher)
        return _Kept(row.sub, row.upstream_calendar_id, credentials) if credentials else None

    def _is_fresh(self, kept: _Kept, refused: str | None) -> bool:
        credentials = kept.credentials
        return credentials.access_token != refused and credentials.lasts(self._clock(), RENEW_BEFORE)

    def _renewed(
        self, tenant: Tenant, calendar: TenantCalendar, kept: _Kept | None, refused: str | None
    ) -> _Kept:
        key = (tenant.tenant_id, calendar.application_calendar_id)
        try:
            return self._renewals.run(key, partial(self._renew, tenant, key[1], refused))
        except UpstreamUnavailable:
            if kept is None or kept.credentials.access_token == refused:
                raise
            if not kept.credentials.lasts(self._clock(), MIN_REMAINING):
                raise
            return kept

    def _renew(self, tenant: Tenant, application_calendar_id: str, refused: str | None) -> _Kept:
        """Get new tokens, unless somebody else has got them meanwhile."""
        calendar = self._calendar(tenant, application_calendar_id)
        kept = self._kept(tenant, calendar)
        if kept is not None and not self._is_fresh(kept, refused):
            kept = self._refresh(tenant, calendar, kept)
        if kept is None or kept.credentials.access_token == refused:
            self._upsert(tenant, calendar)
            kept = self._kept(tenant, calendar)
        if kept is None:
            raise _revoked(tenant, application_calendar_id)
        if kept.credentials.access_token == refused:
            raise UpstreamRejected(
                f"Cronofy refuses the access token that it gives out for {calendar.upstream_id}; "
                "revoke the calendar and add it again",
                status=401,
            )
        return kept

    def _refresh(self, tenant: Tenant, calendar: TenantCalendar, kept: _Kept) -> _Kept | None:
        """Use the refresh token; None where it is dead."""
        try:
            tokens = self._cronofy.refresh(kept.credentials.refresh_token)
        except InvalidGrant:
            return None
        credentials = Credentials(
            tokens.access_token,
            tokens.refresh_token or kept.credentials.refresh_token,
            int(self._clock()) + tokens.expires_in,
        )
        # Not where the calendar has been revoked, or made anew, meanwhile.
        is_the_same = (tenant_calendars.c.sub == kept.sub, tenant_calendars.c.revoked_at.is_(None))
        sealed = credentials.seal(self._cipher)
        if not self._write(tenant, calendar, *is_the_same, credentials_encrypted=sealed):
            return None
        return replace(kept, credentials=credentials)

    def _calendar_id(self, tenant: Tenant, calendar: TenantCalendar, access_token: str) -> str:
        listed = self._cronofy.list_calendars(access_token)
        if not listed:
            raise UpstreamUnavailable(f"{calendar.application_calendar_id} has no calendar upstream (yet).")
        self._write(tenant, calendar, upstream_calendar_id=listed[0].calendar_id)
        return listed[0].calendar_id

    def revoke(self, tenant: Tenant, application_calendar_id: str, *, by: str = OPERATOR) -> None:
        """Revoke a calendar here and upstream, where it is deleted with its events.

        Where one that was in use is not revoked upstream because Cronofy does not answer, it is embedded no
        more all the same, and asking again finishes what was begun. Raises UnknownCalendar, UpstreamError.
        """
        calendar = self._known(tenant, [application_calendar_id])[application_calendar_id]
        if calendar.revoked_at is not None and calendar.sub is None:
            return
        # One that was never used here may be in use upstream, under the name that it is mapped to.
        sub = calendar.sub or self._cronofy.upsert_application_calendar(calendar.upstream_id).sub
        if calendar.revoked_at is None:
            with self._trail.transaction(by) as change:
                revoked = {"sub": sub, "revoked_at": change.at, "credentials_encrypted": None}
                change.connection.execute(_where(tenant, calendar).values(revoked))
                change.record(tenant, Action.CALENDAR_REVOKED, application_calendar_id, sub=sub)
        self._cronofy.revoke(sub)
        self._write(tenant, calendar, sub=None)

    def _upsert(self, tenant: Tenant, calendar: TenantCalendar) -> str:
        """Create the calendar upstream or find it there, keep its tokens, and return its sub."""
        upstream = self._cronofy.upsert_application_calendar(calendar.upstream_id)
        credentials = Credentials(
            upstream.access_token, upstream.refresh_token, int(self._clock()) + upstream.expires_in
        )
        values: dict[str, object] = {"credentials_encrypted": credentials.seal(self._cipher)}
        if upstream.sub != calendar.sub:
            values |= {"sub": upstream.sub, "upstream_calendar_id": None}
        # The upsert is idempotent, so concurrent first uses store the same sub. Where another process has
        # revoked the calendar meanwhile, the upsert may have made it anew.
        if not self._write(tenant, calendar, tenant_calendars.c.revoked_at.is_(None), **values):
            self._cronofy.revoke(upstream.sub)
            raise _revoked(tenant, calendar.application_calendar_id)
        return upstream.sub

    def _write(
        self, tenant: Tenant, calendar: TenantCalendar, *where: ColumnElement[bool], **values: object
    ) -> bool:
        statement = _where(tenant, calendar, *where).values(values)
        with self._writer.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def _find(self, tenant: Tenant, ids: Sequence[str] | None) -> list[TenantCalendar]:
        query = _CALENDARS.where(tenant_calendars.c.tenant_id == tenant.tenant_id)
        if ids is not None:
            query = query.where(tenant_calendars.c.application_calendar_id.in_(ids))
        with self._reader.connect() as connection:
            return [TenantCalendar(*row) for row in connection.execute(query)]


def _insert_unknown(change: Transaction, tenant: Tenant, ids: Sequence[str], most: int) -> None:
    table = tenant_calendars
    own = table.c.tenant_id == tenant.tenant_id
    query = select(table.c.application_calendar_id).where(own, table.c.application_calendar_id.in_(ids))
    known = set(change.connection.execute(query).scalars())
    missing = [name for name in ids if name not in known]
    count = select(func.count()).select_from(table).where(own)
    if missing and change.connection.execute(count).scalar_one() + len(missing) > most:
        raise UnknownCalendar(
            f"{tenant.name} has no calendar {_quoted(missing)}, and has so many already that none is added "
            f"at its first use: {most} is the most."
        )
    for name in missing:
        upstream_id = f"{tenant.slug}:{name}"
        change.connection.execute(
            insert(table).values(
                tenant_id=tenant.tenant_id,
                application_calendar_id=name,
                upstream_id=upstream_id,
                created_at=change.at,
            )
        )
        change.record(tenant, Action.CALENDAR_ADDED, name, upstream_id=upstream_id)


def _where(tenant: Tenant, calendar: TenantCalendar, *where: ColumnElement[bool]) -> Update:
    return update(tenant_calendars).where(
        tenant_calendars.c.tenant_id == tenant.tenant_id,
        tenant_calendars.c.application_calendar_id == calendar.application_calendar_id,
        *where,
    )


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:64]) for name in names)


def _revoked(tenant: Tenant, application_calendar_id: str) -> CalendarRevoked:
    return CalendarRevoked(
        f"{tenant.name}'s calendar {application_calendar_id!r} has been revoked. The operator makes a new, "
        f"empty one with `widgetsvc calendar add {tenant.slug} {application_calendar_id}`, "
        "the tenant's server with `POST /manage/v1/calendars`."
    )


def _check_id(application_calendar_id: str) -> None:
    if not 1 <= len(application_calendar_id) <= _MAX_ID:
        raise InvalidName(f"A calendar id has 1 to {_MAX_ID} characters.")
    # Markup lists several ids with spaces between them.
    if not application_calendar_id.isprintable() or " " in application_calendar_id:
        raise InvalidName("A calendar id has printable characters only, and no spaces.")


def _check_upstream_id(upstream_id: str) -> None:
    if not upstream_id.strip() or len(upstream_id) > _MAX_UPSTREAM_ID or not upstream_id.isprintable():
        raise InvalidName(f"An upstream id has 1 to {_MAX_UPSTREAM_ID} printable characters.")
