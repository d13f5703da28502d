"""Batches of records as fetched: no Python object per record beyond aiokafka's own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import CorruptRecordException
from faust.types import TP

from bannerstream.streams.batching.compat import overrides_private

MAX_BATCH = 5_000
"""Records handed to an agent at once. A compressed fetch of 1 MiB may hold far more, and folding blocks the event loop:
5,000 at 5 µs take 25 ms, short compared with a heartbeat and with the promised latency."""


class RawRecord(Protocol):
    """A record as parsed by aiokafka (`aiokafka.record.default_records.DefaultRecord`). Times are epoch ms."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> list[tuple[str, bytes | None]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Batch:
    """A range of one partition's log: every record from offset `begin` (inclusive) to `end` (exclusive).

    Offsets without a record exist (compaction, retention, transaction markers). The explicit range, beside the records,
    distinguishes such a hole from a loss.
    """

    tp: TP
    begin: int
    end: int
    records: Sequence[RawRecord]

    def after(self, offset: int) -> "Batch":
        """Return the part of the batch that begins at `offset`."""
        if offset <= self.begin:
            return self
        return Batch(self.tp, offset, self.end, [record for record in self.records if record.offset >= offset])

    def slices(self, size: int = MAX_BATCH) -> Iterator["Batch"]:
        """Split it into contiguous batches of at most `size` records."""
        begin = self.begin
        for start in range(0, len(self.records), size):
            records = self.records[start : start + size]
            end = records[-1].offset + 1 if start + size < len(self.records) else self.end
            yield Batch(self.tp, begin, end, records)
            begin = end
        if not self.records:
            yield self


@overrides_private("aiokafka.consumer.fetcher:FetchResult.getall", "b638929de343")
def take_batch(result: FetchResult, tp: TP) -> Batch | None:
    """Return everything that one fetch returned for a partition, or None if the partition was sought meanwhile.

    Does the same as `FetchResult.getall`, a record batch at a time, without a `ConsumerRecord` per record: those cost
    more than everything else in a fetch.

    Raises:
        CorruptRecordException: a checksum does not match.
    """
    if not result.check_assignment(result._topic_partition) or not result.has_more():  # noqa: SLF001
        return None
    partition: Any = result._partition_records  # noqa: SLF001
    begin: int = partition.next_fetch_offset
    records: list[RawRecord] = []
    while partition._records.has_next():  # noqa: SLF001
        batch = partition._records.next_batch()  # noqa: SLF001
        if partition._check_crcs and not batch.validate_crc():  # noqa: SLF001
            raise CorruptRecordException(f"Invalid CRC - {tp}")
        if not _was_aborted(partition, batch) and not batch.is_control_batch:
            found = list(batch)
            if found and found[0].offset < partition.next_fetch_offset:  # brokers send compressed batches whole
                found = [record for record in found if record.offset >= partition.next_fetch_offset]
            records += found
        partition.next_fetch_offset = batch.next_offset
    end: int = partition.next_fetch_offset
    result._update_position()  # noqa: SLF001
    result._partition_records = None  # noqa: SLF001
    return Batch(tp, begin, end, records) if end > begin else None


@overrides_private("aiokafka.consumer.fetcher:PartitionRecords._unpack_records", "047f7fc3f005")
def _was_aborted(partition: Any, batch: Any) -> bool:
    """Return whether a record batch belongs to an aborted transaction, and track the abort markers."""
    if partition._isolation_level != READ_COMMITTED or batch.producer_id is None:  # noqa: SLF001
        return False
    partition._consume_aborted_up_to(batch.base_offset)  # noqa: SLF001
    if batch.is_control_batch and partition._contains_abort_marker(batch):  # noqa: SLF001
        partition._aborted_producers.discard(batch.producer_id)  # noqa: SLF001
    return batch.is_transactional and batch.producer_id in partition._aborted_producers  # noqa: SLF001
