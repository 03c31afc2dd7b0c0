"""Timing, and tables of what was timed: each with its ratio to a baseline of the same run."""

import statistics
import time
from collections.abc import Callable, Mapping

Action = Callable[[], object]


def timed(action: Action) -> float:
    """Milliseconds that an action takes."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1_000


def in_turn(rounds: int, actions: Mapping[str, Action]) -> dict[str, float]:
    """The median milliseconds of each action; they take turns, so that all see the same machine."""
    for action in actions.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            times[name].append(timed(action))
    return {name: statistics.median(samples) for name, samples in times.items()}


def print_table(title: str, medians: Mapping[str, float], *, per_second: bool = False) -> None:
    """Ratios are to the first row: of times or, if told so, of what can be done in a second."""
    baseline = next(iter(medians.values()))
    print(f"\n{title:<58}{'per s' if per_second else 'median ms':>12}{'ratio':>8}")
    for name, median in medians.items():
        value, ratio = (1_000 / median, baseline / median) if per_second else (median, median / baseline)
        print(f"{name:<58}{value:>12,.2f}{ratio:>8.2f}")
