"""A compacted topic as a table that outlives outages: for services that serve on while Kafka is away."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import structlog

from bannerstream.broker.compacted_view import CompactedView
from bannerstream.broker.errors import REFUSALS
from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.service.retry import Backoff
from bannerstream.settings.kafka import KafkaSettings

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)

POLL_S = 1.0
"""How often a view looks whether its topic has changed: what it holds is the catalogue's, which changes by the hour."""


class LastingView(Generic[_T]):
    """Holds the newest value of each key while `run` runs; opens the topic again after a failure.

    `values` keeps the last ones meanwhile; `is_current` says whether the topic is being followed. `on_change` is called
    after values changed, at most every `POLL_S`.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        decode: Callable[[bytes], _T],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.values: Mapping[str, _T] = {}
        self.is_current = False
        self.caught_up = asyncio.Event()
        """Set once everything that the topic held at the start is in `values`."""
        self._settings = settings
        self._topic = topic
        self._decode = decode
        self._on_change = on_change

    async def run(self) -> None:
        """Follow until cancelled. Waits out outages, a topic that is still to be created and, later, refused access.

        Raises:
            CertificateRefused, CredentialsRefused, RightMissing: the brokers refuse us before the topic was read once.
        """
        backoff = Backoff()
        while True:
            try:
                async with CompactedView(self._settings, self._topic, self._decode) as view:
                    await view.caught_up()
                    backoff.reset()
                    await self._follow(view)
            except (ServiceUnavailable, ConfigurationError) as error:
                if isinstance(error, REFUSALS) and not self.caught_up.is_set():
                    raise
                self.is_current = False
                wait_s = backoff.next_s()
                _log.warning("view_waiting", topic=self._topic, error=str(error), seconds=round(wait_s, 1))
                await asyncio.sleep(wait_s)

    async def _follow(self, view: CompactedView[_T]) -> None:
        version = -1
        while True:
            self.values = view.current()
            self.is_current = True
            if view.version != version:
                version = view.version
                self._on_change()
            self.caught_up.set()
            await asyncio.sleep(POLL_S)
