"""A checkpointer and its fakes: brokers that acknowledge when a test allows it, and a journal of all actions."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from faust.types import TP

from bannerstream.streams.batching.bulk_producer import Write
from bannerstream.streams.batching.checkpointer import Checkpoint, Checkpointer
from bannerstream.streams.batching.errors import WriteAborted
from bannerstream.streams.batching.records import Batch
from bannerstream.streams.batching.store import Codec, Partitions, decoded_states
from tests.support.waiting import until

DEADLINE_S = 10
Journal = list[tuple[Any, ...]]


class Brokers:
    """Fake producer: acknowledges each delivery when the test opens it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.open = asyncio.Event()
        self.open.set()
        self.requested = asyncio.Event()
        self.fails: BaseException | None = None
        self.may_write = True
        self.ends: dict[int, int] = {}

    async def deliver(self, writes: Sequence[Write]) -> dict[tuple[str, int], int]:
        self.requested.set()
        await self.open.wait()
        if self.fails is not None:
            raise self.fails
        if not self.may_write:
            raise WriteAborted("raised by the test")
        for write in writes:
            self.journal.append(("state", write.partition, [(key, value) for key, value, _ in write.records]))
            self.ends[write.partition] = self.ends.get(write.partition, 0) + len(write.records)
        return {(write.topic, write.partition): self.ends[write.partition] for write in writes}


class Consumer:
    """Fake of the consumer and its positions: records applied batches and discards."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    @property
    def positions(self) -> "Consumer":
        return self

    def apply(self, batch: Batch) -> None:
        self.journal.append(("applied", batch.tp.partition, batch.end))

    def uncommitted(self, offsets: dict[TP, int]) -> dict[TP, int]:
        return offsets

    def committed_in_round(self, offsets: dict[TP, int]) -> None:
        self.journal.append(("committed", offsets))

    def discard_uncommitted(self) -> None:
        self.journal.append(("discarded",))

    def rejoin(self) -> None:
        self.journal.append(("rejoins",))


class World:
    """A checkpointer and its fakes."""

    def __init__(self) -> None:
        self.journal: Journal = []
        self.checkpoints: list[Checkpoint] = []
        self.defects: list[BaseException] = []
        self.brokers = Brokers(self.journal)
        self.consumer = Consumer(self.journal)
        self.partitions = Partitions(decoded_states(Codec(bytes, bytes)))
        self.publish_fails: BaseException | None = None
        self.checkpointer: Checkpointer[str] = Checkpointer(
            self.partitions,
            "changelog",
            self.brokers,  # type: ignore[arg-type]  # the part of a producer that the checkpointer uses
            self.publish,
            lambda: self.consumer,
            on_defect=self.on_defect,
            publish_first=self.publish_first,
            on_checkpoint=self.checkpoints.append,
        )

    async def publish(self, effects: Sequence[str]) -> list[Write]:
        if self.publish_fails is not None:
            raise self.publish_fails
        self.journal.append(("effects", list(effects)))
        return []

    async def publish_first(self, effects: Sequence[str]) -> list[Write]:
        if refused := [effect for effect in effects if effect.startswith("refused")]:
            self.journal.append(("first", refused))
        return []

    async def on_defect(self, error: BaseException) -> None:
        self.defects.append(error)

    def fold(self, partition: int, **states: bytes) -> None:
        for key, state in states.items():
            self.partitions[partition].put(key.encode(), state)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Return once the condition holds; if it does not, show the journal."""
        await until(condition, lambda: f"the journal has it: {self.journal}", patience_s=DEADLINE_S)

    async def held(self) -> None:
        """Hold the acknowledgement of the next delivery, and return once it is requested."""
        self.brokers.open.clear()
        self.brokers.requested.clear()
        self.checkpointer.submit(batch(9, 0, 1), effects="held")
        await asyncio.wait_for(self.brokers.requested.wait(), DEADLINE_S)

    def kinds(self) -> list[str]:
        return [entry[0] for entry in self.journal]


def batch(partition: int, begin: int, end: int) -> Batch:
    return Batch(TP("clicks", partition), begin, end, [])


async def within_deadline(waiting: Any) -> Any:
    return await asyncio.wait_for(waiting, DEADLINE_S)
