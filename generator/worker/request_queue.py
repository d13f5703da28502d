"""The requests that this worker holds: bounded, one entry per banner, fair between cohorts. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.worker.fair_queue import FairQueue
from bannerstream.generator.worker.offsets import Offsets
from bannerstream.generator.worker.records import RequestRecord


@dataclass(slots=True, eq=False)
class PendingBanner:
    """A banner that was asked for, with every record that asks for it."""

    request: BannerRequest
    """Of the record that came first."""
    records: list[RequestRecord] = field(default_factory=list)


class RequestQueue:
    """Requests from being taken to being finished.

    `capacity` bounds the records held: those that wait and those that are worked on. With `previews`, a banner waits
    twice: for its preview (`take_for_preview`), then for itself (`take`). A banner requested again while it is held
    is not made again: the record joins the first, unless that is detached.
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
        """Return how many records are held."""
        return self._offsets.open

    @property
    def free(self) -> int:
        """Return how many records more may be taken."""
        return max(0, self._capacity - self.held)

    @property
    def waiting(self) -> int:
        """Return how many banners wait to be made."""
        return len(self._waiting)

    @property
    def waiting_for_preview(self) -> int:
        """Return how many banners wait for their preview."""
        return len(self._for_preview)

    def hold_rejected(self, record: RequestRecord) -> None:
        """Hold a record that is no request, until its dead letter is written and it is finished."""
        self._offsets.take(partition_of(record), record.offset)

    def put(self, record: RequestRecord, request: BannerRequest) -> None:
        """Hold a request."""
        self._offsets.take(partition_of(record), record.offset)
        wanted = self._open.get(request.banner_key)
        if wanted is not None:
            held = {(partition_of(each), each.offset) for each in wanted.records}
            if (partition_of(record), record.offset) not in held:  # else its partition was lost and given back
                wanted.records.append(record)
            return
        self._open[request.banner_key] = wanted = PendingBanner(request, [record])
        self._enqueue(self._for_preview if self._previews else self._waiting, wanted)

    def take(self, count: int) -> list[PendingBanner]:
        """Return the banners that are made next; their records stay held until they are finished."""
        return [self._waiting.pop() for _ in range(min(count, len(self._waiting)))]

    def take_for_preview(self, count: int) -> list[PendingBanner]:
        """Return the banners that are previewed next."""
        return [self._for_preview.pop() for _ in range(min(count, len(self._for_preview)))]

    def preview_done(self, wanted: PendingBanner) -> None:
        """Let a banner wait to be made, now that its preview is announced."""
        if self.records(wanted):
            self._enqueue(self._waiting, wanted)
        else:
            self.detach(wanted)

    def records(self, wanted: PendingBanner) -> list[RequestRecord]:
        """Return the records that ask for a banner, those of lost partitions left out."""
        return [record for record in wanted.records if self.holds(record)]

    def detach(self, wanted: PendingBanner) -> list[RequestRecord]:
        """Return the records to answer. Who asks for this banner from now on asks anew."""
        if self._open.get(wanted.request.banner_key) is wanted:
            del self._open[wanted.request.banner_key]
        return self.records(wanted)

    def finish(self, records: Iterable[RequestRecord]) -> None:
        """Note that nothing is left to be done for records: they may be committed."""
        for record in records:
            self._offsets.finish(partition_of(record), record.offset)

    def drop_partitions(self, partitions: Iterable[TopicPartition]) -> None:
        """Let go of partitions that went to another worker. What is worked on goes on: its banner may be asked for."""
        self._offsets.drop_partitions(partitions)
        for queue in (self._waiting, self._for_preview):
            for wanted in queue.discard(lambda each: not self.records(each)):
                self.detach(wanted)

    def holds(self, record: RequestRecord) -> bool:
        """Tell whether a record is still ours to answer."""
        return self._offsets.holds(partition_of(record), record.offset)

    def positions(self) -> dict[TopicPartition, int]:
        """Return what to commit."""
        return self._offsets.positions()

    def _enqueue(self, queue: FairQueue[PendingBanner], wanted: PendingBanner) -> None:
        queue.push(wanted, cohort=wanted.request.cohort.cohort_id, age=wanted.records[0].timestamp)


def partition_of(record: RequestRecord) -> TopicPartition:
    """Return where a record came from."""
    return TopicPartition(record.topic, record.partition)
