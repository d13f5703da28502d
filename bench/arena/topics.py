"""Creates, deletes and reads whole topics, and reads a group's committed offsets."""

from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

CLIENT = {"log_level": 2}
"""librdkafka logs a line for every broker that is stopped; errors that matter are raised."""

_BATCH = 50_000
_TIMEOUT_S = 30.0


class Topics:
    """One broker's topics."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = AdminClient({**CLIENT, "bootstrap.servers": bootstrap})
        self._consumer = self._reader("bench-reader")

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic with the default configuration."""
        self._admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()

    def delete(self, topics: Sequence[str]) -> None:
        """Delete topics; the broker frees their disk space a minute later."""
        for deleted in self._admin.delete_topics(list(topics)).values() if topics else ():
            deleted.result()

    def names(self) -> set[str]:
        """Return the names of all topics."""
        return set(self._admin.list_topics(timeout=_TIMEOUT_S).topics)

    def ends(self, topic: str) -> list[int]:
        """Return the end offset of each partition."""
        partitions = self._admin.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        return [
            self._consumer.get_watermark_offsets(TopicPartition(topic, tp), timeout=_TIMEOUT_S)[1]
            for tp in sorted(partitions)
        ]

    def read(self, topic: str, partition: int) -> Iterator[Message]:
        """Yield a partition's records from its beginning to its present end."""
        start, _ = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)
        consumer = self._reader("bench-reader", **{"enable.partition.eof": True})  # its last offset may be no record
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            while True:
                for message in consumer.consume(_BATCH, timeout=1.0):
                    if (error := message.error()) is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  (its public name)
                        return
                    else:
                        raise KafkaException(error)
        finally:
            consumer.close()

    def committed(self, group: str, topic: str, partitions: int) -> "Committed":
        """Return a reader of a group's committed offsets, which does not join the group."""
        return Committed(self._reader(group), [TopicPartition(topic, number) for number in range(partitions)])

    def _reader(self, group: str, **options: object) -> Consumer:
        return Consumer(
            {**CLIENT, "bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False, **options}
        )


class Committed:
    """A group's committed offsets of one topic; close after use."""

    def __init__(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self.close = consumer.close

    def offsets(self) -> list[int]:
        """Return the next offset of each partition; 0 where nothing is committed."""
        return [max(0, position.offset) for position in self._consumer.committed(self._partitions, timeout=_TIMEOUT_S)]
