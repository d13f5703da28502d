"""Retries with exponential backoff and jitter, until a call succeeds or the process has to stop."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable

_log = structlog.get_logger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 15.0
"""Between tries while a broker or a store is unavailable: short at first, and never so long that recovery takes more
than seconds."""

_T = TypeVar("_T")


class Stopping(Exception):
    """A stop was requested during a wait; unfinished work is left for the next start."""


class Backoff:
    """Waits that double from `first_s` to `longest_s`, each multiplied by a random factor from `least_share` to 1.

    Without the jitter, clients that lost the same server would all come back at the same moment.
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
        """Start again with the first wait."""
        self._wait_s = self._first_s


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait, at most until `stop` is set.

    Raises:
        Stopping: `stop` is set.
    """
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
    if stop.is_set():
        raise Stopping


class Retries:
    """Repeats the steps of one worker while a broker or the store is unavailable or rejects the configuration.

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
