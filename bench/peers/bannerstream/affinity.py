"""The common work (../README.md) with `streams.batching`: the transport of this project without its banners."""

import asyncio
import gc
import os
from collections.abc import Sequence
from math import exp2
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from work import (
    APP,
    BOOTSTRAP,
    COHORTS,
    FOLDER,
    HALF_LIFE_MS,
    KIND_WEIGHTS,
    LANDMARK_MS,
    MEMBERSHIPS,
    NUMBERS,
    PRODUCTS_KEPT,
    TOPIC,
    report_first_record,
)

from bannerstream.streams.batching import Batch, BatchApp, Codec, MemoryStore, Partition, RocksStore, decoded_states

State = list[Any]
"""The offset, the scores, and as the last element the list of products."""


class Event(msgspec.Struct, gc=False):
    """The fields that are used."""

    product_id: str
    kind: str
    time: int


decode = msgspec.json.Decoder(Event).decode
PRODUCTS = {product_id: (product_id.encode(), memberships) for product_id, memberships in MEMBERSHIPS.items()}


def pack(state: State) -> bytes:
    """Return a state's bytes."""
    return NUMBERS.pack(*state[:-1]) + b"\n".join(state[-1])


def unpack(packed: bytes) -> State:
    """Return the state in these bytes."""
    return [*NUMBERS.unpack_from(packed), packed[NUMBERS.size :].split(b"\n")]


def fold(batch: Batch, states: Partition[State]) -> None:
    """Fold a batch into the states of its partition; skip events that a state contains already, after a replay.

    A state is read and marked as changed once per batch, whatever the number of its user's events.
    """
    records = batch.records
    events = map(decode, [record.value for record in records])
    touched: dict[bytes, State] = {}
    for record, event in zip(records, events, strict=True):
        key, offset = record.key, record.offset
        state = touched.get(key)
        if state is None:
            state = states.get(key)
            if state is None:
                state = [-1, *[0.0] * COHORTS, []]
            elif offset <= state[0]:
                continue
            touched[key] = state
            states.put(key, state)
        state[0] = offset
        product, memberships = PRODUCTS[event.product_id]
        decayed = KIND_WEIGHTS[event.kind] * exp2((event.time - LANDMARK_MS) / HALF_LIFE_MS)
        for cohort, weight in memberships:
            state[cohort + 1] += weight * decayed
        products = state[-1]
        products.append(product)
        if len(products) > PRODUCTS_KEPT:
            del products[0]


async def connected_producer() -> AIOKafkaProducer:
    """Return the producer of the changelog."""
    producer = AIOKafkaProducer(
        bootstrap_servers=BOOTSTRAP, acks="all", enable_idempotence=True, max_batch_size=900_000
    )
    await producer.start()
    return producer


async def connected_reader() -> AIOKafkaConsumer:
    """Return the consumer that reads the changelog."""
    reader = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, max_partition_fetch_bytes=4 << 20)
    await reader.start()
    return reader


async def publish(effects: Sequence[None]) -> None:
    """Do nothing: the common work sends nothing downstream."""


async def create_changelog(name: str) -> None:
    """Create the changelog topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    try:
        topic = NewTopic(name, num_partitions=4, replication_factor=1, topic_configs={"cleanup.policy": "compact"})
        await admin.create_topics([topic])
    finally:
        await admin.close()


app = BatchApp(
    APP,
    connect_producer=connected_producer,
    connect_reader=connected_reader,
    broker=f"kafka://{BOOTSTRAP}",
    broker_commit_interval=float(os.environ.get("BENCH_COMMIT_INTERVAL_S", "1.0")),
    topic_partitions=4,
    topic_allow_declare=False,
    datadir=FOLDER,
)
table = app.write_behind(
    "affinity",
    decoded_states(
        Codec(pack, unpack),
        (lambda number: RocksStore(FOLDER / str(number)))
        if os.environ["BENCH_STORE"] == "rocksdb"
        else (lambda _: MemoryStore()),
    ),
    publish=publish,
    max_decoded=256_000,  # about 256 MB, like the record cache of Kafka Streams
)


@app.agent(app.topic(TOPIC, key_type=bytes, value_type=bytes))
async def update(stream: Any) -> None:
    """Fold the batches."""
    is_first = True
    async for batch, states in app.batches(stream):
        if is_first:
            is_first = False
            report_first_record()
        fold(batch, states)
        app.checkpointer.submit(batch)


if __name__ == "__main__":
    gc.set_threshold(200_000, 50, 1000)  # as in `streams.main`: states are long-lived
    asyncio.run(create_changelog(table.changelog_topic_name))
    app.main()
