"""Limits requests to the bucket, so that upkeep leaves the store to visitors and generators."""

import threading
import time
from collections.abc import Callable


class Pace:
    """Spreads calls evenly: `per_second` of them at most, over all threads. `clock` in seconds."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._gap_s = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next_s = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next call is due."""
        with self._lock:
            now = self._clock()
            due = max(now, self._next_s)
            self._next_s = due + self._gap_s
        if due > now:
            self._sleep(due - now)
