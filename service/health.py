"""Whether this process can continue: model holders report failures, the worker stops on them."""

import threading
from collections.abc import Callable


class Health:
    """Reports once, with the reason, that the process has to end. Thread-safe."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why the process has to end; None while it is healthy."""
        self._listeners: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def add_listener(self, listener: Callable[[], object]) -> None:
        """Call `listener` from any thread when the process has to end; at once if it already has to."""
        with self._lock:
            self._listeners.append(listener)
            failed = self.reason is not None
        if failed:
            listener()

    def fail(self, reason: str) -> None:
        """Report that the process has to end. Only the first reason counts."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
