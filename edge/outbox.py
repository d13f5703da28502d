"""Records on their way to Kafka: many requests share one round of writing, and each waits for the acknowledgement.

One round is under way at a time, and what comes meanwhile goes with the next (group commit): order is kept, and a
failed round is known to be all that failed.
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
from bannerstream.edge.errors import Overloaded, RateLimited
from bannerstream.edge.metrics import EdgeMetrics

_log = structlog.get_logger(__name__)

ROUND = 1_000
"""Records written in one round at most: it takes some 20 ms, and nobody waits for two of them."""

RETRY_AFTER_S = 1
"""What a client is told when too much waits: by then many rounds have passed."""
RETRY_AFTER_OUTAGE_S = 5
"""And when Kafka does not answer."""


class Sink(Protocol):
    """Where records go: `broker.publishing.Publisher`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def publish_all(self, records: Iterable[Outgoing]) -> None:
        """Return once all are acknowledged."""
        ...


class Outbox:
    """Writes records in rounds. `run` writes until cancelled.

    Connects with the first records, so that a node starts and shows banners while Kafka is away.
    """

    def __init__(
        self, make_sink: Callable[[], Sink], metrics: EdgeMetrics, *, max_waiting: int, ack_timeout_s: float
    ) -> None:
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
        """Return once all of these are acknowledged by all in-sync replicas.

        Raises:
            RateLimited: too many records wait; none of these was taken.
            Overloaded: Kafka did not acknowledge them in time. They may have arrived or arrive yet; sending them again
                with the same event ids does no harm.
        """
        if self._count + len(records) > self._max_waiting:
            raise RateLimited("too many events wait for Kafka", retry_after_s=RETRY_AFTER_S)
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((records, acknowledged))
        self._change(len(records))
        self._wake.set()
        try:
            async with asyncio.timeout(self._ack_timeout_s):
                await acknowledged
        except (TimeoutError, BannerstreamError) as error:
            raise Overloaded("Kafka does not answer", retry_after_s=RETRY_AFTER_OUTAGE_S) from error

    async def run(self) -> None:
        """Write what waits, round after round, until cancelled; then disconnect."""
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
        """Return once nothing waits."""
        await self._idle.wait()

    async def _round(self) -> None:
        taken: list[tuple[Sequence[Outgoing], asyncio.Future[None]]] = []
        records: list[Outgoing] = []
        while self._waiting and len(records) < ROUND:
            taken.append(self._waiting.popleft())
            records += taken[-1][0]
        started_s = time.perf_counter()
        failure: BannerstreamError | None = ServiceUnavailable("the round did not come to its end")
        try:
            if self._sink is None:
                self._sink = await self._make_sink().__aenter__()
            await self._sink.publish_all(records)
            failure = None
        except BannerstreamError as error:
            failure = error
            _log.warning("events_not_written", records=len(records), error=str(error))
        finally:  # whatever happened: nobody is left to wait
            self._change(-len(records))
            self._metrics.ack.observe(time.perf_counter() - started_s)
            _settle([acknowledged for _, acknowledged in taken], failure)

    def _change(self, by: int) -> None:
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
