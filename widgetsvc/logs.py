"""Logging: one line an event, for people or for machines.

The lines of requests come from structlog and are written without the logging module, which would take longer
than all else that a request for a cached token does. Everything else is the standard library's, made into
lines of the same form. Both write whole lines under one lock.
"""

import logging
import sys
import threading
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from pydantic_core import to_json

_Event = MutableMapping[str, Any]


class _Output:
    """Where lines go, and in which form; one for the process, since loggers are made once and kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stream: TextIO | None = None
        self.render: Callable[[_Event], str] = _as_json

    def write(self, lines: str) -> None:
        """Write whole lines, which no others cut in two."""
        # Asked for each time: tests and terminals put others in its place.
        stream = self.stream or sys.stderr
        with self._lock:
            stream.write(lines)
            stream.flush()

    def flush(self) -> None:
        """Nothing is held back."""


def _as_json(event: _Event) -> str:
    # What JSON knows nothing of is named by its type: a representation could tell a secret.
    return to_json(event, fallback=lambda value: type(value).__name__).decode()


_output = _Output()


class _Lines:
    """structlog's logger under its processors: writes what they have rendered."""

    def __init__(self, name: str) -> None:
        self.name = name

    def info(self, line: str) -> None:
        _output.write(f"{line}\n")

    warning = error = info


def _render(_logger: object, _method: str, event: _Event) -> str:
    return _output.render(event)


def _render_named(logger: _Lines, _method: str, event: _Event) -> str:
    event["logger"] = logger.name
    return _output.render(event)


def configure_logging(form: Literal["text", "json"], stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to a stream (stderr) in one form."""
    _output.stream = stream
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    if form == "json":
        renderer: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, _render]
        _output.render = _as_json
    else:
        # Tracebacks with local variables would print tokens and secrets.
        console = structlog.dev.ConsoleRenderer(
            colors=(stream or sys.stderr).isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        renderer = [_render]
        _output.render = lambda event: console(None, "", event)
    structlog.configure(
        processors=[structlog.processors.add_log_level, stamp, _render_named],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, stamp],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # httpx names addresses whole; Authlib's debug lines hold tokens.
    for chatty in ("httpx", "httpcore", "alembic", "authlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
