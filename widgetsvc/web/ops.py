"""`/healthz`, `/readyz`, `/metrics`: for machines that watch the service. None asks Cronofy anything."""

import hmac
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from threading import Lock

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from sqlalchemy.exc import SQLAlchemyError

from widgetsvc import __version__
from widgetsvc.metrics import CONTENT_TYPE
from widgetsvc.services import Services, current_services

_EXTENSION = "widgetsvc ops"
_READY_WITHIN = 2.0

blueprint = Blueprint("ops", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers. The loader asks, too, to tell a refusal from an outage."""
    response = _uncached(jsonify(status="ok", version=__version__))
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The process can do its work; names what it cannot reach, and what it goes on without."""
    services = current_services()
    fault = _ops().storage.fault()
    if fault is not None:
        return _uncached(jsonify(status="unavailable", failing={"database": fault})), 503
    degraded = services.degraded()
    if degraded:
        return _uncached(jsonify(status="ok", degraded=dict(degraded))), 200
    return _uncached(jsonify(status="ok")), 200


@blueprint.get("/metrics")
def metrics() -> Response:
    """Metrics in Prometheus's text format; the operator decides who may read them."""
    if not _ops().may_read_metrics():
        refusal = Response("Send the metrics token as Authorization: Bearer.\n", 401, mimetype="text/plain")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return _uncached(refusal)
    return _uncached(Response(current_services().metrics.exposition(), content_type=CONTENT_TYPE))


class StorageProbe:
    """Asks the database, and waits for it no longer than whoever asks may have to."""

    def __init__(self, ask: Callable[[], None], patience: float = _READY_WITHIN) -> None:
        """`ask` raises SQLAlchemyError where the database does not answer; `patience` is in seconds."""
        self._ask = ask
        self._patience = patience
        self._lock = Lock()
        self._asked: Future[None] | None = None

    def fault(self) -> str | None:
        """Return what is wrong with the database, None where it answers."""
        with self._lock:
            # One question at a time: a database that hangs would take a connection for each.
            if self._asked is None or self._asked.done():
                self._asked = Future()
                threading.Thread(
                    target=self._question, args=[self._asked], name="storage probe", daemon=True
                ).start()
            asked = self._asked
        try:
            asked.result(self._patience)
        except SQLAlchemyError as error:
            return type(error).__name__
        except NotYet:
            return "no answer in time"
        return None

    def _question(self, answer: Future[None]) -> None:
        try:
            self._ask()
        except BaseException as error:  # noqa: BLE001 # whoever waits is told, whatever it is
            answer.set_exception(error)
        else:
            answer.set_result(None)


@dataclass(frozen=True, slots=True)
class _Ops:
    storage: StorageProbe
    metrics_token: str | None

    def may_read_metrics(self) -> bool:
        if self.metrics_token is None:
            return True
        given = request.authorization
        if given is None or given.type != "bearer":
            return False
        return hmac.compare_digest((given.token or "").encode(), self.metrics_token.encode())


def install(app: Flask, services: Services, metrics_token: str | None) -> None:
    """Add the views; without a token everybody may read the metrics."""
    app.extensions[_EXTENSION] = _Ops(StorageProbe(services.check_storage), metrics_token)
    app.register_blueprint(blueprint)


def _ops() -> _Ops:
    ops: _Ops = current_app.extensions[_EXTENSION]
    return ops


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
