"""How far Pathway is: it commits no offsets, but each state that it writes holds its user's last offset."""

import struct
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from bench.arena.topics import CLIENT, Topics

_OFFSET = struct.Struct("<q")
_BATCH = 50_000
_POLL_S = 0.01
_DIFF = "pathway_diff"
"""The header that tells an inserted row (1) from one that it replaces (-1)."""


class Written:
    """The last offset of each partition that a changelog has a state of; close after use.

    A user's states lie in the partition of their events: both are keyed by the user, over as many partitions. The
    engine writes one minibatch after another, so that a partition's last event comes last.
    """

    def __init__(self, bootstrap: str, changelog: str, partitions: int) -> None:
        self._consumer = Consumer(
            {**CLIENT, "bootstrap.servers": bootstrap, "group.id": "bench-written", "enable.auto.commit": False}
        )
        self._consumer.assign([TopicPartition(changelog, number, 0) for number in range(partitions)])
        self._next = [0] * partitions

    def offsets(self) -> list[int]:
        """Return the next offset of each partition."""
        while messages := self._consumer.consume(_BATCH, timeout=_POLL_S):
            for message in messages:
                if message.error() is not None:
                    raise KafkaException(message.error())
                if _is_inserted(message):
                    number = message.partition()
                    self._next[number] = max(self._next[number], _OFFSET.unpack_from(message.value())[0] + 1)
        return list(self._next)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()


def insertions(topics: Topics, changelog: str) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield partition, user and state of each inserted row, in the order of each partition."""
    for partition in range(len(topics.ends(changelog))):
        for message in topics.read(changelog, partition):
            if _is_inserted(message):
                yield partition, message.key(), message.value()


def _is_inserted(message: Message) -> bool:
    return dict(message.headers() or ()).get(_DIFF) == b"1"
