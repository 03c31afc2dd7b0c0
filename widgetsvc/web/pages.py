"""The service's own pages: what answers at its root, and what each code of an error means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Response, make_response, render_template

from widgetsvc import __version__
from widgetsvc.errors import ServiceError
from widgetsvc.loader import Explanation, explanations
from widgetsvc.services import current_services
from widgetsvc.web.error_handlers import HTTP_CODES, STATUSES
from widgetsvc.web.headers import new_nonce, page_policy

blueprint = Blueprint("pages", __name__)

_KINDS: Mapping[type[ServiceError], HTTPStatus] = {**STATUSES, ServiceError: HTTPStatus.INTERNAL_SERVER_ERROR}


@blueprint.get("/")
def index() -> Response:
    """Tell a person who comes here what this is and how to go on."""
    return _page("index.html", backed_by_cloud=current_services().backend is None)


@blueprint.get("/problems")
def problems() -> Response:
    """Explain the codes of errors; problem documents link here (RFC 9457, `type`), and so does the loader."""
    return _page("problems.html", problems=_problems())


@dataclass(frozen=True, slots=True)
class _Problem:
    """`status` is None where no answer has the code: the loader found out by itself."""

    code: str
    status: int | None
    title: str
    meaning: str
    visitor: str
    fix: str
    retried: bool


def _problems() -> Sequence[_Problem]:
    statuses = {code: status.value for status, code in HTTP_CODES.items()}
    statuses |= {error.code: status.value for error, status in _KINDS.items()}
    return [_problem(code, statuses.get(code), known) for code, known in sorted(explanations().items())]


def _problem(code: str, status: int | None, known: Explanation) -> _Problem:
    kind = next((each for each in _KINDS if each.code == code), None)
    return _Problem(
        code,
        status,
        known.title or (kind.title if kind else code),
        _meaning(kind) if kind else "",
        known.sentence.replace("{origin}", "https://your.page"),
        known.fix,
        known.retried,
    )


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
