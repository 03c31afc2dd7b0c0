"""Something that is done again and again in the background."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(action: Callable[[], object], *, seconds: float, name: str) -> Iterator[None]:
    """Call `action` every so many `seconds` in a thread of this `name` until the context is left.

    The first call comes after the first wait. Leaving waits for a call that is under way; an exception that
    `action` raises ends the thread.
    """
    left = threading.Event()

    def repeat() -> None:
        while not left.wait(seconds):
            action()

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
