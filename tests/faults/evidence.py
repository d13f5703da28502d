"""The evidence of a run: every record of its topics, its committed offsets, and its workers' states in memory."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord, TopicPartition

from bannerstream.broker.topics import changelog_name
from bannerstream.settings import Settings
from tests.support.consumer_group import offsets
from tests.support.streams_worker import read_all

Memory = Mapping[int, Mapping[str, bytes]]
"""One worker's packed states by partition and user key."""


@dataclass(frozen=True)
class Earlier:
    """A visitor's state from before the run, whose events are in no topic."""

    contributions: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Per cohort, the weight of the one event, and its time."""
    epoch: int = 0


@dataclass(frozen=True)
class Evidence:
    """All records ever written (nothing is compacted within a run), in the order of each partition."""

    inputs: Sequence[ConsumerRecord]
    changelog: Sequence[ConsumerRecord]
    assignments: Sequence[ConsumerRecord]
    requests: Sequence[ConsumerRecord]
    dead_letters: Sequence[ConsumerRecord]
    committed: Mapping[TopicPartition, int]
    """Committed offsets of clicks and purchases; 0 where nothing was committed."""
    ends: Mapping[TopicPartition, int]
    memories: Sequence[Memory] = ()
    earlier: Mapping[str, Earlier] = field(default_factory=dict)
    """By user key."""
    erased: Set[str] = frozenset()
    """User keys of visitors whose erasure is committed, and who sent no event after it."""


async def gather(
    settings: Settings,
    *,
    memories: Sequence[Memory] = (),
    earlier: Mapping[str, Earlier] | None = None,
    erased: Set[str] = frozenset(),
) -> Evidence:
    """Read everything in an order that gives consistent evidence even while workers write.

    Offsets are read first, because the records below them must be in the topics that are read afterwards. Then follow
    decisions, states and inputs: the causes of a record are read after it.
    """
    topics = settings.kafka.topic_table()
    committed, ends = await offsets(settings)
    return Evidence(
        assignments=await read_all(settings, topics.assignments.name, settled=True),
        requests=await read_all(settings, topics.requests.name, settled=True),
        dead_letters=await read_all(settings, topics.dead_letters.name, settled=True),
        changelog=await read_all(settings, changelog_name(settings.streams.app_id), settled=True),
        inputs=[*await read_all(settings, topics.clicks.name), *await read_all(settings, topics.purchases.name)],
        committed=committed,
        ends=ends,
        memories=memories,
        earlier=earlier or {},
        erased=frozenset(erased),
    )
