"""Waits for a condition, with a deadline and a message that names the condition."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 90.0
"""Deadline of every wait: generous, because a machine that is busy with other tests is slow."""

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05

Description = str | Callable[[], str] | None


async def until(condition: Callable[[], Any], what: Description = None, *, patience_s: float = PATIENCE_S) -> Any:
    """Wait until the condition returns something true, and return that. The condition may be async.

    `what` completes "waited 90 s until"; a function is called at the deadline, for example to show a log's last lines.
    Without it, the message shows the condition's source.

    Raises:
        AssertionError: it did not come true within `patience_s`.
    """
    deadline, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while True:
        result = condition()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < deadline, _message(condition, what, patience_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def wait_until(
    condition: Callable[[], Any],
    what: Description = None,
    *,
    patience_s: float = PATIENCE_S,
    pause: Callable[[float], object] = time.sleep,
) -> Any:
    """Do the same without asyncio. `pause` may run another event loop, such as Playwright's."""
    deadline, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while not (result := condition()):
        assert time.monotonic() < deadline, _message(condition, what, patience_s)
        pause(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return result


def _message(condition: Callable[[], Any], what: Description, patience_s: float) -> str:
    text = what() if callable(what) else what
    if text is None:
        try:
            text = inspect.getsource(condition).strip()
        except (OSError, TypeError):
            text = repr(condition)
    return f"waited {patience_s:g} s until {text}"
