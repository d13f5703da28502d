"""Writes records to Kafka in rounds that many requests share; each request waits for its acknowledgement.

One round runs at a time, and records that arrive meanwhile go with the next (group commit). This keeps their order, and
a failure affects exactly one round.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

import structlog

from bannerstream.broker.publisher import Outgoing
from bannerstream.contracts.errors import BannerstreamError, ServiceUnavailable
from bannerstream.edge.broker_clock import BrokerClock
from bannerstream.edge.errors import Overloaded, RateLimited
from bannerstream.edge.metrics import EdgeMetrics

_log = structlog.get_logger(__name__)

ROUND = 1_000
"""Most records in one round: it takes about 20 ms, and no record waits for more than two rounds."""

RETRY_AFTER_S = 1
"""`Retry-After` when too many records wait: many rounds pass in this time."""
RETRY_AFTER_OUTAGE_S = 5
"""`Retry-After` when Kafka does not answer."""


class Sink(Protocol):
    """The interface of `broker.publisher.Publisher` that the outbox uses."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def publish_all(self, records: Iterable[Outgoing]) -> int | None:
        """Return once all records are acknowledged: the broker's time of the last, in ms, or None if unknown."""
        ...


class Outbox:
    """Writes records in rounds. `run` writes until cancelled.

    Connects with the first record, so that a node starts and serves banners during an outage of Kafka.
    """

    def __init__(
        self,
        make_sink: Callable[[], Sink],
        metrics: EdgeMetrics,
        clock: BrokerClock,
        *,
        max_waiting: int,
        ack_timeout_s: float,
    ) -> None:
        self._clock = clock
        self._make_sink = make_sink
        self._sink: Sink | None = None
        self._metrics = metrics
        self._max_waiting = max_waiting
        self._ack_timeout_s = ack_timeout_s
        self._waiting: deque[tuple[Sequence[Outgoing], asyncio.Future[None]]] = deque()
        self._count = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def write(self, records: Sequence[Outgoing]) -> None:
        """Return once all in-sync replicas have acknowledged these records.

        Raises:
            RateLimited: too many records wait; none of these was accepted.
            Overloaded: Kafka did not acknowledge them in time. They may have been written or may still be; repeating
                them with the same event ids is harmless.
        """
        if self._count + len(records) > self._max_waiting:
            raise RateLimited("too many events wait for Kafka", retry_after_s=RETRY_AFTER_S)
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((records, acknowledged))
        self._add_to_count(len(records))
        self._wake.set()
        try:
            async with asyncio.timeout(self._ack_timeout_s):
                await acknowledged
        except (TimeoutError, BannerstreamError) as error:
            raise Overloaded("Kafka does not answer", retry_after_s=RETRY_AFTER_OUTAGE_S) from error

    async def run(self) -> None:
        """Write waiting records in rounds until cancelled; then disconnect."""
        try:
            while True:
                await self._wake.wait()
                while self._waiting:
                    await self._round()
                self._wake.clear()
        finally:
            if self._sink is not None:
                await self._sink.__aexit__(None, None, None)

    async def drain(self) -> None:
        """Return once no record waits."""
        await self._idle.wait()

    async def _round(self) -> None:
        taken: list[tuple[Sequence[Outgoing], asyncio.Future[None]]] = []
        records: list[Outgoing] = []
        while self._waiting and len(records) < ROUND:
            taken.append(self._waiting.popleft())
            records += taken[-1][0]
        started_s = time.perf_counter()
        failure: BannerstreamError | None = ServiceUnavailable("the round was interrupted")
        try:
            if self._sink is None:
                self._sink = await self._make_sink().__aenter__()
            sent_s = self._clock.steady()
            appended_ms = await self._sink.publish_all(records)
            self._clock.learn(sent_s, self._clock.steady(), appended_ms)
            failure = None
        except BannerstreamError as error:
            failure = error
            _log.warning("events_not_written", records=len(records), error=str(error))
        finally:  # on every way out, the requests that wait are answered
            self._add_to_count(-len(records))
            self._metrics.ack.observe(time.perf_counter() - started_s)
            _settle([acknowledged for _, acknowledged in taken], failure)

    def _add_to_count(self, by: int) -> None:
        self._count += by
        self._metrics.waiting.set(self._count)
        if self._count:
            self._idle.clear()
        else:
            self._idle.set()


def _settle(acknowledgements: Iterable[asyncio.Future[None]], failure: BannerstreamError | None) -> None:
    for acknowledged in acknowledgements:
        if acknowledged.done():  # the request that waited for it has timed out
            continue
        if failure is None:
            acknowledged.set_result(None)
        else:
            acknowledged.set_exception(failure)
