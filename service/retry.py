"""Waits out what is away: waits that double and carry jitter, until it works or the process has to stop."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable

_log = structlog.get_logger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 15.0
"""Between tries when a broker or a store is away: quick at first, then often enough to be back within seconds."""

_T = TypeVar("_T")


class Stopping(Exception):
    """A stop was requested during a wait; what was not finished is left for the next start."""


class Backoff:
    """Waits from `first_s` up to `longest_s`, doubling; each is drawn between `least_share` of it and all of it.

    Without the jitter, clients that lost the same server come back at the same moment.
    """

    def __init__(
        self, first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S, least_share: float = 0.5
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._least_share = least_share
        self._wait_s = first_s

    def next_s(self) -> float:
        """Return the next wait in seconds."""
        wait_s = min(self._longest_s, self._wait_s)
        self._wait_s = wait_s * 2
        return wait_s * random.uniform(self._least_share, 1.0)

    def reset(self) -> None:
        """Begin with the first wait again."""
        self._wait_s = self._first_s


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait.

    Raises:
        Stopping: `stop` was set by then.
    """
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
    if stop.is_set():
        raise Stopping


class Retries:
    """Retries the steps of one worker, however often a broker or the store is away, or refuses us.

    Errors of `fatal` are raised until their step has worked once: at the start they are mistakes of the operator, later
    credentials or rights may be changing.
    """

    def __init__(self, stop: asyncio.Event, fatal: tuple[type[Exception], ...] = ()) -> None:
        self._stop = stop
        self._fatal = fatal
        self._proven: set[str] = set()

    async def until_done(
        self, step: str, attempt: Callable[[], Awaitable[_T]], *, proves: Callable[[_T], bool] = lambda _: True
    ) -> _T:
        """Return what `attempt` returns; `proves` tells from it whether the step has worked.

        Raises:
            Stopping: the stop was requested after a failed try.
        """
        backoff = Backoff()
        while True:
            try:
                result = await attempt()
            except (ServiceUnavailable, ConfigurationError) as error:
                if isinstance(error, self._fatal) and step not in self._proven:
                    raise
                wait_s = backoff.next_s()
                _log.warning("waiting", step=step, error=str(error), seconds=round(wait_s, 1))
            else:
                if proves(result):
                    self._proven.add(step)
                return result
            await pause(wait_s, self._stop)
