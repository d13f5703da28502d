"""Writes many records at once and retries until the brokers accept them."""

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
from bannerstream.streams.batching.errors import REFUSALS, WriteAborted

_log = logging.getLogger("bannerstream.streams.batching")

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
"""Retries continue at this interval for as long as an outage lasts."""

CLOSE_TIMEOUT_S = 3.0
"""How long closing the producer waits for brokers that do not answer."""

_NOT_A_MEMBER = "no heartbeat of this worker was answered within the session timeout"

_TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError)

_TRANSACTION_APIS = frozenset({22, 24, 25, 26, 28})
"""InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit."""

Headers: TypeAlias = list[tuple[str, bytes]]
OutgoingRecord: TypeAlias = tuple[bytes | None, bytes | None, Headers]
"""Key, value, headers."""


class _RequestBlocked(KafkaError):  # type: ignore[misc]  # aiokafka's errors are untyped
    """A request was held back. Not retriable, so aiokafka fails its records and `deliver` decides what to do."""


@dataclass(frozen=True, slots=True)
class Write:
    """Records for one partition, in order."""

    topic: str
    partition: int
    records: Sequence[OutgoingRecord]
    on_too_large: Callable[[OutgoingRecord], OutgoingRecord | None] | None = None
    """Returns a replacement for a record that the broker rejects as too large, or None to drop the record. Without it,
    such a record is retried until the broker accepts it."""


@dataclass(slots=True)
class Pending:
    """Unacknowledged records of one write; `end` is the offset after the last one once they are acknowledged."""

    write: Write
    records: Sequence[OutgoingRecord]
    end: int | None = None


@dataclass(slots=True)
class Attempt:
    """The result of one attempt to send."""

    error: KafkaError | None = None
    split: dict[int, list[Pending]] = field(default_factory=dict)
    """By the id of a rejected pending batch: its replacements."""
    acknowledged: dict[tuple[str, int], int] = field(default_factory=dict)
    """Number of acknowledged records by topic and partition."""


class Backoff:
    """Exponential wait while brokers fail; logs the start and the end of an outage once."""

    def __init__(self) -> None:
        self._delay_s = 0.0

    async def wait(self, error: KafkaError, what: str) -> None:
        """Wait before the next attempt to send `what`."""
        if not self._delay_s:
            _log.warning("the brokers do not accept records; retrying until they do: %r (%s)", error, what)
        self._delay_s = min(LAST_RETRY_S, max(FIRST_RETRY_S, 2 * self._delay_s))
        await asyncio.sleep(self._delay_s)

    def reset(self) -> None:
        """Note that an attempt succeeded."""
        if self._delay_s:
            _log.info("the brokers accept records again")


class BulkProducer:
    """An idempotent producer (acks=all) that fills its batches itself: 0.3 µs a record where `send` takes 15.

    `connect` returns a started producer. `may_write` is checked before every request, including aiokafka's retries: a
    worker that the group has evicted must not write over its successor, and aiokafka's idempotent producer retries for
    ever. `on_refused` gets the error when brokers refuse a topic before they have accepted a record. Call `start`
    before use, `close` at the end.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AIOKafkaProducer]],
        may_write: Callable[[], bool] = lambda: True,
        on_refused: Callable[[KafkaError], None] = lambda _: None,
    ) -> None:
        self._connect = connect
        self._may_write = may_write
        self._on_refused = on_refused
        self._has_delivered = False
        self._producer: AIOKafkaProducer | None = None
        self._stopping = False

    async def start(self) -> None:
        """Connect."""
        self._producer = await self._connect_fenced()

    def stop_retrying(self) -> None:
        """Let failing deliveries fail from now on, because the worker is stopping."""
        self._stopping = True

    async def close(self) -> None:
        """Send buffered records and disconnect."""
        self._stopping = True
        await self._disconnect()

    @overrides_private("aiokafka.conn:AIOKafkaConnection._do_version_lookup", "36660a12ae32")
    def has_transactions(self) -> bool:
        """Return whether the brokers list the requests of transactions. Call it after `start`."""
        client: Any = self._producer.client if self._producer is not None else None
        connections: Any = () if client is None else client._conns.values()  # noqa: SLF001
        return any(connection._versions.keys() >= _TRANSACTION_APIS for connection in connections)  # noqa: SLF001

    async def partitions_of(self, topic: str) -> int:
        """Return a topic's partition count; retries until the brokers answer.

        Raises:
            WriteAborted: `may_write` returned False, or an attempt failed while the worker was stopping.
        """
        backoff = Backoff()
        while True:
            self._check_membership()
            try:
                if self._producer is None:
                    self._producer = await self._connect_fenced()
                partitions = await self._producer.partitions_for(topic)
            except KafkaError as error:
                self._raise_if_stopping(error)
                self._report_refusal(error)
                await backoff.wait(error, topic)
                continue
            backoff.reset()
            return len(partitions)

    async def deliver(self, writes: Sequence[Write]) -> dict[tuple[str, int], int]:
        """Send until every record is acknowledged; return the offset after the last one by topic and partition.

        Raises:
            WriteAborted: `may_write` returned False, or an attempt failed while the worker was stopping.
        """
        pending = [Pending(write, write.records) for write in writes if write.records]
        backoff = Backoff()
        ends: dict[tuple[str, int], int] = {}
        while pending:
            self._check_membership()
            attempt = await self._try(pending)
            for item in pending:
                if item.end is not None:
                    tp = (item.write.topic, item.write.partition)
                    ends[tp] = max(ends.get(tp, 0), item.end)
            pending = list(unacknowledged(pending, attempt))
            if attempt.error is None:
                continue
            self._raise_if_stopping(attempt.error)
            self._report_refusal(attempt.error)
            if not attempt.split:
                await backoff.wait(attempt.error, f"{sum(len(item.records) for item in pending)} records")
        backoff.reset()
        self._has_delivered = self._has_delivered or bool(ends)
        return ends

    def _check_membership(self) -> None:
        if not self._may_write():
            raise WriteAborted(_NOT_A_MEMBER)

    def _raise_if_stopping(self, error: KafkaError) -> None:
        if self._stopping:
            raise WriteAborted(repr(error)) from error

    def _report_refusal(self, error: KafkaError) -> None:
        if isinstance(error, REFUSALS) and not self._has_delivered:
            self._on_refused(error)

    async def _try(self, pending: Sequence[Pending]) -> Attempt:
        attempt = Attempt()
        by_partition: dict[tuple[str, int], list[Pending]] = defaultdict(list)
        for item in pending:
            by_partition[item.write.topic, item.write.partition].append(item)
        try:
            if self._producer is None:
                self._producer = await self._connect_fenced()
        except KafkaError as error:
            attempt.error = error
            return attempt
        results = await asyncio.gather(
            *(send_pending(self._producer, tp, items, attempt) for tp, items in by_partition.items()),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, KafkaError):
                attempt.error = result
            elif result is not None:
                raise result
        if attempt.error is not None:
            # A producer that lost a record may have a gap in its sequence numbers: start with a new one.
            await self._disconnect()
        return attempt

    @overrides_private("aiokafka.producer.sender:SendProduceReqHandler.do", "89912727d3c8")
    async def _connect_fenced(self) -> AIOKafkaProducer:
        """Return a connected producer that sends produce requests only while `may_write` allows it."""
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


async def send_pending(
    producer: AIOKafkaProducer, tp: tuple[str, int], pending: Sequence[Pending], attempt: Attempt
) -> None:
    """Send everything for one partition, batch after batch; each is filled while the previous one is in flight.

    Raises:
        KafkaError: a batch was not acknowledged; `attempt` has its replacements if it was refused as too large.
    """
    topic, partition = tp
    for item in pending:
        sent: list[tuple[asyncio.Future[Any], int]] = []
        try:
            for builder in _fill_batches(producer, item.records):
                sent.append(  # noqa: PERF401  (batches sent before an error must be awaited)
                    (await producer.send_batch(builder, topic, partition=partition), builder.record_count())
                )
        finally:
            results = await asyncio.gather(*(future for future, _ in sent), return_exceptions=True)
            for result, (_, count) in zip(results, sent, strict=True):
                if not isinstance(result, BaseException):
                    attempt.acknowledged[tp] = attempt.acknowledged.get(tp, 0) + count
        for result, (_, count) in zip(results, sent, strict=True):
            if isinstance(result, BaseException):
                item.end = None
                if isinstance(result, _TOO_LARGE) and item.write.on_too_large is not None:
                    attempt.split[id(item)] = _split(item)
                raise result
            item.end = result.offset + count


@overrides_private("aiokafka.producer.message_accumulator:BatchBuilder.append", "65992902ef83")
def _fill_batches(producer: AIOKafkaProducer, records: Iterable[OutgoingRecord]) -> Iterator[Any]:
    """Yield batch builders that hold the records, each filled to the producer's batch size.

    Appends directly to aiokafka's inner Cython builder: the wrapper costs more than the append.
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
            append(0, timestamp, key, value, headers)  # a batch always accepts its first record
        count += 1
    builder._relative_offset = count  # noqa: SLF001
    builder.close()
    yield builder


def unacknowledged(pending: Sequence[Pending], attempt: Attempt) -> Iterator[Pending]:
    """Yield what an attempt left to send: unacknowledged writes, and the replacements of refused ones."""
    for item in pending:
        if id(item) in attempt.split:
            yield from attempt.split[id(item)]
        elif item.end is None:
            yield item


def _split(refused: Pending) -> list[Pending]:
    """Return replacements for a batch rejected as too large: its records one by one, then reduced records."""
    if len(refused.records) > 1:
        return [Pending(refused.write, [record]) for record in refused.records]
    assert refused.write.on_too_large is not None
    record = refused.write.on_too_large(refused.records[0])
    return [] if record is None else [Pending(refused.write, [record])]
