"""Time as an argument: whatever needs to know the time is given a `Clock`."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns the current time in Unix seconds (UTC)."""

system_clock: Clock = time.time
"""Wall-clock time; moves when the host's clock is set."""

monotonic_clock: Clock = time.monotonic
"""Never moves backwards; for durations and expiry inside one process."""
