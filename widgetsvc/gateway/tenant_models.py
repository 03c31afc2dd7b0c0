"""What a tenant is: its policy, the keys that name it, where it embeds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from widgetsvc.errors import InvalidName, TenantSuspended
from widgetsvc.gateway.keys import TenantKey
from widgetsvc.gateway.origins import OriginRules
from widgetsvc.gateway.signatures import SharedSecret
from widgetsvc.permissions import PUBLIC_PERMISSIONS, Element, Permission
from widgetsvc.timezones import is_zone

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAX_NAME = 255


class Access(StrEnum):
    """What a visitor's page has to show before it gets a token."""

    PUBLIC = "public"
    """The publishable key and an allowed origin suffice."""
    SIGNED = "signed"
    """An assertion signed by the tenant's server is required."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How access is granted, what may be embedded, and the zone of the tenant's office hours."""

    access: Access = Access.PUBLIC
    permissions: frozenset[Permission] = PUBLIC_PERMISSIONS
    tzid: str = "Etc/UTC"
    elements: frozenset[Element] | None = None
    """The elements that may be embedded; None for all that the permissions cover."""
    lazy_calendars: bool = False
    """Whether an assertion may name calendars that do not exist yet."""
    single_use_assertions: bool = False
    """Whether every assertion has to carry a `jti`, and is good once."""
    test_mode: bool = False
    """Whether pages may simulate failures with `data-simulate`; it grants nothing."""

    def allows(self, element: Element) -> bool:
        """Whether an element may be embedded."""
        named = self.elements is None or element in self.elements
        return named and element.permission in self.permissions


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the operator. `version` grows with every change of what stands here."""

    tenant_id: int
    slug: str
    name: str
    policy: Policy
    suspended: bool
    keys: tuple[TenantKey, ...]
    """The newest first, expired ones not among them."""
    origins: OriginRules
    jwks_url: str | None
    version: int

    @property
    def publishable_key(self) -> str:
        """The newest publishable key."""
        return next(key.publishable_key for key in self.keys if key.publishable_key is not None)

    def key_id(self, publishable_key: str | None) -> str | None:
        """The id of one of the tenant's publishable keys, by its text."""
        named = (key for key in self.keys if key.publishable_key == publishable_key)
        return next((key.key_id for key in named if publishable_key is not None), None)

    def check_active(self) -> None:
        """Raise TenantSuspended if the operator has suspended the tenant."""
        if self.suspended:
            raise TenantSuspended(f"{self.name} is suspended. Its operator can say why.")


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant with the secrets that are shown once."""

    tenant: Tenant
    secret_key: str = field(repr=False)
    signing_key: SharedSecret = field(repr=False)


@dataclass(frozen=True, slots=True)
class TenantUpdate:
    """What to change of a tenant; what is None stays as it is.

    `every_element` lifts the restriction to some elements, `no_jwks_url` takes the address away.
    """

    name: str | None = None
    allowed_origins: Sequence[str] | None = None
    access: Access | None = None
    permissions: frozenset[Permission] | None = None
    elements: frozenset[Element] | None = None
    every_element: bool = False
    tzid: str | None = None
    lazy_calendars: bool | None = None
    single_use_assertions: bool | None = None
    test_mode: bool | None = None
    jwks_url: str | None = None
    no_jwks_url: bool = False

    def policy(self, old: Policy) -> Policy:
        """The policy that comes of it."""
        given = {
            "access": self.access,
            "permissions": self.permissions,
            "elements": self.elements,
            "tzid": self.tzid,
            "lazy_calendars": self.lazy_calendars,
            "single_use_assertions": self.single_use_assertions,
            "test_mode": self.test_mode,
        }
        changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.every_element:
            changed["elements"] = None
        return replace(old, **changed)


def check_slug(slug: str) -> None:
    """Raise InvalidName for what is no slug."""
    if not _SLUG.fullmatch(slug):
        raise InvalidName(
            f"{slug!r} is no slug: 1 to 63 lower-case letters, digits and hyphens, such as acme-stores."
        )


def check_names(name: str, policy: Policy) -> None:
    """Raise InvalidName where a name cannot be shown, or a zone is none."""
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidName(f"The name must be 1 to {_MAX_NAME} printable characters.")
    if not is_zone(policy.tzid):
        raise InvalidName(f"{policy.tzid!r} is no time zone; use an IANA name such as Europe/London.")
