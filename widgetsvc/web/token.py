"""`POST /embed/token`: the token endpoint for the loader and for frontends."""

import json
from typing import Any

from flask import Blueprint, Response, g, request

from widgetsvc.elements import Bundle
from widgetsvc.gateway.embedding import Embed
from widgetsvc.gateway.repeats import Asked
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.services import current_services
from widgetsvc.web.embed_request import read_embed_request
from widgetsvc.web.rate_limit import check_tenant
from widgetsvc.web.records import record
from widgetsvc.web.request_log import know_tenant
from widgetsvc.web.support import support_code

blueprint = Blueprint("token", __name__)
blueprint.after_request(record)


@blueprint.route("/embed/token", methods=["OPTIONS"], provide_automatic_options=False)
def preflight() -> Response:
    """Let pages of any allowed origin ask (Fetch, CORS-preflight request)."""
    response = Response(status=204)
    if current_services().desk.may_preflight(request.headers.get("Origin")):
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response.headers["Access-Control-Max-Age"] = "7200"
    else:
        g.origin_refused = True
    return response


@blueprint.post("/embed/token")
def token() -> Response:
    """Answer with an element token, the options to start the Element with, and where the bundle is."""
    services = current_services()
    # Before it is read as a form, which leaves nothing of it.
    body = request.get_data()
    wanted = read_embed_request()
    g.element = wanted.element

    def meet(tenant: Tenant) -> None:
        know_tenant(tenant, wanted.key)
        check_tenant(tenant)

    origin = request.headers.get("Origin")
    grant = services.desk.grant(wanted, origin, meet)
    embed = services.desk.serve(grant, wanted.refused)
    g.element, g.rule = embed.element, embed.rule
    g.cache = "process" if embed.token.hit else "miss"
    if origin is not None and "Authorization" not in request.headers and wanted.refused is None:
        services.repeats.remember(Asked(request.headers.get("Content-Type", ""), body, origin), grant)
    response = Response(
        encode(token_document(embed, services.bundle, support_code())), mimetype="application/json"
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def token_document(embed: Embed, bundle: Bundle, support_code: str) -> dict[str, Any]:
    """What the endpoint answers; `element_token` has Cronofy's own shape."""
    issued = embed.token
    document: dict[str, Any] = {
        "element_token": {
            "token": issued.token,
            "permissions": list(issued.permissions),
            "origin": issued.origin,
            "expires_in": issued.expires_in,
        },
        "element": embed.element.value if embed.element else None,
        "subs": list(embed.subs),
        "options": embed.options,
        "after_pick": embed.widget.draft.after_pick.model_dump() if embed.widget else None,
        "bundle": bundle.as_document(),
        "test_mode": embed.tenant.policy.test_mode or None,
        "support_code": support_code,
    }
    return {name: value for name, value in document.items() if value is not None}


def encode(document: dict[str, Any]) -> bytes:
    """Write a document as JSON, in few bytes."""
    return json.dumps(document, separators=(",", ":")).encode()
