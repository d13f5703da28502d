"""What a run left behind: every record of its topics, its committed offsets, and what its workers held in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from broker.connection import client_options
from broker.topics import changelog_name
from settings import Settings
from tests.faults.group import offsets

Memory = Mapping[int, Mapping[str, bytes]]
"""One worker's packed states by partition and user key."""


@dataclass(frozen=True)
class Earlier:
    """What a visitor's state said before the run: it is in the changelog, its events are in no topic."""

    contributions: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Per cohort, the weight of the one event, and its time."""
    epoch: int = 0


@dataclass(frozen=True)
class Evidence:
    """Topics hold all that was ever written (nothing is compacted within a run), in the order of each partition."""

    inputs: Sequence[ConsumerRecord]
    changelog: Sequence[ConsumerRecord]
    assignments: Sequence[ConsumerRecord]
    requests: Sequence[ConsumerRecord]
    dead_letters: Sequence[ConsumerRecord]
    committed: Mapping[TopicPartition, int]
    """Of clicks and purchases; 0 where nothing was."""
    ends: Mapping[TopicPartition, int]
    memories: Sequence[Memory] = ()
    earlier: Mapping[str, Earlier] = field(default_factory=dict)
    """By user key."""


async def gather(
    settings: Settings, *, memories: Sequence[Memory] = (), earlier: Mapping[str, Earlier] | None = None
) -> Evidence:
    """Read everything, so that it fits together even while workers write.

    Offsets come first: what they claim must be in topics that are read after them. Then decisions, states, inputs: of
    what is told, the reasons are read after it.
    """
    topics = settings.kafka.topic_table()
    committed, ends = await offsets(settings)
    return Evidence(
        assignments=await _read(settings, topics.assignments.name),
        requests=await _read(settings, topics.requests.name),
        dead_letters=await _read(settings, topics.dead_letters.name),
        changelog=await _read(settings, changelog_name(settings.streams.app_id)),
        inputs=[*await _read(settings, topics.clicks.name), *await _read(settings, topics.purchases.name)],
        committed=committed,
        ends=ends,
        memories=memories,
        earlier=earlier or {},
    )


async def _read(settings: Settings, topic: str) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(**client_options(settings.kafka), group_id=None)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, each) for each in range(settings.kafka.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[ConsumerRecord] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records += batch
        return records
    finally:
        await consumer.stop()
