"""Prometheus metrics of what the service does; no tenant is named in them.

What requests do not time anyway is read from counts that the service's parts keep, a few times a minute and
whenever somebody asks. Where several processes serve, each keeps its numbers in files of a shared folder
(`PROMETHEUS_MULTIPROC_DIR`), so that any of them answers for all.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from widgetsvc import __version__
from widgetsvc.repeating import repeating

CONTENT_TYPE = CONTENT_TYPE_LATEST

READ_SECONDS = 5.0
"""How often the counts of the service's parts are read where nobody asks for them."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Exchange(Protocol):
    """A request to Cronofy's API and what came of it."""

    @property
    def call(self) -> str: ...

    @property
    def outcome(self) -> str: ...

    @property
    def seconds(self) -> float: ...


class Metrics:
    """The metrics of one process; safe to share between threads."""

    def __init__(self, shared_folder: str | None = None) -> None:
        """Keep numbers in memory, or in the folder that all processes share."""
        self._shared_folder = shared_folder
        # Chosen when the library is imported, which is before it is known how many processes there will be.
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        names = ("endpoint", "status")
        self._requests = Counter("widgetsvc_requests", "Requests answered.", names, registry=self._registry)
        self._seconds = Histogram(
            "widgetsvc_request_seconds",
            "Time to the answer.",
            ["endpoint"],
            buckets=_FAST,
            registry=self._registry,
        )
        self._refusals = Counter("widgetsvc_refusals", "Refusals by code.", ["code"], registry=self._registry)
        self._upstream = Histogram(
            "widgetsvc_upstream_seconds",
            "Time of requests to Cronofy's API.",
            ["call", "outcome"],
            buckets=_SLOW,
            registry=self._registry,
        )
        self._tokens = Counter(
            "widgetsvc_tokens",
            "Element tokens: found, missed, minted, renewed.",
            ["event"],
            registry=self._registry,
        )
        self._up = Gauge(
            "widgetsvc_up",
            "Whether what the service relies on answers: 1 or 0.",
            ["part"],
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        build = Gauge(
            "widgetsvc_build_info",
            "The version.",
            ["version"],
            registry=self._registry,
            multiprocess_mode="max",
        )
        build.labels(__version__).set(1)
        self._answered: dict[tuple[str, int], Callable[[float], None]] = {}
        self._spent = threading.local()
        self._reading = threading.Lock()
        self._read: dict[str, int] = {}
        self._counts: Callable[[], Mapping[str, int]] = dict
        self._parts: Callable[[], Mapping[str, bool]] = dict

    def watch(
        self, *, tokens: Callable[[], Mapping[str, int]], parts: Callable[[], Mapping[str, bool]]
    ) -> None:
        """Read the counts of token events, and which parts answer, from these functions from now on."""
        self._counts, self._parts = tokens, parts

    def answered(self, endpoint: str, status: int, seconds: float, code: str | None) -> None:
        """Count a request; `endpoint` is a route's name, never a path."""
        note = self._answered.get((endpoint, status))
        if note is None:
            note = self._answered[endpoint, status] = self._noter(endpoint, status)
        note(seconds)
        if code is not None:
            self._refusals.labels(code).inc()

    def upstream(self, exchange: Exchange) -> None:
        """Count a request to Cronofy's API, made in this thread."""
        self._upstream.labels(exchange.call, str(exchange.outcome)).observe(exchange.seconds)
        self._spent.seconds = self.upstream_seconds() + exchange.seconds

    def upstream_seconds(self) -> float:
        """How long this thread has waited for Cronofy's API since its start."""
        seconds: float = getattr(self._spent, "seconds", 0.0)
        return seconds

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        self.read()
        if self._shared_folder is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._shared_folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def read(self) -> None:
        """Take over what the service's parts have counted since the last time."""
        with self._reading:
            for event, count in self._counts().items():
                self._tokens.labels(event).inc(count - self._read.get(event, 0))
                self._read[event] = count
            for part, answers in self._parts().items():
                self._up.labels(part).set(answers)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read in a thread of its own until the context is left; this process's gauges end with it."""
        try:
            with repeating(self.read, seconds=READ_SECONDS, name="metrics"):
                yield
        finally:
            self.read()
            if self._shared_folder is not None:
                mark_process_dead(os.getpid(), self._shared_folder)  # type: ignore[no-untyped-call]

    def _noter(self, endpoint: str, status: int) -> Callable[[float], None]:
        count = self._requests.labels(endpoint, str(status)).inc
        observe = self._seconds.labels(endpoint).observe

        def note(seconds: float) -> None:
            count()
            observe(seconds)

        return note
