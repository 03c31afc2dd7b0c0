"""Widgets: presets that a tenant stores, and pages embed by their id."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, delete, func, insert, select, tuple_, update

from widgetsvc.errors import Conflict, InvalidValue, PreconditionFailed, UnknownTenant, UnknownWidget
from widgetsvc.gateway.audit import OPERATOR, Action, AuditTrail, Transaction
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.schema import tenants, widgets
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.widget_models import WidgetDraft
from widgetsvc.permissions import Element

MAX_WIDGETS = 1_000
"""How many widgets a tenant can have."""


@dataclass(frozen=True, slots=True)
class Widget:
    """A preset of a tenant. `version` grows with every change; instants are Unix seconds."""

    widget_id: str
    draft: WidgetDraft
    version: int
    created_at: int
    updated_at: int

    @property
    def element(self) -> Element:
        """What is shown."""
        return self.draft.element

    @property
    def calendars(self) -> tuple[str, ...]:
        """The tenant's ids of the calendars that it is shown for."""
        return self.draft.calendars

    @property
    def position(self) -> tuple[int, str]:
        """Its place in the order of pages."""
        return self.created_at, self.widget_id

    def as_document(self) -> dict[str, Any]:
        """The widget as the management API and the commands print it."""
        draft = self.draft
        return {
            "widget_id": self.widget_id,
            "name": draft.name,
            **_parts(draft),
            "version": self.version,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


class WidgetStore:
    """The tenants' widgets in the database."""

    def __init__(self, engine: Engine, trail: AuditTrail, calendars: CalendarDirectory) -> None:
        self._reader = engine
        self._trail = trail
        self._calendars = calendars

    def get(self, tenant: Tenant, widget_id: str) -> Widget:
        """Return a widget of the tenant. Raises UnknownWidget."""
        query = select(widgets).where(
            widgets.c.tenant_id == tenant.tenant_id, widgets.c.widget_id == widget_id
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise _unknown(tenant, widget_id)
        return _widget(row)

    def page(self, tenant: Tenant, limit: int, after: tuple[int, str] | None = None) -> list[Widget]:
        """Return widgets, the oldest first, from the one after the `position` of the last page's last."""
        order = widgets.c.created_at, widgets.c.widget_id
        query = select(widgets).where(widgets.c.tenant_id == tenant.tenant_id).order_by(*order).limit(limit)
        if after is not None:
            query = query.where(tuple_(*order) > tuple_(*after))
        with self._reader.connect() as connection:
            return [_widget(row) for row in connection.execute(query)]

    def create(self, tenant: Tenant, draft: WidgetDraft, *, by: str = OPERATOR) -> Widget:
        """Store a new widget.

        Calendars that the tenant does not have are added where its policy creates calendars lazily. Raises
        InvalidValue where the element or a calendar is none of the tenant's, Conflict where it has too many
        widgets, UnknownTenant.
        """
        self._check(tenant, draft, by)
        with self._trail.transaction(by) as change:
            _lock(change, tenant)
            query = select(func.count()).where(widgets.c.tenant_id == tenant.tenant_id)
            if change.connection.execute(query).scalar_one() >= MAX_WIDGETS:
                raise Conflict(
                    f"{tenant.name} has {MAX_WIDGETS} widgets; delete one that is not used any more."
                )
            widget = Widget(f"wgt_{secrets.token_hex(12)}", draft, 1, change.at, change.at)
            change.connection.execute(
                insert(widgets).values(
                    widget_id=widget.widget_id,
                    tenant_id=tenant.tenant_id,
                    version=1,
                    created_at=change.at,
                    updated_at=change.at,
                    **_columns(draft),
                )
            )
            change.record(tenant, Action.WIDGET_CREATED, widget.widget_id, element=draft.element.value)
        return widget

    def update(
        self,
        tenant: Tenant,
        widget_id: str,
        draft: WidgetDraft,
        *,
        version: int | None = None,
        by: str = OPERATOR,
    ) -> Widget:
        """Put `draft` in the place of what the widget is; nothing is recorded where nothing differs.

        `version` is the one that the change was made for. Raises UnknownWidget, PreconditionFailed where that
        is over, InvalidValue as `create` does, UnknownTenant.
        """
        self._check(tenant, draft, by)
        with self._trail.transaction(by) as change:
            old = _locked(change, tenant, widget_id, version)
            differences = _differences(old.draft, draft)
            if not differences:
                return old
            new = Widget(widget_id, draft, old.version + 1, old.created_at, change.at)
            change.connection.execute(
                update(widgets)
                .where(widgets.c.widget_id == widget_id)
                .values(version=new.version, updated_at=change.at, **_columns(draft))
            )
            change.record(tenant, Action.WIDGET_UPDATED, widget_id, **differences)
        return new

    def delete(
        self, tenant: Tenant, widget_id: str, *, version: int | None = None, by: str = OPERATOR
    ) -> None:
        """Delete a widget; pages that embed it show it no more. Raises UnknownWidget, PreconditionFailed."""
        with self._trail.transaction(by) as change:
            _locked(change, tenant, widget_id, version)
            change.connection.execute(delete(widgets).where(widgets.c.widget_id == widget_id))
            change.record(tenant, Action.WIDGET_DELETED, widget_id)

    def _check(self, tenant: Tenant, draft: WidgetDraft, by: str) -> None:
        """Hold a draft against what the tenant has and may do."""
        element, policy = draft.element, tenant.policy
        allowed = policy.elements is None or element in policy.elements
        if not allowed or element.permission not in policy.permissions:
            raise InvalidValue(
                f"{tenant.name}'s policy does not include {element.value} ({element.permission.value}).",
                field="element",
            )
        known = {each.application_calendar_id: each for each in self._calendars.all_of(tenant)}
        for index, name in enumerate(draft.calendars):
            if name not in known and policy.lazy_calendars:
                self._calendars.add(tenant, name, by=by)
            elif name not in known or known[name].revoked_at is not None:
                state = "has no calendar" if name not in known else "has revoked its calendar"
                raise InvalidValue(
                    f"{tenant.name} {state} {name!r}; add it, or name another.", field=f"calendars[{index}]"
                )


def _unknown(tenant: Tenant, widget_id: str) -> UnknownWidget:
    return UnknownWidget(f"{tenant.name} has no widget {widget_id[:64]!r}. Ids begin with wgt_.")


def _lock(change: Transaction, tenant: Tenant) -> None:
    """Keep others from the tenant until the transaction ends, so that its widgets can be counted."""
    query = select(tenants.c.tenant_id).where(tenants.c.tenant_id == tenant.tenant_id).with_for_update()
    if change.connection.execute(query).one_or_none() is None:
        raise UnknownTenant(f"The tenant {tenant.slug} has been deleted.")


def _locked(change: Transaction, tenant: Tenant, widget_id: str, version: int | None) -> Widget:
    """Read the widget anew and keep it from others until the transaction ends."""
    query = select(widgets).where(widgets.c.tenant_id == tenant.tenant_id, widgets.c.widget_id == widget_id)
    row = change.connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise _unknown(tenant, widget_id)
    widget = _widget(row)
    if version is not None and version != widget.version:
        raise PreconditionFailed(
            f"{widget_id} was changed meanwhile: it is at version {widget.version}, and the change was made "
            f"for version {version}. Read it again, and repeat the change."
        )
    return widget


def _parts(draft: WidgetDraft) -> dict[str, Any]:
    """The draft's members, but for its name; what was left out of a part is left out here."""
    written = draft.as_document()
    return {
        "element": draft.element.value,
        "calendars": list(draft.calendars),
        "query": written.get("query", {}),
        "look": written.get("look", {}),
        "after_pick": {**written.get("after_pick", {}), "kind": draft.after_pick.kind},
    }


def _columns(draft: WidgetDraft) -> dict[str, Any]:
    return {"name": draft.name or "", **_parts(draft)}


def _differences(old: WidgetDraft, new: WidgetDraft) -> Mapping[str, Any]:
    """What an update changes, by name, as it was and as it is."""
    before, after = _columns(old), _columns(new)
    return {name: [before[name], after[name]] for name in before if before[name] != after[name]}


def _widget(row: Row[*tuple[Any, ...]]) -> Widget:
    parts = {name: row._mapping[name] for name in ("element", "calendars", "query", "look", "after_pick")}
    draft = WidgetDraft.model_validate(parts | ({"name": row.name} if row.name else {}))
    return Widget(row.widget_id, draft, row.version, row.created_at, row.updated_at)
