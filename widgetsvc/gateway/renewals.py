"""Threads that renew tokens, so that no visitor waits for it."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread

Job = Callable[[], None]

_STOP_SECONDS = 10


class Renewals:
    """Runs jobs in a few threads of its own, in the order in which they come.

    The threads start with the jobs, so that a process that was forked, or a server that enters nothing, has
    them as well. They are daemons: a process that ends waits for none of them.
    """

    def __init__(self, *, threads: int = 4, capacity: int = 1_000) -> None:
        self._max_threads = threads
        self._jobs: queue.Queue[Job | None] = queue.Queue(capacity)
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._stopped = False

    def submit(self, job: Job) -> bool:
        """Have a job run soon; False where too many wait already, or after the end."""
        if self._stopped:
            return False
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        self._start_another()
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take jobs until the context is left; those that run then are finished, those that wait are not."""
        self._stopped = False
        try:
            yield
        finally:
            self._stop()

    def _start_another(self) -> None:
        with self._lock:
            # A fork leaves threads behind, and a job that raises ends its own.
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) < self._max_threads:
                thread = Thread(target=self._work, name="renewal", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _stop(self) -> None:
        self._stopped = True
        with self._lock:
            threads, self._threads = self._threads, []
        try:
            while True:
                self._jobs.get_nowait()
        except queue.Empty:
            pass
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join(_STOP_SECONDS)
