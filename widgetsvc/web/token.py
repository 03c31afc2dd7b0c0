"""`POST /embed/token`: the token endpoint for the loader and for frontends."""

from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from widgetsvc.gateway.embedding import Embed
from widgetsvc.services import current_services
from widgetsvc.web.embed_request import read_embed_request
from widgetsvc.web.support import support_code

blueprint = Blueprint("token", __name__)


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
    wanted = read_embed_request()
    embed = services.desk.embed(wanted, request.headers.get("Origin"))
    g.tenant = embed.tenant.slug
    g.cache_hit = embed.token.hit
    response = jsonify(_document(embed))
    response.headers["Cache-Control"] = "no-store"
    return response


def _document(embed: Embed) -> dict[str, Any]:
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
        "bundle": current_services().bundle.as_document(),
        "support_code": support_code(),
    }
    return {name: value for name, value in document.items() if value is not None}
