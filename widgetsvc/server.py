"""The production server: granian in front of the Flask application."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from widgetsvc.app import create_app
from widgetsvc.logs import configure_logging

if TYPE_CHECKING:
    from flask import Flask

    from widgetsvc.config import Settings

_THREADS = 16
_BACKLOG = 1_024
_HEADER_TIMEOUT_MS = 10_000


def serve(settings: Settings, *, host: str, port: int, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM."""
    server = Granian(
        "widgetsvc",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT_MS),
        websockets=False,
        workers=workers,
        blocking_threads=_THREADS,
        backlog=_BACKLOG,
        # Its one warning, on more threads than cores, is what calls that wait for Cronofy need.
        log_level=LogLevels.error,
    )
    server.serve(target_loader=partial(_load, settings), wrap_loader=False)


def _load(settings: Settings) -> Flask:
    """Runs in each worker process."""
    configure_logging(settings.log_format)
    return create_app(settings)
