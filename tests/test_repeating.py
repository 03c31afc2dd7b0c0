"""What is done again and again ends with its context."""

import threading

import pytest

from widgetsvc.repeating import repeating

PATIENCE = 60  # seconds after which a test that hangs fails


def test_an_action_is_repeated_in_a_thread_of_the_name() -> None:
    threads: list[str] = []
    enough = threading.Event()

    def act() -> None:
        threads.append(threading.current_thread().name)
        if len(threads) == 3:
            enough.set()

    with repeating(act, seconds=0.001, name="worker"):
        assert enough.wait(PATIENCE)

    assert set(threads) == {"worker"}


@pytest.mark.parametrize("error", [None, ValueError], ids=["in order", "by an error"])
def test_the_thread_ends_when_the_context_is_left(error: type[Exception] | None) -> None:
    def leave() -> None:
        with repeating(lambda: None, seconds=0.001, name="to be ended"):
            assert "to be ended" in {thread.name for thread in threading.enumerate()}
            if error is not None:
                raise error

    if error is None:
        leave()
    else:
        with pytest.raises(error):
            leave()

    assert "to be ended" not in {thread.name for thread in threading.enumerate()}


def test_leaving_waits_for_a_call_under_way_and_not_for_the_next() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[bool] = []

    def act() -> None:
        begun.set()
        done.append(go_on.wait(PATIENCE))

    with repeating(act, seconds=0.001, name="slow"):
        assert begun.wait(PATIENCE)
        threading.Timer(0.01, go_on.set).start()
    assert done == [True]

    with repeating(done.clear, seconds=3_600, name="rare"):
        pass
    assert done == [True]
