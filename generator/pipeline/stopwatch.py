"""Milliseconds per stage, for the manifest and the metrics."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Adds up the time per stage; a stage that runs twice (a retry) counts both times."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time inside the `with` block to a stage, also when it raises."""
        started = perf_counter()
        try:
            yield
        finally:
            self.add(name, (perf_counter() - started) * 1000)

    def add(self, name: str, milliseconds: float) -> None:
        """Add time to a stage."""
        self.milliseconds[name] = round(self.milliseconds.get(name, 0.0) + milliseconds, 3)
