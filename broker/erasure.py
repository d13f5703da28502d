"""Erases a visitor: requests it from streams, waits until it is done, and checks what is left."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.tail import partitions_of, read_to, reading
from bannerstream.broker.topics import changelog_name
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.messages import Erasure
from bannerstream.settings.kafka import KafkaSettings

NO_WORKER_S = 10.0
"""How long the group may be without a member before the wait fails: a restart takes less."""

FETCH_BYTES = 4_194_304
"""Bytes per fetch and partition: a changelog of a million visitors takes about 80 fetches."""

_POLL_S = 0.2
_MEMBERS = 5  # place in a group of a DescribeGroups response, version 0 and later

Offsets = Mapping[int, int]
"""Offset of the erasure, by partition of the topic of erasures."""


@dataclass(frozen=True, slots=True)
class ErasureStatus:
    """Whether a visitor is erased at one place."""

    place: str
    erased: bool | None
    """None: not checked."""
    found: str


async def request_erasure(kafka: KafkaSettings, user_id: str, user_key: str, now: int) -> Offsets:
    """Write an erasure to every partition of the topic of erasures; return the offset of each.

    To every partition, because the events' producer and its partitioner decide which one holds a visitor.
    `now`: epoch milliseconds.

    Raises:
        MalformedRecord: not a valid user id.
        TopicMissing: the topic of erasures does not exist.
        ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
    """
    value = encode(Erasure(user_id=user_id, requested_at=now))
    decode(value, Erasure)  # encoding checks no bounds
    event = CloudEvent(id=f"{user_key}:{now}", type="user.erasure", source="bannerstream/erase", time=now)
    topic = kafka.topic_table().erasures.name
    partitions = await partitions_of(kafka, topic)
    async with Publisher(kafka, client_id="bannerstream-erase") as publisher:
        acknowledgements = [
            await publisher.enqueue(Outgoing(topic, user_id.encode(), value, event.headers(), tp.partition))
            for tp in partitions
        ]
        with broker_errors(kafka):
            written = await asyncio.gather(*acknowledgements)
    return {each.partition: each.offset for each in written}


async def wait_until_erased(
    kafka: KafkaSettings, app_id: str, requested: Offsets, timeout_s: float, on_progress: Callable[[int], None]
) -> None:
    """Return once streams has committed past the erasure in every partition; `on_progress` gets the count.

    Streams commits an erasure only when its tombstone and the deletion of the assignment are acknowledged.

    Raises:
        ServiceUnavailable: no worker runs, or the erasure is not done after `timeout_s`; the message names which.
        ConfigurationError: see `broker.connection.broker_errors`.
    """
    topic = kafka.topic_table().erasures.name
    deadline_s = time.monotonic() + timeout_s
    last_member_s = time.monotonic()
    with broker_errors(kafka):
        async with _admin(kafka) as admin:
            while uncommitted := await _uncommitted(admin, app_id, topic, requested):
                on_progress(len(requested) - len(uncommitted))
                now_s = time.monotonic()
                if await _has_members(admin, app_id):
                    last_member_s = now_s
                elif now_s - last_member_s > min(NO_WORKER_S, timeout_s):
                    raise ServiceUnavailable(
                        f"no streams worker of {app_id} runs: start one with `bannerstream run streams`. The erasure "
                        f"lies in {topic} and is done then; run this again to see that it was"
                    )
                if now_s > deadline_s:
                    raise ServiceUnavailable(
                        f"streams has not committed the erasure after {timeout_s:g} s in partitions "
                        f"{', '.join(map(str, uncommitted))} of {topic}: look at its log "
                        "and its lag, then run this again with a longer --timeout"
                    )
                await asyncio.sleep(_POLL_S)
            on_progress(len(requested))


async def find_remaining(
    kafka: KafkaSettings, app_id: str, user_key: str, on_progress: Callable[[int, int], None]
) -> tuple[ErasureStatus, ErasureStatus]:
    """Return what the changelog and the assignments still hold of a visitor; reads both completely.

    `on_progress` gets the offsets read and their total.

    Raises:
        TopicMissing: one of the two does not exist.
        ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
    """
    changelog, assignments = changelog_name(app_id), kafka.topic_table().assignments.name
    partitions = await partitions_of(kafka, changelog, assignments)
    latest = await _latest(kafka, partitions, user_key.encode(), on_progress)
    return _status_of("changelog", changelog, latest), _status_of("assignment", assignments, latest)


def _status_of(what: str, topic: str, latest: Mapping[TopicPartition, tuple[int, bytes | None]]) -> ErasureStatus:
    there = {tp.partition: record for tp, record in latest.items() if tp.topic == topic}
    held = [f"{number}@{offset}" for number, (offset, value) in sorted(there.items()) if value is not None]
    if held:
        return ErasureStatus(what, erased=False, found=f"still in {topic}/{', '.join(held)}")
    if there:
        deleted = ", ".join(f"{number}@{offset}" for number, (offset, _) in sorted(there.items()))
        return ErasureStatus(what, erased=True, found=f"a tombstone in {topic}/{deleted}")
    return ErasureStatus(what, erased=True, found=f"no record in {topic}")


async def _latest(
    kafka: KafkaSettings, partitions: list[Any], key: bytes, on_progress: Callable[[int, int], None]
) -> dict[TopicPartition, tuple[int, bytes | None]]:
    """Return the latest record of the key in each partition that has one: offset and value."""
    latest: dict[TopicPartition, tuple[int, bytes | None]] = {}
    async with reading(kafka, partitions, max_partition_fetch_bytes=FETCH_BYTES) as consumer:
        with broker_errors(kafka):
            ends = await consumer.end_offsets(partitions)
            begin = sum([await consumer.position(tp) for tp in partitions])
            total = sum(ends.values()) - begin
            async for fetched in read_to(consumer, ends, round(1000 * _POLL_S)):
                for tp, records in fetched.items():
                    for record in records:
                        if record.key == key:
                            latest[tp] = record.offset, record.value
                on_progress(sum([await consumer.position(tp) for tp in partitions]) - begin, total)
            on_progress(total, total)
    return latest


async def _uncommitted(admin: AIOKafkaAdminClient, app_id: str, topic: str, requested: Offsets) -> list[int]:
    """Return the partitions in which the erasure is not committed."""
    try:
        committed_offsets = await admin.list_consumer_group_offsets(app_id)
    except GroupCoordinatorNotAvailableError:  # a new broker makes its offsets topic with the first group
        committed_offsets = {}
    committed = {tp.partition: each.offset for tp, each in committed_offsets.items() if tp.topic == topic}
    return [number for number, offset in sorted(requested.items()) if committed.get(number, -1) <= offset]


async def _has_members(admin: AIOKafkaAdminClient, app_id: str) -> bool:
    try:
        (response,) = await admin.describe_consumer_groups([app_id])
    except GroupCoordinatorNotAvailableError:
        return False
    return bool(response.groups[0][_MEMBERS])


@asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
