"""Batches from fetches, built from the bytes that a broker would send."""

import struct
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.record._crc32c import crc as crc32c
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.streams.batching.records import Batch, take_batch

CLICKS = TP("clicks", 0)
PRODUCER = 7
TRANSACTIONAL, CONTROL = 0x10, 0x20
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
COMMITTED, ABORTED = 1, 0  # types of a control record

Header = struct.Struct(">qiibIhiqqqhii")
_CRC_AT, _ATTRIBUTES_AT = 17, 21


def record_batch(
    base: int,
    deltas: Sequence[int] = (0, 1, 2),
    *,
    codec: str = "none",
    attributes: int = 0,
    producer: int = -1,
    last_delta: int | None = None,
    records: Sequence[tuple[bytes | None, bytes | None]] | None = None,
) -> bytes:
    """Return a record batch (magic 2) at offset `base` with records at these deltas: what a broker keeps of one.

    Compaction takes records out of a batch and leaves its last offset (`last_delta`) as it was.
    """
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], 0, producer, 0, 0, 1_000_000)
    for position, delta in enumerate(deltas):
        key, value = records[position] if records else (b"k", b"%d" % (base + delta))
        builder.append(delta, 1_000 + delta, key, value, [("h", b"1")])
    packed = bytearray(builder.build())
    fields = list(Header.unpack_from(packed))
    fields[0] = base
    fields[5] |= attributes
    fields[6] = max(deltas, default=0) if last_delta is None else last_delta
    Header.pack_into(packed, 0, *fields)
    struct.pack_into(">I", packed, _CRC_AT, crc32c(bytes(packed[_ATTRIBUTES_AT:])))
    return bytes(packed)


def marker(base: int, outcome: int) -> bytes:
    """Return the control batch that ends a transaction."""
    key, value = struct.pack(">hh", 0, outcome), struct.pack(">hi", 0, 0)
    return record_batch(base, [0], attributes=TRANSACTIONAL | CONTROL, producer=PRODUCER, records=[(key, value)])


def in_transaction(base: int, deltas: Sequence[int] = (0, 1)) -> bytes:
    return record_batch(base, deltas, attributes=TRANSACTIONAL, producer=PRODUCER)


class Fetched:
    """One fetch of one partition, requested at `position`."""

    def __init__(
        self,
        packed: bytes,
        position: int = 0,
        *,
        aborted: Sequence[tuple[int, int]] = (),
        isolation: int = READ_COMMITTED,
    ) -> None:
        tp = TopicPartition(*CLICKS)
        self.assignment = Assignment([tp])
        self.state = self.assignment.state_value(tp)
        self.state.seek(position)
        partition = PartitionRecords(tp, MemoryRecords(packed), list(aborted), position, None, None, True, isolation)
        self.result = FetchResult(tp, assignment=self.assignment, partition_records=partition, backoff=0)

    def take_batch(self) -> Batch | None:
        return take_batch(self.result, CLICKS)


def offsets(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [each.offset for each in batch.records]


def test_a_batch_builder_makes_what_aiokafka_reads():
    """The tests below depend on it."""
    read = DefaultRecordBatch(record_batch(40, [0, 3], last_delta=9))
    assert read.validate_crc()
    assert (read.base_offset, read.next_offset, [each.offset for each in read]) == (40, 50, [40, 43])


@pytest.mark.parametrize("codec", CODECS)
async def test_records_come_as_they_were_written_whatever_compresses_them(codec):
    fetched = Fetched(record_batch(5, codec=codec) + record_batch(8, codec=codec), 5)
    batch = fetched.take_batch()
    assert (batch.tp, batch.begin, batch.end) == (CLICKS, 5, 11)
    assert offsets(batch) == [5, 6, 7, 8, 9, 10]
    first = batch.records[0]
    assert (first.key, first.value, first.timestamp, list(first.headers)) == (b"k", b"5", 1_000, [("h", b"1")])
    assert fetched.state.position == 11


@pytest.mark.parametrize("codec", CODECS)
async def test_a_batch_that_begins_before_the_position_comes_without_what_lies_before_it(codec):
    batch = Fetched(record_batch(5, [0, 1, 2, 3], codec=codec), 7).take_batch()
    assert (batch.begin, batch.end, offsets(batch)) == (7, 9, [7, 8])


async def test_holes_that_compaction_left_are_covered():
    packed = record_batch(5, [1, 3], last_delta=9) + record_batch(20, [0])
    batch = Fetched(packed, 5).take_batch()
    assert (batch.begin, batch.end, offsets(batch)) == (5, 21, [6, 8, 20])


async def test_a_batch_that_compaction_emptied_is_a_stretch_without_records():
    fetched = Fetched(record_batch(5, [], last_delta=4), 5)
    batch = fetched.take_batch()
    assert (batch.begin, batch.end, offsets(batch)) == (5, 10, [])
    assert fetched.state.position == 10


async def test_markers_of_transactions_are_no_records():
    batch = Fetched(in_transaction(5) + marker(7, COMMITTED) + record_batch(8, [0]), 5).take_batch()
    assert (batch.begin, batch.end, offsets(batch)) == (5, 9, [5, 6, 8])


async def test_what_a_transaction_aborted_never_happened():
    packed = (
        record_batch(3, [0, 1]) + in_transaction(5) + marker(7, ABORTED) + in_transaction(8) + marker(10, COMMITTED)
    )
    batch = Fetched(packed, 3, aborted=[(PRODUCER, 5)]).take_batch()
    assert (batch.begin, batch.end, offsets(batch)) == (3, 11, [3, 4, 8, 9])


async def test_records_of_others_between_those_of_an_aborted_transaction_count():
    packed = in_transaction(5) + record_batch(7, [0]) + in_transaction(8) + marker(10, ABORTED)
    assert offsets(Fetched(packed, 5, aborted=[(PRODUCER, 5)]).take_batch()) == [7]


async def test_who_reads_what_is_not_committed_sees_aborted_records_and_still_no_markers():
    packed = in_transaction(5) + marker(7, ABORTED)
    batch = Fetched(packed, 5, aborted=[(PRODUCER, 5)], isolation=READ_UNCOMMITTED).take_batch()
    assert (batch.end, offsets(batch)) == (8, [5, 6])


async def test_a_wrong_checksum_is_raised_and_nothing_is_skipped():
    damaged = bytearray(record_batch(8))
    damaged[-2] ^= 1
    fetched = Fetched(record_batch(5) + bytes(damaged), 5)
    with pytest.raises(CorruptRecordException, match="CRC"):
        fetched.take_batch()
    assert fetched.state.position == 5


async def test_what_was_fetched_before_a_seek_is_dropped():
    fetched = Fetched(record_batch(5), 5)
    fetched.state.seek(2)
    assert fetched.take_batch() is None
    assert fetched.state.position == 2


async def test_what_was_fetched_for_an_assignment_that_is_over_is_dropped():
    fetched = Fetched(record_batch(5), 5)
    fetched.assignment._unassign()
    assert fetched.take_batch() is None


CODEC_OF_A_BATCH = st.sampled_from(["none", "gzip", "lz4"])


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 6)), st.integers(0, 3), CODEC_OF_A_BATCH), min_size=1), st.integers(0, 6)
)
async def test_whatever_is_fetched_is_what_aiokafka_itself_would_return(batches, into_the_first):
    packed, base = b"", 10
    for deltas, hole, codec in batches:
        packed += record_batch(base, sorted(deltas), codec=codec, last_delta=max(deltas, default=0))
        base += max(deltas, default=0) + 1 + hole
    position = 10 + min(into_the_first, max(batches[0][0], default=0))  # brokers send nothing that ends before it
    expected, ours = Fetched(packed, position), Fetched(packed, position)
    records, batch = expected.result.getall(), ours.take_batch()
    assert ours.state.position == expected.state.position
    taken = batch.records if batch is not None else []
    assert [(each.offset, each.value) for each in taken] == [(each.offset, each.value) for each in records]


def stretch(begin: int, end: int, holes: Collection[int] = ()) -> Batch:
    packed = b"".join(record_batch(each, [0]) for each in range(begin, end) if each not in holes)
    return Batch(CLICKS, begin, end, [record for each in batches_of(packed) for record in each])


def batches_of(packed: bytes) -> Iterator[Any]:
    records = MemoryRecords(packed)
    while records.has_next():
        yield records.next_batch()


@given(st.integers(0, 20), st.sets(st.integers(0, 20)), st.integers(1, 7))
def test_slices_join_without_a_gap(end, holes, size):
    whole = stretch(0, end, holes)
    slices = list(whole.slices(size))
    assert [each.begin for each in slices] == [0, *(each.end for each in slices[:-1])]
    assert slices[-1].end == whole.end
    assert [each for part in slices for each in part.records] == list(whole.records)
    assert all(len(each.records) <= size for each in slices)
    for part in slices:
        assert all(part.begin <= record.offset < part.end for record in part.records)


def test_a_stretch_without_records_is_one_slice():
    assert list(stretch(5, 9, range(5, 9)).slices(2)) == [Batch(CLICKS, 5, 9, [])]


@given(st.integers(0, 12))
def test_the_part_after_an_offset_begins_there(offset):
    part = stretch(3, 10, [5, 6]).after(offset)
    assert (part.begin, part.end) == (max(3, offset), 10)
    assert offsets(part) == [each for each in (3, 4, 7, 8, 9) if each >= offset]
