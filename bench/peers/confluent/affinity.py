"""The common work (../README.md) without a framework: confluent-kafka, a dict of states, a hand-written changelog.

Every second the changed states are written to the changelog; when they are acknowledged, the offsets are committed. An
assigned partition is first restored from the changelog; before a partition is revoked, it is written and committed.
"""

import gc
import time
from array import array

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from work import (
    APP,
    BOOTSTRAP,
    COHORTS,
    HALF_LIFE_MS,
    KIND_WEIGHTS,
    LANDMARK_MS,
    MEMBERSHIPS,
    NUMBERS,
    PRODUCTS_KEPT,
    TOPIC,
    report_first_record,
)

CHANGELOG = f"{APP}-affinity-changelog"
COMMIT_INTERVAL_S = 1.0
BATCH = 10_000
"""Records per call: a call for each record would cost as much as its decoding."""


class Event(msgspec.Struct, gc=False):
    """The fields that are used."""

    product_id: str
    kind: str
    time: int


class State:
    """The state of one user."""

    __slots__ = ("offset", "products", "scores")

    def __init__(self, offset: int, scores: array, products: list[str]) -> None:
        self.offset = offset
        self.scores = scores
        self.products = products

    def pack(self) -> bytes:
        """Return its bytes in the changelog."""
        return NUMBERS.pack(self.offset, *self.scores) + "\n".join(self.products).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> "State":
        """Return the state in these bytes."""
        offset, *scores = NUMBERS.unpack_from(packed)
        return cls(offset, array("d", scores), packed[NUMBERS.size :].decode().split("\n"))


class Affinity:
    """The consumer, the producer, and the states by partition."""

    def __init__(self) -> None:
        self._states: dict[int, dict[bytes, State]] = {}
        self._dirty: dict[int, dict[bytes, State]] = {}
        self._positions: dict[int, int] = {}
        self._failures: list[object] = []
        self._producer = Producer(
            {"bootstrap.servers": BOOTSTRAP, "acks": "all", "enable.idempotence": True, "linger.ms": 20,
             "batch.size": 1_000_000, "queue.buffering.max.messages": 2_000_000,
             "queue.buffering.max.kbytes": 1_000_000, "delivery.report.only.error": True}
        )  # fmt: skip
        self._consumer = Consumer(
            {"bootstrap.servers": BOOTSTRAP, "group.id": APP, "auto.offset.reset": "earliest",
             "enable.auto.commit": False, "fetch.wait.max.ms": 50, "queued.min.messages": 200_000}
        )  # fmt: skip
        self._consumer.subscribe([TOPIC], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def run(self) -> None:
        """Fold until the process is killed."""
        decode = msgspec.json.Decoder(Event).decode
        due = time.monotonic() + COMMIT_INTERVAL_S
        is_first = True
        while True:
            messages = self._consumer.consume(BATCH, timeout=0.05)
            if messages and is_first:
                is_first = False
                report_first_record()
                due = time.monotonic() + COMMIT_INTERVAL_S
            self._fold(messages, decode)
            if time.monotonic() >= due:
                self._commit()
                due = time.monotonic() + COMMIT_INTERVAL_S

    def _fold(self, messages: list[Message], decode) -> None:
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            partition, offset, key = message.partition(), message.offset(), message.key()
            self._positions[partition] = offset + 1
            states = self._states[partition]
            state = states.get(key)
            if state is None:
                state = states[key] = State(-1, array("d", bytes(8 * COHORTS)), [])
            elif offset <= state.offset:  # a replay: the changelog contains it already
                continue
            event = decode(message.value())
            decayed = KIND_WEIGHTS[event.kind] * 2.0 ** ((event.time - LANDMARK_MS) / HALF_LIFE_MS)
            scores = state.scores
            for cohort, weight in MEMBERSHIPS[event.product_id]:
                scores[cohort] += weight * decayed
            products = state.products
            products.append(event.product_id)
            if len(products) > PRODUCTS_KEPT:
                del products[0]
            state.offset = offset
            self._dirty[partition][key] = state

    def _commit(self) -> None:
        """Write the changed states, wait for the acknowledgements, and then commit."""
        for partition, dirty in self._dirty.items():
            for key, state in dirty.items():
                self._produce(partition, key, state.pack())
            dirty.clear()
        self._producer.flush()
        if self._failures:
            raise KafkaException(self._failures[0])
        if self._positions:
            offsets = [TopicPartition(TOPIC, partition, position) for partition, position in self._positions.items()]
            self._consumer.commit(offsets=offsets, asynchronous=False)
            self._positions.clear()

    def _produce(self, partition: int, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(CHANGELOG, value, key, partition, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _delivered(self, error: object, _: Message) -> None:
        if error is not None:
            self._failures.append(error)

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for tp in partitions:
            self._states[tp.partition] = _restored(tp.partition)
            self._dirty[tp.partition] = {}

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._on_lost(consumer, partitions)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for tp in partitions:
            for held in (self._states, self._dirty, self._positions):
                held.pop(tp.partition, None)


def _restored(partition: int) -> dict[bytes, State]:
    """Return the states of a partition from the changelog."""
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": f"{APP}-restore", "enable.auto.commit": False})
    try:
        start, end = consumer.get_watermark_offsets(TopicPartition(CHANGELOG, partition), timeout=30)
        consumer.assign([TopicPartition(CHANGELOG, partition, start)])
        packed: dict[bytes, bytes] = {}
        while start < end:
            for message in consumer.consume(BATCH, timeout=1.0):
                if message.error() is not None:
                    raise KafkaException(message.error())
                packed[message.key()] = message.value()
                start = message.offset() + 1
        return {key: State.unpack(value) for key, value in packed.items()}
    finally:
        consumer.close()


def _create_changelog() -> None:
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    if CHANGELOG not in admin.list_topics(timeout=30).topics:
        topic = NewTopic(CHANGELOG, num_partitions=4, replication_factor=1, config={"cleanup.policy": "compact"})
        admin.create_topics([topic])[CHANGELOG].result()


if __name__ == "__main__":
    # States are long-lived: with the default thresholds the collector would traverse all of them repeatedly.
    gc.set_threshold(200_000, 50, 1000)
    _create_changelog()
    Affinity().run()
