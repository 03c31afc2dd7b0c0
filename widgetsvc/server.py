"""The production server: granian in front of the Flask application."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from widgetsvc.app import MAX_BODY, create_app, create_instant
from widgetsvc.errors import ConfigurationError
from widgetsvc.logs import configure_logging
from widgetsvc.rsgi import BufferedWsgi
from widgetsvc.wiring import build_services

if TYPE_CHECKING:
    from collections.abc import Callable

    from widgetsvc.config import Settings

_BACKLOG = 1_024
_HEADER_TIMEOUT_MS = 10_000
_KILL_AFTER_SECONDS = 25
_URGENT = frozenset({"/healthz"})
"""Whoever asks whether the process lives would end one that is merely busy."""


def listening_address(host: str, port: int, moved_by: str = "--port") -> str:
    """Return the IP address to listen on for a host. Raises ConfigurationError where nobody can.

    `moved_by` names what chooses another port.

    Granian shares a port with whoever listens on it (SO_REUSEPORT), so that a second service would start in
    silence and get half of the requests; this asks without sharing.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        fault = f"cannot listen on {host}:{port}: {error.strerror}; {moved_by} moves it"
        raise ConfigurationError([fault]) from error
    return str(address[0])


def serve(settings: Settings, *, address: str, port: int, workers: int = 1) -> None:
    """Serve on an IP address until SIGINT or SIGTERM."""
    run(partial(_load, settings, os.getpid()), address=address, port=port, workers=workers)


def run(load: Callable[[], BufferedWsgi], *, address: str, port: int, workers: int = 1) -> None:
    """Serve what `load` returns, which is called in each worker process, until SIGINT or SIGTERM."""
    # Granian declares that it is given a function, and takes an RSGI application as well.
    loader: Callable[..., Any] = load
    server = Granian(
        "widgetsvc",
        address=address,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT_MS),
        websockets=False,
        workers=workers,
        workers_kill_timeout=_KILL_AFTER_SECONDS,
        backlog=_BACKLOG,
        log_level=LogLevels.error,
    )
    server.serve(target_loader=loader, wrap_loader=False)


def _load(settings: Settings, master: int) -> BufferedWsgi:
    """Runs in each worker process."""
    configure_logging(settings.log_format)
    threading.Thread(target=_end_with, args=[master], name="master watch", daemon=True).start()
    services = build_services(settings)
    app = create_app(settings, services)
    return BufferedWsgi(
        app,
        max_body=MAX_BODY,
        urgent=_URGENT,
        instant=create_instant(app, settings, services),
        background=(closing(services), *services.background),
    )


def _end_with(master: int) -> None:
    """End this worker when its master is gone: it would go on serving with old code and settings."""
    waiting = threading.Event()
    while os.getppid() == master:
        waiting.wait(1)
    os.kill(os.getpid(), signal.SIGTERM)
