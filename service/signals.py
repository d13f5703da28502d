"""SIGTERM and SIGINT set an event: an orchestrator's stop and Ctrl-C end a process in the same way."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """Yield an event that the signals set; restore the previous handlers afterwards. Main thread only."""
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def asyncio_stop_event() -> asyncio.Event:
    """Return an event that the signals set, until the running event loop is closed."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return stop
