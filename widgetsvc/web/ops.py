"""`/healthz` and `/readyz`: for machines that watch the service. Neither asks Cronofy anything."""

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from widgetsvc import __version__
from widgetsvc.services import current_services

blueprint = Blueprint("ops", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers. The loader asks, too, to tell a refusal from an outage."""
    response = _uncached(jsonify(status="ok", version=__version__))
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The process can do its work; names what it cannot reach."""
    try:
        current_services().check_storage()
    except SQLAlchemyError as error:
        failing = {"database": type(error).__name__}
        return _uncached(jsonify(status="unavailable", failing=failing)), 503
    return _uncached(jsonify(status="ok")), 200


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
