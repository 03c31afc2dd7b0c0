"""What is kept of a request for a token once it is answered: the tenant's usage, and a refused origin."""

from flask import Response, g, request

from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.services import current_services


def record(response: Response) -> Response:
    """Count the request for its tenant, if it is known which; nothing is written while it waits."""
    tenant: Tenant | None = g.get("known_tenant")
    if tenant is None:
        return response
    services = current_services()
    outcome = g.get("error_code") or ("miss" if g.cache == "miss" else "hit")
    services.usage.count(tenant, g.get("element"), outcome)
    if g.get("origin_refused", False):
        services.refused_origins.note(
            tenant,
            request.headers.get("Origin"),
            nearest_rule=g.get("nearest_rule"),
            referer=request.headers.get("Referer"),
        )
    return response
