"""The loader and the bundle: static per version, compressed once, for any page to load."""

from flask import Blueprint, Response, abort, request

from widgetsvc.elements import FILE_NAME, VERSION, Encoded
from widgetsvc.services import current_services

blueprint = Blueprint("embed", __name__)

_LOADER_CACHE = "public, max-age=300, stale-while-revalidate=86400"
_PINNED_CACHE = "public, max-age=31536000, immutable"


@blueprint.get("/embed.js")
def loader() -> Response:
    """The loader. It holds no token and no tenant's data."""
    return _script(current_services().loader.current(), _LOADER_CACHE)


@blueprint.get("/embed.d.ts")
def declarations() -> Response:
    """The TypeScript declarations of the loader's API and events."""
    return _script(current_services().loader.declarations(), _LOADER_CACHE, "application/typescript")


@blueprint.get("/embed/<version>/<name>.js")
def pinned_loader(version: str, name: str) -> Response:
    """A file of the loader whose name says its content, of this version or an earlier one."""
    services = current_services()
    content = services.loader.file(f"/embed/{version}/{name}.js")
    if content is None:
        current = f"{services.service.public_url}{services.loader.core.path}"
        abort(404, f"There is no such loader here; the current one is {current}")
    return _script(content, _PINNED_CACHE)


@blueprint.get(f"/elements/{VERSION}/{FILE_NAME}")
def bundle() -> Response:
    """The pinned bundle; 404 where it has not been installed and pages use Cronofy's CDN."""
    content = current_services().bundle.content
    if content is None:
        abort(404, f"The bundle is not installed here; pages load it from {current_services().bundle.src}")
    return _script(content, _PINNED_CACHE)


def _script(encoded: Encoded, cache_control: str, mimetype: str = "text/javascript") -> Response:
    encoding = request.accept_encodings.best_match(["br", "gzip"]) if request.accept_encodings else None
    body = {"br": encoded.brotli, "gzip": encoded.gzip}.get(encoding or "", encoded.identity)
    response = Response(body, mimetype=mimetype)
    if body is not encoded.identity and encoding is not None:
        response.headers["Content-Encoding"] = encoding
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = cache_control
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    # One validator per representation (RFC 9110 section 8.8.3.3).
    response.set_etag(f"{encoded.etag}-{encoding or 'identity'}")
    response.make_conditional(request)
    return response
