"""Who calls the management API: a tenant's server, which shows a secret key.

The key is looked up in the database at each request, not in what the process remembers: a revoked one is dead
at once, and a change is seen by the very next request, whichever process answers it.
"""

import logging
from dataclasses import dataclass

from flask import g, request

from widgetsvc.errors import SecretKeyExposed, UnknownKey
from widgetsvc.gateway.keys import KeyKind
from widgetsvc.gateway.origins import printable
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.services import current_services

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """The tenant whose server calls, as it is in the database, and the id of the key that it showed."""

    tenant: Tenant
    key_id: str

    @property
    def by(self) -> str:
        """How the audit trail names the caller."""
        return f"key {self.key_id}"


def identify() -> Caller:
    """Return who sent the current request. Raises UnknownKey, SecretKeyExposed, TenantSuspended."""
    authorization = request.authorization
    token = authorization.token if authorization is not None and authorization.type == "bearer" else None
    if not token:
        raise UnknownKey("Send the tenant's secret key: `Authorization: Bearer sk_…`.")
    if token.startswith(KeyKind.PUBLISHABLE.prefix):
        raise UnknownKey(
            "This is a publishable key (pk_…), which is for markup and grants nothing here. "
            "Send the tenant's secret key (sk_…), from a server."
        )
    tenant, key = current_services().tenants.by_secret_key(token)
    g.tenant = tenant.slug
    _refuse_browsers(tenant, key.key_id)
    tenant.check_active()
    return Caller(tenant, key.key_id)


def _refuse_browsers(tenant: Tenant, key_id: str) -> None:
    origin = request.headers.get("Origin")
    if origin is None:
        return
    _log.error(
        "secret key exposed: %s of %s came from a page of %s; have it rotated",
        key_id,
        tenant.slug,
        printable(origin),
    )
    raise SecretKeyExposed(
        f"The secret key {key_id} came with an Origin header, so from a browser, where anybody can read it. "
        "Rotate it without an overlap, and call from a server."
    )
