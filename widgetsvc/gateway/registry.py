"""What this process knows of the tenants, so that a request for a token asks the database nothing.

It knows only what may be forgotten: a tenant that changes is thrown away as a whole and read anew by the next
request. Changes made in this process are heard at once; those of other processes by following the trail of
changes, which is asked for news every half second by a thread of its own and, where that thread does not run
or is late, by a request. While the database does not answer, what is known is served on for a while.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from cachetools import LRUCache
from sqlalchemy.exc import SQLAlchemyError

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.gateway.audit import Action, AuditTrail, Change
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.keys import KeyKind, unknown_key
from widgetsvc.gateway.origins import Origin
from widgetsvc.gateway.signatures import SigningKey
from widgetsvc.gateway.signing_keys import SigningKeyStore
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.gateway.widgets import MAX_WIDGETS, Widget
from widgetsvc.repeating import repeating

POLL_SECONDS = 0.5
"""How often the thread asks for changes."""

FRESH_SECONDS = 0.8
"""How old the last answer may be before a request asks by itself."""

RETRY_SECONDS = 1.0
"""How long nobody asks a database that has just not answered."""

STALE_SECONDS = 600
"""How long what is known is served on without a database that could say otherwise."""

MAX_LAZY_CALENDARS = 10_000
"""How many calendars a tenant can have where some are added at their first use; the operator can add more."""

_MAX_TENANTS = 10_000
_MAX_CALENDARS = 10_000
_MAX_PREFLIGHTS = 10_000
_MAX_CHANGES = 1_000

_HARMLESS = frozenset({Action.CALENDAR_ADDED, Action.WIDGET_CREATED})
"""What makes nothing wrong that is known already: what is not there is not remembered."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class KnownTenant:
    """A tenant, and what has been looked up of it so far; it is never changed, only replaced."""

    tenant: Tenant
    subs: LRUCache[str, str] = field(default_factory=lambda: LRUCache(_MAX_CALENDARS))
    signing_keys: dict[str, SigningKey] | None = None
    widgets: LRUCache[str, Widget] = field(default_factory=lambda: LRUCache(MAX_WIDGETS))


class TenantRegistry:
    """Tenants by key and by slug; safe to share between threads."""

    def __init__(
        self,
        tenants: TenantDirectory,
        calendars: CalendarDirectory,
        signing_keys: SigningKeyStore,
        trail: AuditTrail,
        clock: Clock,
        monotonic: Clock = monotonic_clock,
    ) -> None:
        """Follow `trail` from its present end. `clock` is held against the ends of keys."""
        self._tenants = tenants
        self._calendars = calendars
        self._signing_keys = signing_keys
        self._trail = trail
        self._clock = clock
        self._monotonic = monotonic
        self._lock = Lock()
        self._by_name: LRUCache[str, KnownTenant] = LRUCache(_MAX_TENANTS)
        self._preflights: LRUCache[str, bool] = LRUCache(_MAX_PREFLIGHTS)
        self._generation = 0
        self._asking = Lock()
        self._last_entry = trail.newest()
        self._answers = True
        self._answered_at = monotonic()
        self._ask_again_at = self._answered_at + FRESH_SECONDS
        self._forget_listeners: list[Callable[[Sequence[Change]], None]] = []
        trail.listen(self.apply)

    def by_publishable_key(self, key: str) -> KnownTenant:
        """Return what is known of the tenant that a publishable key names. Raises UnknownKey."""
        known = self._known(key, lambda: self._tenants.by_publishable_key(key))
        now = self._clock()
        for held in known.tenant.keys:
            if held.publishable_key == key and held.is_valid(now):
                return known
        raise unknown_key(KeyKind.PUBLISHABLE)

    def is_current(self, known: KnownTenant, publishable_key: str) -> bool:
        """Whether this is what a publishable key names now; False, too, where that would have to be asked."""
        if self._monotonic() >= self._ask_again_at:
            return False
        with self._lock:
            current = self._by_name.get(publishable_key)
        now = self._clock()
        return current is known and any(
            held.publishable_key == publishable_key and held.is_valid(now) for held in known.tenant.keys
        )

    def by_slug(self, slug: str) -> KnownTenant:
        """Return what is known of a tenant. Raises UnknownTenant."""
        return self._known(f"slug:{slug}", lambda: self._tenants.by_slug(slug))

    def any_allows(self, origin: Origin) -> bool:
        """Whether some tenant's rules match an origin."""
        self.catch_up()
        with self._lock:
            allows, generation = self._preflights.get(str(origin)), self._generation
        if allows is None:
            allows = self._tenants.any_allows(origin)
            with self._lock:
                if generation == self._generation:
                    self._preflights[str(origin)] = allows
        return allows

    def subs(
        self, known: KnownTenant, ids: Sequence[str], *, lazily_by: str | None = None
    ) -> tuple[str, ...]:
        """Resolve calendar ids to subs, in the order given.

        `lazily_by` is who adds those that there are not, as far as there is room; None where nobody may.
        Raises UnknownCalendar, CalendarRevoked, UpstreamError, and InvalidName for what cannot be added.
        """
        with self._lock:
            found = {name: sub for name in ids if (sub := known.subs.get(name)) is not None}
        missing = [name for name in ids if name not in found]
        if missing:
            if lazily_by is not None:
                self._calendars.add_unknown(known.tenant, missing, MAX_LAZY_CALENDARS, by=lazily_by)
            # What a change throws away is the whole of `known`: a sub that comes late is forgotten with it.
            resolved = dict(zip(missing, self._calendars.subs(known.tenant, missing), strict=True))
            with self._lock:
                known.subs.update(resolved)
            found |= resolved
        return tuple(found[name] for name in ids)

    def widget(self, known: KnownTenant, widget_id: str, find: Callable[[Tenant, str], Widget]) -> Widget:
        """Return a widget, from the store by `find` where it is not known yet. Raises UnknownWidget."""
        with self._lock:
            widget = known.widgets.get(widget_id)
        if widget is None:
            widget = find(known.tenant, widget_id)
            with self._lock:
                known.widgets[widget_id] = widget
        return widget

    def signing_keys(self, known: KnownTenant) -> dict[str, SigningKey]:
        """The keys that the tenant has registered, by kid; one may have ended since they were read."""
        if known.signing_keys is None:
            known.signing_keys = {key.kid: key for key in self._signing_keys.all_of(known.tenant)}
        return known.signing_keys

    def on_change(self, listener: Callable[[Sequence[Change]], None]) -> None:
        """Call `listener` with the changes that this registry has heard of, its own and others'.

        Some come twice. None at all, an empty sequence, stand for whatever there may have been: changes too
        many to read one by one, a database put back from a backup, or one that has long been silent.
        """
        self._forget_listeners.append(listener)

    def apply(self, changes: Sequence[Change]) -> None:
        """Forget what the changes touch; hearing of one twice does no harm."""
        touched = {change.tenant_id for change in changes if change.action not in _HARMLESS}
        if touched:
            self._forget(lambda known: known.tenant.tenant_id in touched)
        for listener in self._forget_listeners:
            listener(changes)

    def forget_all(self) -> None:
        """Forget every tenant."""
        self._forget(lambda _known: True)
        for listener in self._forget_listeners:
            listener(())

    def catch_up(self) -> None:
        """Make sure that no change older than a second is missed, as far as the database answers."""
        if self._monotonic() < self._ask_again_at or not self._asking.acquire(blocking=False):
            return
        try:
            self._ask()
        finally:
            self._asking.release()

    def catch_up_now(self) -> None:
        """Ask for changes at once: some may have been missed."""
        with self._asking:
            self._ask()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Ask for changes in a thread of its own until the context is left."""
        with repeating(self.catch_up_now, seconds=POLL_SECONDS, name="change follower"):
            yield

    def _ask(self) -> None:
        try:
            self._read_on()
        except SQLAlchemyError as error:
            now = self._monotonic()
            self._ask_again_at = now + RETRY_SECONDS
            if self._answers:
                _log.warning("cannot follow changes, the database does not answer: %s", type(error).__name__)
            self._answers = False
            if now - self._answered_at > STALE_SECONDS:
                self.forget_all()
        else:
            if not self._answers:
                _log.info("following changes again")
            self._answers = True
            self._answered_at = self._monotonic()
            self._ask_again_at = self._answered_at + FRESH_SECONDS

    def _read_on(self) -> None:
        newest = self._trail.newest()
        if newest == self._last_entry:
            return
        changes = self._trail.since(self._last_entry, _MAX_CHANGES) if newest > self._last_entry else []
        if not changes or len(changes) == _MAX_CHANGES:
            # A database put back from a backup, or more changes than are worth reading one by one.
            self.forget_all()
            self._last_entry = newest
            return
        self.apply(changes)
        self._last_entry = changes[-1].entry_id

    def _known(self, name: str, find: Callable[[], Tenant]) -> KnownTenant:
        self.catch_up()
        with self._lock:
            known, generation = self._by_name.get(name), self._generation
        if known is None:
            known = KnownTenant(find())
            with self._lock:
                # What was read before a change that has been heard of meanwhile must not be kept.
                if generation == self._generation:
                    self._by_name[name] = known
        return known

    def _forget(self, condition: Callable[[KnownTenant], bool]) -> None:
        with self._lock:
            self._generation += 1
            self._preflights.clear()
            for name in _names(self._by_name.items(), condition):
                del self._by_name[name]


def _names(items: Iterable[tuple[str, KnownTenant]], condition: Callable[[KnownTenant], bool]) -> list[str]:
    return [name for name, known in items if condition(known)]
