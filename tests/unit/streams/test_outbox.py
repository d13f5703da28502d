"""Results of batches are published once per visitor and banner; a rejected dead letter does not stop the stream."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.messages import Assignment
from bannerstream.contracts.topics import Topics
from bannerstream.streams.batching import OutgoingRecord, Write
from bannerstream.streams.metrics import OutboxMetrics
from bannerstream.streams.outbox import Outbox
from bannerstream.streams.outcome import BatchOutcome, EncodedAssignment
from bannerstream.streams.partitioning import partitions_of
from bannerstream.streams.recent_keys import RecentKeys

ADA, BOB = b"a" * 32, b"b" * 32
LETTER = DeadLetter(
    key=b"user", value=b"x" * 5000, topic="clicks", partition=5, offset=7, code="malformed", reason="?", failed_at=1
)


class Producer:
    """Fake bulk producer: keeps the writes."""

    def __init__(self) -> None:
        self.writes: list[Write] = []

    async def partitions_of(self, topic: str) -> int:
        return 4

    def records(self, topic: str) -> dict[bytes | None, tuple[int, Any]]:
        return {
            key: (write.partition, value)
            for write in self.writes
            if write.topic == topic
            for key, value, _ in write.records
        }


@pytest.fixture
def producer() -> Producer:
    return Producer()


@pytest.fixture
def outbox(producer: Producer) -> Outbox:
    return Outbox(
        producer,  # type: ignore[arg-type]  # a fake
        Topics(),
        source="test",
        recently_requested=RecentKeys(60),
        metrics=OutboxMetrics(CollectorRegistry()),
    )


def assignment(key: bytes, epoch: int) -> EncodedAssignment:
    message = Assignment(
        user_key=key.decode(), epoch=epoch, banner_key="0" * 64, product_id="mug", cohort_id="cosy", decided_at=1
    )
    return encode(message), epoch, message.decided_at


async def test_of_several_batches_a_visitors_latest_assignment_goes_out_to_the_partition_of_its_key(outbox, producer):
    producer.writes += await outbox.publish(
        [
            BatchOutcome(assignments={ADA: assignment(ADA, 1), BOB: assignment(BOB, 1)}),
            BatchOutcome(assignments={ADA: assignment(ADA, 2)}),
        ]
    )
    sent = producer.records("banner.assignments")
    assert [sent[key][0] for key in (ADA, BOB)] == partitions_of([ADA, BOB], 4)
    assert b'"epoch":2' in sent[ADA][1]


async def test_who_was_forgotten_has_the_assignment_deleted_unless_a_new_one_came(outbox, producer):
    producer.writes += await outbox.publish(
        [BatchOutcome(forgotten=[ADA, BOB]), BatchOutcome(assignments={BOB: assignment(BOB, 1)})]
    )
    sent = producer.records("banner.assignments")
    assert sent[ADA][1] is None
    assert b'"epoch":1' in sent[BOB][1]


async def test_an_assignment_from_before_the_erasure_does_not_outlive_it_in_one_round(outbox, producer):
    producer.writes += await outbox.publish(
        [BatchOutcome(assignments={ADA: assignment(ADA, 1)}), BatchOutcome(forgotten=[ADA])]
    )
    assert producer.records("banner.assignments")[ADA][1] is None


async def test_a_letter_goes_to_its_sources_partition_wrapped_around(outbox, producer):
    producer.writes += await outbox.publish_letters([BatchOutcome(dead_letters=[LETTER])])
    assert producer.records("bannerstream.dlq") == {b"user": (1, LETTER.value)}


async def test_a_letter_that_is_too_large_goes_without_its_original_and_is_given_up_after_that(outbox, producer):
    producer.writes += await outbox.publish_letters([BatchOutcome(dead_letters=[LETTER])])
    (write,) = producer.writes
    assert write.on_too_large is not None
    bare: OutgoingRecord | None = write.on_too_large(write.records[0])
    assert bare is not None
    kept = DeadLetter.from_record(*bare)
    assert (kept.key, kept.value, kept.truncated_from) == (None, b"", 5004)
    assert (kept.topic, kept.partition, kept.offset, kept.code) == ("clicks", 5, 7, "malformed")
    assert write.on_too_large(bare) is None
