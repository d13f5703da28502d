"""What can be wrong with the topics on a broker, from their descriptions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bannerstream.broker.errors import TopicMismatch, TopicMissing
from bannerstream.contracts.topics import Topic
from bannerstream.settings.kafka import KafkaSettings

TIMESTAMP_TYPE, LOG_APPEND_TIME = "message.timestamp.type", "LogAppendTime"
"""Kafka's setting of whose clock a record's timestamp is, and its value for the broker's (KIP-32)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of one topic. `missing` and `partitions` stop the services, the others only warn."""

    topic: str
    kind: Literal["missing", "partitions", "cleanup", "replication", "timestamps"]
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Results of `check_topics`. `notes` list what could not be checked."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    def refuse(self) -> None:
        """Raise for problems that no service can run with.

        Raises:
            TopicMissing, TopicMismatch: the message lists every such problem.
        """
        for kind, error in (("missing", TopicMissing), ("partitions", TopicMismatch)):
            if messages := [each.message for each in self.problems if each.kind == kind]:
                raise error("; ".join(messages))


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the broker describes it."""

    partitions: int
    replication: int
    """The lowest among its partitions."""


def missing_topics(topics: list[Topic], there: dict[str, TopicState]) -> Iterator[Problem]:
    """Yield a problem for each topic that the broker does not have."""
    for topic in topics:
        if topic.name not in there:
            yield Problem(
                topic.name,
                "missing",
                f"topic {topic.name} (written by {topic.written_by}) is missing: run `bannerstream topics create`",
            )


def uneven_topics(together: list[str], there: dict[str, TopicState], *, otherwise: str) -> Iterator[Problem]:
    """Yield a problem for each topic that differs from the first in its number of partitions."""
    counts = {name: there[name].partitions for name in together if name in there}
    if len(set(counts.values())) > 1:
        counted = ", ".join(f"{name} has {count}" for name, count in counts.items())
        first, *others = counts
        for name in others:
            if counts[name] != counts[first]:
                advice = f"recreate {name} with {counts[first]}{otherwise}"
                yield Problem(name, "partitions", f"these topics need equally many partitions: {counted}; {advice}")


def badly_cleaned_topics(topics: list[Topic], configs: dict[str, dict[str, str]]) -> Iterator[Problem]:
    """Yield a problem for each topic with another cleanup policy than its role needs."""
    for topic in topics:
        cleanup = configs.get(topic.name, {}).get("cleanup.policy")
        if cleanup is not None and {each.strip() for each in cleanup.split(",")} != {topic.cleanup}:
            harm = "old values would be lost" if topic.cleanup == "compact" else "events of one key would be dropped"
            yield Problem(
                topic.name,
                "cleanup",
                f"topic {topic.name} has cleanup.policy={cleanup} instead of {topic.cleanup}: {harm}",
            )


def topics_dated_by_clients(settings: KafkaSettings, configs: dict[str, dict[str, str]]) -> Iterator[Problem]:
    """Yield a problem for each topic of events whose records keep the times of clients."""
    table = settings.topic_table()
    for name in (table.clicks.name, table.purchases.name):
        dated_by = configs.get(name, {}).get(TIMESTAMP_TYPE)
        if dated_by not in (None, LOG_APPEND_TIME):
            yield Problem(
                name,
                "timestamps",
                f"topic {name} has {TIMESTAMP_TYPE}={dated_by}: a client whose clock is ahead dates the arrival of its "
                f"events, too, and its visitors' banners stay until that time has come; set {LOG_APPEND_TIME} with "
                f"`kafka-configs --alter --entity-type topics --entity-name {name} --add-config "
                f"{TIMESTAMP_TYPE}={LOG_APPEND_TIME}`",
            )


def thinly_replicated_topics(
    settings: KafkaSettings, topics: list[Topic], there: dict[str, TopicState]
) -> Iterator[Problem]:
    """Yield a problem for each topic with fewer replicas than the settings ask for."""
    for topic in topics:
        state = there.get(topic.name)
        if state is not None and state.replication < settings.replication_factor:
            yield Problem(
                topic.name,
                "replication",
                f"topic {topic.name} has {state.replication} replicas, kafka.replication_factor asks for "
                f"{settings.replication_factor}",
            )
