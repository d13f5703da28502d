"""One transaction for each round of a partition number: states, effects and offsets are written together, or nothing.

Each partition number has a transactional id of its own, `<app>-<partition number>`. aiokafka 0.14 commits offsets into
a transaction without the group's generation (KIP-447), so this id is the fence: connecting its producer ends the open
transaction of any other one, and the broker refuses whatever that one sends later. A worker therefore opens a
partition's producer when the group has assigned it the partition, before it reads committed offsets and changelog.

    open ── InitProducerId ──> committed offsets ──> changelog, read committed ──> folding
    commit ── AddPartitionsToTxn ──> Produce ──> AddOffsetsToTxn ──> TxnOffsetCommit ──> EndTxn

The requests of one transaction go one after another: a produce request is verified by the coordinator, which refuses it
while it adds the offsets, and aiokafka then waits for 100 ms (measured: twice the time of a round).
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.producer import sender
from faust.types import TP

from bannerstream.streams.batching.bulk_producer import (
    CLOSE_TIMEOUT_S,
    Attempt,
    Backoff,
    Pending,
    Write,
    send_pending,
    unacknowledged,
)
from bannerstream.streams.batching.compat import overrides_private
from bannerstream.streams.batching.errors import WriteAborted

_log = logging.getLogger("bannerstream.streams.batching")
_R = TypeVar("_R")

CONCURRENT_BACKOFF_S = 0.002
"""Wait while the broker still completes the previous transaction of a partition, which takes it 1 to 5 ms. aiokafka
waits for 20, which every second round of a busy partition would spend."""

_REFUSALS = (MessageSizeTooLargeError, RecordTooLargeError, TopicAuthorizationFailedError)
"""The brokers refuse a record and keep the transaction open. After any other error another producer has to end it."""

STOP_TIMEOUT_S = 3.0
"""How long a transaction may take to complete while the worker stops."""

Ends = dict[tuple[str, int], int]


class Transactions:
    """The transactional producers of this worker's partitions.

    `connect` returns a started producer with the transactional id that it is given; `name` is the consumer group, and
    the prefix of the ids.
    """

    def __init__(self, connect: Callable[[str], Awaitable[AIOKafkaProducer]], name: str) -> None:
        self._connect = connect
        self._name = name
        self._producers: dict[int, AIOKafkaProducer] = {}
        self._stopping = asyncio.Event()
        _shorten_backoff()

    async def open(self, partitions: Collection[int]) -> None:
        """Connect a producer for each of these partition numbers, and close all others.

        Connecting fences a former owner of the partition and ends the transaction that it left open. Retries while the
        brokers are away.

        Raises:
            TransactionalIdAuthorizationFailed: the brokers do not let this client use these ids.
        """
        await self.close()
        await asyncio.gather(*map(self._open, partitions))

    async def commit(self, partition: int, writes: Sequence[Write], offsets: Mapping[TP, int]) -> Ends:
        """Write records and offsets in one transaction; return the offset after the last record by topic and partition.

        Records that the brokers refuse, as too large, are retried in a new transaction until they are accepted.

        Raises:
            WriteAborted: nothing was written, or the worker stopped before the brokers answered. Another worker owns
                the partition, or the transaction took longer than its timeout.
        """
        pending = [Pending(write, write.records) for write in writes if write.records]
        backoff = Backoff()
        while True:
            producer = self._producers.get(partition)
            if producer is None:
                raise WriteAborted(f"partition {partition} was not assigned to this worker")
            attempt = Attempt()
            try:
                ends = await self._unless_stopping(self._try(producer, pending, offsets, attempt))
            except (KafkaError, AssertionError) as error:  # aiokafka asserts that its transaction is still open
                await self._drop(partition)
                raise WriteAborted(f"the transaction of partition {partition} did not complete: {error!r}") from error
            if ends is not None:
                backoff.reset()
                return ends
            assert attempt.error is not None
            pending = list(unacknowledged(pending, attempt))
            if self._stopping.is_set():
                raise WriteAborted(repr(attempt.error))
            if not attempt.split:
                await backoff.wait(attempt.error, f"{sum(len(item.records) for item in pending)} records")

    def stop_retrying(self) -> None:
        """Give up transactions that the brokers do not complete within `STOP_TIMEOUT_S`: the worker is stopping."""
        self._stopping.set()

    async def close(self) -> None:
        """Disconnect every producer."""
        await asyncio.gather(*map(self._drop, list(self._producers)))

    async def _open(self, partition: int) -> None:
        backoff = Backoff()
        while True:
            try:
                producer = await self._connect(f"{self._name}-{partition}")
            except TransactionalIdAuthorizationFailed:
                raise
            except KafkaError as error:
                await backoff.wait(error, f"the producer of partition {partition}")
            else:
                self._producers[partition] = producer
                return

    async def _drop(self, partition: int) -> None:
        producer = self._producers.pop(partition, None)
        if producer is None:
            return
        try:
            await asyncio.wait_for(producer.stop(), CLOSE_TIMEOUT_S)
        except (KafkaError, TimeoutError, AssertionError) as error:
            _log.debug("a transactional producer did not close cleanly: %r", error)
        _retrieve_errors(producer)

    async def _try(
        self, producer: AIOKafkaProducer, pending: Sequence[Pending], offsets: Mapping[TP, int], attempt: Attempt
    ) -> Ends | None:
        """Return the ends of a committed transaction, or None with `attempt.error` if it was refused and aborted.

        Raises:
            KafkaError: the transaction can be neither committed nor aborted by this producer.
        """
        manager: Any = producer._txn_manager  # noqa: SLF001
        if manager.is_fatal_error():
            raise ProducerFenced
        await producer.begin_transaction()
        sequences = dict(manager._sequence_numbers)  # noqa: SLF001
        by_partition: dict[tuple[str, int], list[Pending]] = defaultdict(list)
        for item in pending:
            by_partition[item.write.topic, item.write.partition].append(item)
        results = await asyncio.gather(
            *(send_pending(producer, tp, items, attempt) for tp, items in by_partition.items()), return_exceptions=True
        )
        failures = [result for result in results if result is not None]
        refusals = [failure for failure in failures if isinstance(failure, _REFUSALS)]
        if failures and (not refusals or any(isinstance(failure, ProducerFenced) for failure in failures)):
            raise failures[0]
        if refusals:
            attempt.error = refusals[0]
            _restore_sequences(manager, sequences, by_partition, attempt)
            await producer.abort_transaction()
            for item in pending:
                item.end = None
            return None
        if offsets:
            covered = {TopicPartition(*tp): offset for tp, offset in offsets.items()}
            await producer.send_offsets_to_transaction(covered, self._name)
        await producer.commit_transaction()
        return {tp: items[-1].end or 0 for tp, items in by_partition.items()}

    async def _unless_stopping(self, attempting: Awaitable[_R]) -> _R:
        """Return its result, unless the worker stops and it takes longer than `STOP_TIMEOUT_S` from then on."""
        attempt = asyncio.ensure_future(attempting)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({attempt, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not attempt.done():
                await asyncio.wait({attempt}, timeout=STOP_TIMEOUT_S)
            if not attempt.done():
                raise WriteAborted("the brokers did not complete a transaction while the worker stopped")
            return attempt.result()
        finally:
            stopping.cancel()
            attempt.cancel()


@overrides_private("aiokafka.producer.transaction_manager:TransactionManager.increment_sequence_number", "d8528710bcfa")
def _restore_sequences(
    manager: Any, before: Mapping[Any, int], tried: Collection[tuple[str, int]], attempt: Attempt
) -> None:
    """Continue each partition's sequence numbers after the acknowledged records.

    aiokafka counts refused records, too; the broker would then find a gap in the next transaction.
    """
    for tp in tried:
        key = TopicPartition(*tp)
        manager._sequence_numbers[key] = before.get(key, 0)  # noqa: SLF001
        manager.increment_sequence_number(key, attempt.acknowledged.get(tp, 0))


@overrides_private("aiokafka.producer.message_accumulator:MessageAccumulator.fail_all", "408861a4748d")
def _retrieve_errors(producer: Any) -> None:
    """Retrieve what aiokafka set on futures that nobody awaits: asyncio would log each with a traceback."""
    accumulator, manager = producer._message_accumulator, producer._txn_manager  # noqa: SLF001
    batches = [*accumulator._pending_batches, *(b for queue in accumulator._batches.values() for b in queue)]  # noqa: SLF001
    for future in (manager._transaction_waiter, *(batch._drain_waiter for batch in batches)):  # noqa: SLF001
        if future is not None and future.done() and not future.cancelled():
            future.exception()


@overrides_private("aiokafka.producer.sender:AddPartitionsToTxnHandler.handle_response", "17bcd38903ea")
def _shorten_backoff() -> None:
    sender.BACKOFF_OVERRIDE = CONCURRENT_BACKOFF_S
