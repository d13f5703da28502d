"""Limits the pictures of the model per sliding minute and hour; the studio paints the rest."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bannerstream.generator.errors import OverBudget


@dataclass(slots=True)
class _Window:
    """At most `max_pictures` in any `length_s`; counted by whole seconds, so that an hour takes 3,601 numbers."""

    name: str
    length_s: int
    max_pictures: int
    counts: deque[tuple[int, int]] = field(default_factory=deque)
    """(second, pictures), oldest first."""
    total: int = 0

    def has_room(self, pictures: int, second: int) -> bool:
        # The window's first second counts whole, so the window may overestimate its pictures but never underestimates.
        while self.counts and self.counts[0][0] < second - self.length_s:
            self.total -= self.counts.popleft()[1]
        return self.total + pictures <= self.max_pictures

    def add(self, pictures: int, second: int) -> None:
        if self.counts and self.counts[-1][0] == second:
            pictures_before = self.counts.pop()[1]
            self.counts.append((second, pictures_before + pictures))
        else:
            self.counts.append((second, pictures))
        self.total += pictures


class ImageBudget:
    """The picture budget of this process. 0 sets no limit. Safe from any thread; `clock` is monotonic, in seconds."""

    def __init__(self, *, per_minute: int = 0, per_hour: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        windows = (_Window("a minute", 60, per_minute), _Window("an hour", 3600, per_hour))
        self._windows = [window for window in windows if window.max_pictures]
        self._clock = clock
        self._lock = threading.Lock()

    def spend(self, pictures: int) -> None:
        """Count pictures that are about to be painted.

        Raises:
            OverBudget: a window has no room for all pictures; none is counted.
        """
        with self._lock:
            second = int(self._clock())
            for window in self._windows:
                if not window.has_room(pictures, second):
                    raise OverBudget(f"over the budget of {window.max_pictures} pictures {window.name}")
            for window in self._windows:
                window.add(pictures, second)
