"""Whether this process can continue: reported by model holders, read by the worker."""

import threading
from collections.abc import Callable


class Health:
    """Reports once, with the reason, that the process should end. Safe from any thread."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why the process is to end; None while it is well."""
        self._listeners: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def listen(self, listener: Callable[[], object]) -> None:
        """Have `listener` called, from any thread, when the process is to end; at once where that is known already."""
        with self._lock:
            self._listeners.append(listener)
            lost = self.reason is not None
        if lost:
            listener()

    def lose(self, reason: str) -> None:
        """Say that the process is to end. Only the first reason counts."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
