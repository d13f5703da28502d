"""Waits out brokers and stores that are away, until the worker is asked to end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable

log = structlog.get_logger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 15.0
"""Between tries: quick at first, then often enough to be back within seconds."""

_T = TypeVar("_T")


class Stopped(Exception):
    """The worker was asked to stop while it waited for a broker or the store: what it held is left for the next."""


async def patiently(what: str, attempt: Callable[[], Awaitable[_T]], ending: asyncio.Event) -> _T:
    """Return what `attempt` returns, however often a broker or the store is away, or refuses us, before.

    Raises:
        Stopped: `ending` was set in the meantime.
    """
    wait = FIRST_WAIT_S
    while True:
        try:
            return await attempt()
        except (ServiceUnavailable, ConfigurationError) as error:
            log.warning("waiting", step=what, error=str(error), seconds=round(wait, 1))
        with suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), wait * random.uniform(0.5, 1.0))
        if ending.is_set():
            raise Stopped
        wait = min(LONGEST_WAIT_S, wait * 2)
