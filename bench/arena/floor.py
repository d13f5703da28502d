"""The floor of latency: plain aiokafka, which reads every event and writes a record for it, acknowledged by all.

    python -m bench.arena.floor --bootstrap … --group … --clicks … --states … --requests …

Nothing is decoded, folded or decided, and no state is kept: what remains is the way from the broker into one event loop
of Python and back, with as many records as the product writes at most. The records of a fetch go to the topic of states
as batches; a probe (`bench.arena.probes`) is answered on the topic of requests. The producer is idempotent, with
acks=all; nothing waits for it but the commit of the offsets, once a second.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bannerstream.service.child_process import ChildProcess
from bench.arena.deployment import CLICKS, Deployment
from bench.arena.environments import REPOSITORY
from bench.arena.probes import PROBERS
from bench.arena.workload import PARTITIONS

COMMIT_S = 1.0
FETCH_WAIT_MS = 50
MAX_BATCH_BYTES = 900_000

READY = "reading"
"""What it prints once it has its partitions."""


_START_S = 60.0


class _Event(msgspec.Struct):
    product_id: str


_decode = msgspec.json.Decoder(_Event).decode


@contextmanager
def running(deployment: Deployment) -> Iterator[ChildProcess]:
    """Run it in the place of a deployment's workers, as a process, while the block runs."""
    options = {
        "bootstrap": deployment.stage.bootstrap,
        "group": deployment.app,
        "clicks": CLICKS,
        "states": deployment.changelog,
        "requests": deployment.requests,
    }
    with ChildProcess(
        [sys.executable, "-m", "bench.arena.floor", *(f"--{name}={value}" for name, value in options.items())],
        name=f"{deployment.app}-floor",
        log_file=deployment.stage.folder / "logs" / f"{deployment.app}-floor.log",
        folder=REPOSITORY,
    ) as process:
        process.wait_until_ready(lambda: READY in process.log_tail(), _START_S)
        yield process


async def answer(bootstrap: str, group: str, clicks: str, states: str, requests: str) -> None:
    """Read and write until the process is killed."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=MAX_BATCH_BYTES
    )
    await consumer.start()
    await producer.start()
    consumer.assign([TopicPartition(clicks, number) for number in range(PARTITIONS)])
    print(READY, flush=True)
    written: list[asyncio.Future[object]] = []
    commit_at = time.monotonic() + COMMIT_S
    while True:
        for partition, records in (await consumer.getmany(timeout_ms=FETCH_WAIT_MS)).items():
            batch = producer.create_batch()
            for record in records:
                if record.key.startswith(PROBERS):
                    request = b'{"product":{"product_id":"%b"}}' % _decode(record.value).product_id.encode()
                    written.append(await producer.send(requests, request, record.key))
                if batch.append(key=record.key, value=record.value, timestamp=None) is None:  # it is full
                    written.append(await producer.send_batch(batch, states, partition=partition.partition))
                    batch = producer.create_batch()
                    batch.append(key=record.key, value=record.value, timestamp=None)
            written.append(await producer.send_batch(batch, states, partition=partition.partition))
        if time.monotonic() >= commit_at:
            await asyncio.gather(*written)
            written.clear()
            await consumer.commit()
            commit_at = time.monotonic() + COMMIT_S


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m bench.arena.floor", description=__doc__.splitlines()[0])
    for name in ("bootstrap", "group", "clicks", "states", "requests"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    asyncio.run(answer(options.bootstrap, options.group, options.clicks, options.states, options.requests))


if __name__ == "__main__":
    main()
