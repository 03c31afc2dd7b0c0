"""The service's own pages: what answers at its root, and what each error code means."""

from flask import Blueprint, Response, make_response, render_template

from widgetsvc import __version__
from widgetsvc.errors import ServiceError
from widgetsvc.services import current_services
from widgetsvc.web.error_handlers import STATUSES
from widgetsvc.web.headers import new_nonce, page_policy

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def index() -> Response:
    """Tell a person who comes here what this is and how to go on."""
    return _page("index.html", backed_by_cloud=current_services().backend is None)


@blueprint.get("/problems")
def problems() -> Response:
    """Explain the error codes; problem documents link here (RFC 9457, `type`)."""
    listed = sorted(
        (error.code, error.title, status.value, _meaning(error)) for error, status in STATUSES.items()
    )
    return _page("problems.html", problems=listed)


def _meaning(error: type[ServiceError]) -> str:
    return (error.__doc__ or "").strip().partition("\n")[0].replace("`", "")


def _page(template: str, **context: object) -> Response:
    nonce = new_nonce()
    public_url = current_services().service.public_url
    html = render_template(template, nonce=nonce, service_url=public_url, version=__version__, **context)
    response = make_response(html)
    response.headers["Content-Security-Policy"] = page_policy(nonce)
    response.headers["X-Frame-Options"] = "DENY"
    return response
