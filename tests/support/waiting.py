"""How tests wait: for a condition, with a deadline, and with words that say what did not come."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 90.0
"""Deadline of every wait: a machine that is busy with other tests is slow, not wrong."""

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05

Words = str | Callable[[], str] | None


async def until(condition: Callable[[], Any], what: Words = None, *, patience_s: float = PATIENCE_S) -> Any:
    """Return what the condition returned, awaited where it can be, once that is true.

    `what` completes "waited 90 s until"; as a function it is called at the deadline, for example for a log's end.
    Without it, the message shows the condition's own line.

    Raises:
        AssertionError: it did not come true within `patience_s`.
    """
    deadline, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while True:
        held = condition()
        if inspect.isawaitable(held):
            held = await held
        if held:
            return held
        assert time.monotonic() < deadline, _message(condition, what, patience_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def wait_until(
    condition: Callable[[], Any],
    what: Words = None,
    *,
    patience_s: float = PATIENCE_S,
    pause: Callable[[float], object] = time.sleep,
) -> Any:
    """Do the same where there is no event loop, or where another one turns in `pause`."""
    deadline, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while not (held := condition()):
        assert time.monotonic() < deadline, _message(condition, what, patience_s)
        pause(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return held


def _message(condition: Callable[[], Any], what: Words, patience_s: float) -> str:
    words = what() if callable(what) else what
    if words is None:
        try:
            words = inspect.getsource(condition).strip()
        except (OSError, TypeError):
            words = repr(condition)
    return f"waited {patience_s:g} s until {words}"
