"""Holds this worker's requests: bounded, one entry per banner, fair between cohorts. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.worker.fair_queue import FairQueue
from bannerstream.generator.worker.offsets import Offsets
from bannerstream.generator.worker.records import RequestRecord


@dataclass(slots=True, eq=False)
class PendingBanner:
    """A requested banner, with every record that requests it."""

    request: BannerRequest
    """The first record's request."""
    records: list[RequestRecord] = field(default_factory=list)


class RequestQueue:
    """Requests from taken to finished.

    `capacity` bounds the records held, waiting and in progress together. With `previews`, a banner waits twice: for its
    preview (`take_for_preview`), then for itself (`take`). A banner requested again while it is held is not made again:
    the record joins the pending banner, unless that is detached, or only the record asks for a repair.
    """

    def __init__(self, capacity: int, *, previews: bool = False) -> None:
        self._capacity = capacity
        self._previews = previews
        self._offsets = Offsets()
        self._open: dict[str, PendingBanner] = {}
        self._waiting: FairQueue[PendingBanner] = FairQueue()
        self._for_preview: FairQueue[PendingBanner] = FairQueue()

    @property
    def held(self) -> int:
        """Number of records held."""
        return self._offsets.open

    @property
    def free(self) -> int:
        """Number of further records that fit."""
        return max(0, self._capacity - self.held)

    @property
    def waiting(self) -> int:
        """Number of banners that wait to be made."""
        return len(self._waiting)

    @property
    def waiting_for_preview(self) -> int:
        """Number of banners that wait for their preview."""
        return len(self._for_preview)

    def hold_rejected(self, record: RequestRecord) -> None:
        """Hold an invalid record until its dead letter is written."""
        self._offsets.take(partition_of(record), record.offset)

    def put(self, record: RequestRecord, request: BannerRequest) -> None:
        """Hold a request."""
        self._offsets.take(partition_of(record), record.offset)
        pending = self._open.get(request.banner_key)
        # A repair does not join a request that may be in progress already and takes what is stored for whole.
        if pending is not None and pending.request.repairs_revision >= request.repairs_revision:
            held = {(partition_of(known), known.offset) for known in pending.records}
            if (partition_of(record), record.offset) not in held:  # else its partition was lost and assigned again
                pending.records.append(record)
            return
        self._open[request.banner_key] = pending = PendingBanner(request, [record])
        self._enqueue(self._for_preview if self._previews else self._waiting, pending)

    def take(self, count: int) -> list[PendingBanner]:
        """Remove and return the next banners to make; their records stay held until they are finished."""
        return [self._waiting.pop() for _ in range(min(count, len(self._waiting)))]

    def take_for_preview(self, count: int) -> list[PendingBanner]:
        """Remove and return the next banners to preview."""
        return [self._for_preview.pop() for _ in range(min(count, len(self._for_preview)))]

    def preview_done(self, pending: PendingBanner) -> None:
        """Queue a banner to be made, once its preview is announced."""
        if self.records(pending):
            self._enqueue(self._waiting, pending)
        else:
            self.detach(pending)

    def records(self, pending: PendingBanner) -> list[RequestRecord]:
        """Return the records that request a banner, without those of lost partitions."""
        return [record for record in pending.records if self.holds(record)]

    def detach(self, pending: PendingBanner) -> list[RequestRecord]:
        """Return the records to answer; a later request for this banner becomes a new entry."""
        if self._open.get(pending.request.banner_key) is pending:
            del self._open[pending.request.banner_key]
        return self.records(pending)

    def finish(self, records: Iterable[RequestRecord]) -> None:
        """Mark records as finished: they may be committed."""
        for record in records:
            self._offsets.finish(partition_of(record), record.offset)

    def drop_partitions(self, partitions: Iterable[TopicPartition]) -> None:
        """Drop partitions that moved to another worker. Banners in progress continue: others may request them."""
        self._offsets.drop_partitions(partitions)
        for queue in (self._waiting, self._for_preview):
            for pending in queue.discard(lambda pending: not self.records(pending)):
                self.detach(pending)

    def holds(self, record: RequestRecord) -> bool:
        """Return whether this worker still has to answer a record."""
        return self._offsets.holds(partition_of(record), record.offset)

    def positions(self) -> dict[TopicPartition, int]:
        """Return the offsets to commit."""
        return self._offsets.positions()

    def _enqueue(self, queue: FairQueue[PendingBanner], pending: PendingBanner) -> None:
        queue.push(pending, cohort=pending.request.cohort.cohort_id, age=pending.records[0].timestamp)


def partition_of(record: RequestRecord) -> TopicPartition:
    """Return the partition of a record."""
    return TopicPartition(record.topic, record.partition)
