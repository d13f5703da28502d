"""Writing many records at once, and not giving up."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError
from aiokafka.protocol.produce import ProduceRequest

from bannerstream.streams.batching.compat import overrides_private
from bannerstream.streams.batching.errors import WriteAborted

_log = logging.getLogger("bannerstream.streams.batching")

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
"""Tries go on at this pace for as long as an backoff lasts."""

CLOSE_TIMEOUT_S = 3.0
"""A clean goodbye to brokers that do not answer is given up after this long."""

_NOT_A_MEMBER = "the group has not heard of this worker for a session timeout"

_TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError)

Headers: TypeAlias = list[tuple[str, bytes]]
OutgoingRecord: TypeAlias = tuple[bytes | None, bytes | None, Headers]
"""Key, value, headers."""


class _RequestBlocked(KafkaError):  # type: ignore[misc]  # aiokafka's errors are untyped
    """A request was held back. Not retriable, so that aiokafka gives its records up and `deliver` decides."""


@dataclass(frozen=True, slots=True)
class Write:
    """Records for one partition, in order."""

    topic: str
    partition: int
    records: Sequence[OutgoingRecord]
    on_too_large: Callable[[OutgoingRecord], OutgoingRecord | None] | None = None
    """What to send instead of a record that the broker refuses for its size; None from it gives the record up. Without
    this, a record that is too large is tried until the broker takes it."""


@dataclass(slots=True)
class _Pending:
    """Records of one write that are not acknowledged yet, and where they ended once they are."""

    write: Write
    records: Sequence[OutgoingRecord]
    end: int | None = None


@dataclass(slots=True)
class _Attempt:
    """What one try led to."""

    error: KafkaError | None = None
    split: dict[int, list[_Pending]] = field(default_factory=dict)
    """By the id of a pending batch: what to try instead of it."""


class _Backoff:
    """Brokers that do not answer, or refuse: waited for at a slowing pace, told once and when it is over."""

    def __init__(self) -> None:
        self._delay = 0.0

    async def wait(self, error: KafkaError, what: str) -> None:
        """Wait before the next try; `what` is waiting with it."""
        if not self._delay:
            _log.warning("the brokers do not take records; trying until they do: %r (%s)", error, what)
        self._delay = min(LAST_RETRY_S, max(FIRST_RETRY_S, 2 * self._delay))
        await asyncio.sleep(self._delay)

    def reset(self) -> None:
        """Note that a try went through."""
        if self._delay:
            _log.info("the brokers take records again")


class BulkProducer:
    """An idempotent producer (acks=all) that fills its batches itself: 0.3 µs a record where `send` takes 15.

    `connect` returns a started producer. `may_write` is asked before every request leaves, also for one that aiokafka
    tries again: a worker that the group has given up may not write over its successor, and an idempotent producer of
    aiokafka tries for ever. Call `start` before use, `close` at the end.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AIOKafkaProducer]],
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self._connect = connect
        self._may_write = may_write
        self._producer: AIOKafkaProducer | None = None
        self._stopping = False

    async def start(self) -> None:
        """Connect."""
        self._producer = await self._connect_fenced()

    def stop_retrying(self) -> None:
        """From now on, let a failing delivery fail: the worker is stopping."""
        self._stopping = True

    async def close(self) -> None:
        """Send what is buffered and disconnect."""
        self._stopping = True
        await self._disconnect()

    async def partitions_of(self, topic: str) -> int:
        """Return how many partitions a topic has, once the brokers tell.

        Raises:
            WriteAborted: `may_write` says no, or a try failed while the worker was stopping.
        """
        backoff = _Backoff()
        while True:
            self._check_membership()
            try:
                if self._producer is None:
                    self._producer = await self._connect_fenced()
                partitions = await self._producer.partitions_for(topic)
            except KafkaError as error:
                self._raise_if_stopping(error)
                await backoff.wait(error, topic)
                continue
            backoff.reset()
            return len(partitions)

    async def deliver(self, writes: Sequence[Write]) -> dict[tuple[str, int], int]:
        """Send until every record is acknowledged; return the offset after the last one by topic and partition.

        Raises:
            WriteAborted: `may_write` says no, or a try failed while the worker was stopping.
        """
        pending = [_Pending(write, write.records) for write in writes if write.records]
        backoff = _Backoff()
        ends: dict[tuple[str, int], int] = {}
        while pending:
            self._check_membership()
            attempt = await self._try(pending)
            for each in pending:
                if each.end is not None:
                    place = (each.write.topic, each.write.partition)
                    ends[place] = max(ends.get(place, 0), each.end)
            pending = list(_unacknowledged(pending, attempt))
            if attempt.error is None:
                continue
            self._raise_if_stopping(attempt.error)
            if not attempt.split:
                await backoff.wait(attempt.error, f"{sum(len(each.records) for each in pending)} records")
        backoff.reset()
        return ends

    def _check_membership(self) -> None:
        if not self._may_write():
            raise WriteAborted(_NOT_A_MEMBER)

    def _raise_if_stopping(self, error: KafkaError) -> None:
        if self._stopping:
            raise WriteAborted(repr(error)) from error

    async def _try(self, pending: Sequence[_Pending]) -> _Attempt:
        attempt = _Attempt()
        by_place: dict[tuple[str, int], list[_Pending]] = defaultdict(list)
        for each in pending:
            by_place[each.write.topic, each.write.partition].append(each)
        try:
            if self._producer is None:
                self._producer = await self._connect_fenced()
        except KafkaError as error:
            attempt.error = error
            return attempt
        results = await asyncio.gather(
            *(self._send(self._producer, place, items, attempt) for place, items in by_place.items()),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, KafkaError):
                attempt.error = result
            elif result is not None:
                raise result
        if attempt.error is not None:
            # A producer that lost a record may have a hole in its sequence numbers: begin with a new one.
            await self._disconnect()
        return attempt

    async def _send(
        self, producer: AIOKafkaProducer, place: tuple[str, int], pending: Sequence[_Pending], attempt: _Attempt
    ) -> None:
        """Send everything for one partition, batch after batch, each filled while the one before it travels."""
        topic, partition = place
        for each in pending:
            sent: list[tuple[asyncio.Future[Any], int]] = []
            try:
                for builder in _fill_batches(producer, each.records):
                    sent.append(  # noqa: PERF401  (what was sent before an error must be waited for)
                        (await producer.send_batch(builder, topic, partition=partition), builder.record_count())
                    )
            finally:
                landed = await asyncio.gather(*(future for future, _ in sent), return_exceptions=True)
            for outcome, (_, count) in zip(landed, sent, strict=True):
                if isinstance(outcome, BaseException):
                    each.end = None
                    if isinstance(outcome, _TOO_LARGE) and each.write.on_too_large is not None:
                        attempt.split[id(each)] = _split(each)
                    raise outcome
                each.end = outcome.offset + count

    @overrides_private("aiokafka.producer.sender:SendProduceReqHandler.do", "89912727d3c8")
    async def _connect_fenced(self) -> AIOKafkaProducer:
        """Return a connected producer whose produce requests leave only while they may."""
        producer = await self._connect()
        client: Any = producer.client
        send = client.send

        async def fenced(node_id: int, request: Any, **options: Any) -> Any:
            if not isinstance(request, ProduceRequest):
                return await send(node_id, request, **options)
            if not self._may_write():
                raise _RequestBlocked(_NOT_A_MEMBER)
            try:
                return await send(node_id, request, **options)
            except KafkaError as error:
                if self._stopping:
                    raise _RequestBlocked(repr(error)) from error
                raise

        client.send = fenced
        return producer

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            await asyncio.wait_for(producer.stop(), CLOSE_TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            _log.debug("the producer did not close cleanly: %r", error)


@overrides_private("aiokafka.producer.message_accumulator:BatchBuilder.append", "65992902ef83")
def _fill_batches(producer: AIOKafkaProducer, records: Iterable[OutgoingRecord]) -> Iterator[Any]:
    """Yield batch builders that hold the records, each as full as the producer's batches may be.

    Appends to the Cython builder within aiokafka's: its wrapper costs more than the append.
    """
    timestamp = int(time.time() * 1000)
    builder = producer.create_batch()
    append, count = builder._builder.append, 0  # noqa: SLF001
    for key, value, headers in records:
        if append(count, timestamp, key, value, headers) is None:
            builder._relative_offset = count  # noqa: SLF001
            builder.close()
            yield builder
            builder = producer.create_batch()
            append, count = builder._builder.append, 0  # noqa: SLF001
            append(0, timestamp, key, value, headers)  # the first record of a batch is always taken
        count += 1
    builder._relative_offset = count  # noqa: SLF001
    builder.close()
    yield builder


def _unacknowledged(pending: Sequence[_Pending], attempt: _Attempt) -> Iterator[_Pending]:
    for each in pending:
        if id(each) in attempt.split:
            yield from attempt.split[id(each)]
        elif each.end is None:
            yield each


def _split(refused: _Pending) -> list[_Pending]:
    """Return what to try instead of a batch that was refused for its size: its records alone, then smaller ones."""
    if len(refused.records) > 1:
        return [_Pending(refused.write, [record]) for record in refused.records]
    assert refused.write.on_too_large is not None
    record = refused.write.on_too_large(refused.records[0])
    return [] if record is None else [_Pending(refused.write, [record])]
