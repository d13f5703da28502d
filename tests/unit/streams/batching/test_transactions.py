"""Transactions of one partition number, with a producer whose brokers refuse, fence and fall silent as a test wants."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from bannerstream.streams.batching import bulk_producer
from bannerstream.streams.batching import transactions as module
from bannerstream.streams.batching.bulk_producer import OutgoingRecord, Write
from bannerstream.streams.batching.errors import WriteAborted
from bannerstream.streams.batching.transactions import Transactions
from tests.support.waiting import until

CLICKS = TP("clicks", 0)


class Brokers:
    """Keeps committed records and offsets by transactional id; the latest producer of an id fences the others."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int, bytes | None]] = []
        self.offsets: dict[tuple[str, int], int] = {}
        self.groups: set[str] = set()
        self.owners: dict[str, Producer] = {}
        self.expected: dict[tuple[str, int], int] = {}
        """The next sequence number by topic and partition."""
        self.aborted = 0
        self.too_large = 10_000
        self.connect_failures: list[KafkaError] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def connect(self, transactional_id: str) -> "Producer":
        if self.connect_failures:
            raise self.connect_failures.pop(0)
        self.expected = {}
        self.owners[transactional_id] = producer = Producer(self, transactional_id)
        return producer


class Producer:
    """The part of a transactional `AIOKafkaProducer` that is used."""

    def __init__(self, brokers: Brokers, transactional_id: str) -> None:
        self._brokers = brokers
        self._id = transactional_id
        self._txn_manager = TransactionManager(transactional_id, 1000)
        self._txn_manager.set_pid_and_epoch(1, 0)
        self._message_accumulator = SimpleNamespace(_pending_batches=set(), _batches={})
        self._open: list[tuple[str, int, bytes | None]] = []
        self._offsets: dict[tuple[str, int], int] = {}
        self.is_stopped = False

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(1_000, 0, is_transactional=1)

    async def begin_transaction(self) -> None:
        self._txn_manager.begin_transaction()

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        count, key = batch.record_count(), (topic, partition)
        sequence = self._txn_manager.sequence_number(TopicPartition(*key))
        self._txn_manager.increment_sequence_number(TopicPartition(*key), count)
        records = MemoryRecords(bytes(batch._build()))
        values = [record.value for record in records.next_batch()]
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._brokers.owners[self._id] is not self:
            future.set_exception(ProducerFenced())
        elif max(map(len, values)) > self._brokers.too_large:
            future.set_exception(MessageSizeTooLargeError())
        else:
            assert sequence == self._brokers.expected.get(key, 0), "the broker would find a gap"
            self._brokers.expected[key] = sequence + count
            self._open += [(topic, partition, value) for value in values]
            future.set_result(SimpleNamespace(offset=10))
        return future

    async def send_offsets_to_transaction(self, offsets: dict[TopicPartition, int], group: str) -> None:
        self._brokers.groups.add(group)
        self._offsets = {(tp.topic, tp.partition): offset for tp, offset in offsets.items()}

    async def commit_transaction(self) -> None:
        await self._brokers.answers.wait()
        if self._brokers.owners[self._id] is not self:
            self._txn_manager.fatal_error(ProducerFenced())
            raise ProducerFenced
        self._brokers.log += self._open
        self._brokers.offsets |= self._offsets
        self._end(self._txn_manager.committing_transaction)

    async def abort_transaction(self) -> None:
        self._brokers.aborted += 1
        self._end(self._txn_manager.aborting_transaction)

    def _end(self, ending: Any) -> None:
        ending()
        self._txn_manager.complete_transaction()
        self._open, self._offsets = [], {}

    async def stop(self) -> None:
        self.is_stopped = True


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    monkeypatch.setattr(bulk_producer, "FIRST_RETRY_S", 0.0)
    monkeypatch.setattr(bulk_producer, "LAST_RETRY_S", 0.0)
    return Brokers()


@pytest.fixture
async def transactions(brokers: Brokers) -> AsyncIterator[Transactions]:
    transactions = Transactions(brokers.connect, "app")  # type: ignore[arg-type]  # a fake
    await transactions.open([0])
    yield transactions
    await transactions.close()


def record(value: bytes) -> OutgoingRecord:
    return b"key", value, []


async def test_records_and_offsets_are_committed_together_under_the_id_of_the_partition(brokers, transactions):
    ends = await transactions.commit(
        0, [Write("changelog", 0, [record(b"state")] * 2), Write("effects", 3, [record(b"effect")])], {CLICKS: 7}
    )
    assert ends == {("changelog", 0): 12, ("effects", 3): 11}
    assert brokers.log == [("changelog", 0, b"state"), ("changelog", 0, b"state"), ("effects", 3, b"effect")]
    assert (brokers.offsets, brokers.groups, set(brokers.owners)) == ({CLICKS: 7}, {"app"}, {"app-0"})


async def test_offsets_alone_and_records_alone_are_transactions_too(brokers, transactions):
    await transactions.commit(0, [Write("changelog", 0, [])], {CLICKS: 7})
    await transactions.commit(0, [Write("changelog", 0, [record(b"state")])], {})
    assert (brokers.offsets, brokers.log) == ({CLICKS: 7}, [("changelog", 0, b"state")])


async def test_a_fenced_producer_writes_nothing_and_is_not_used_again(brokers, transactions):
    theirs = await brokers.connect("app-0")
    with pytest.raises(WriteAborted, match="newer producer"):
        await transactions.commit(0, [Write("changelog", 0, [record(b"stale")])], {CLICKS: 7})
    with pytest.raises(WriteAborted, match="not assigned"):
        await transactions.commit(0, [Write("changelog", 0, [record(b"stale")])], {CLICKS: 7})
    assert (brokers.log, brokers.offsets, brokers.owners["app-0"]) == ([], {}, theirs)


async def test_who_is_fenced_before_the_end_writes_nothing(brokers, transactions):
    brokers.answers.clear()
    writing = asyncio.create_task(transactions.commit(0, [Write("changelog", 0, [record(b"stale")])], {CLICKS: 7}))
    await until(lambda: brokers.groups, "the offsets are sent")
    await brokers.connect("app-0")
    brokers.answers.set()
    with pytest.raises(WriteAborted):
        await writing
    assert (brokers.log, brokers.offsets) == ([], {})


async def test_after_an_assignment_the_partition_has_another_producer_and_others_are_closed(brokers, transactions):
    first = brokers.owners["app-0"]
    await transactions.open([0, 1])
    assert first.is_stopped
    assert brokers.owners["app-0"] is not first
    await transactions.commit(1, [Write("changelog", 1, [record(b"state")])], {})
    await transactions.open([0])
    assert brokers.owners["app-1"].is_stopped
    with pytest.raises(WriteAborted):
        await transactions.commit(1, [Write("changelog", 1, [record(b"state")])], {})


async def test_brokers_that_are_away_are_waited_for_but_not_those_that_do_not_permit_the_id(brokers, transactions):
    brokers.connect_failures = [KafkaConnectionError(), KafkaConnectionError()]
    await transactions.open([0])
    await transactions.commit(0, [Write("changelog", 0, [record(b"state")])], {})
    brokers.connect_failures = [TransactionalIdAuthorizationFailed("app-0")]
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await transactions.open([0])


async def test_a_record_that_is_refused_ends_the_transaction_until_it_is_accepted(brokers, transactions):
    await transactions.commit(0, [Write("changelog", 0, [record(b"first")])], {CLICKS: 1})
    brokers.too_large = 4
    writing = asyncio.create_task(
        transactions.commit(0, [Write("changelog", 0, [record(b"state")]), Write("effects", 0, [record(b"e")])], {})
    )
    await until(lambda: brokers.aborted >= 3, "it is tried again")
    assert len(brokers.log) == 1
    brokers.too_large = 10_000
    await writing
    assert brokers.log[1:] == [("changelog", 0, b"state"), ("effects", 0, b"e")]


async def test_a_letter_that_is_too_large_is_replaced_and_all_the_rest_is_kept(brokers, transactions):
    brokers.too_large = 4
    letters = Write("letters", 0, [record(b"a"), record(b"long letter")], lambda letter: record(b"bare"))
    await transactions.commit(0, [letters, Write("changelog", 0, [record(b"b")])], {CLICKS: 7})
    assert sorted(brokers.log) == [("changelog", 0, b"b"), ("letters", 0, b"a"), ("letters", 0, b"bare")]
    assert brokers.offsets == {CLICKS: 7}


async def test_a_worker_that_stops_waits_only_so_long_for_brokers_that_are_silent(brokers, transactions, monkeypatch):
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.01)
    brokers.answers.clear()
    writing = asyncio.create_task(transactions.commit(0, [Write("changelog", 0, [record(b"state")])], {CLICKS: 7}))
    await until(lambda: brokers.groups, "the offsets are sent")
    transactions.stop_retrying()
    with pytest.raises(WriteAborted, match="while the worker stopped"):
        await writing


async def test_a_transaction_that_is_answered_while_the_worker_stops_is_committed(brokers, transactions):
    brokers.answers.clear()
    writing = asyncio.create_task(transactions.commit(0, [Write("changelog", 0, [record(b"state")])], {CLICKS: 7}))
    await until(lambda: brokers.groups, "the offsets are sent")
    transactions.stop_retrying()
    brokers.answers.set()
    await writing
    assert brokers.offsets == {CLICKS: 7}
