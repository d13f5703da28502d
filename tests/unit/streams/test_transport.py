"""Which records the consumer takes and which offsets it offers to commit, around seeks and rebalances."""

import asyncio
from types import SimpleNamespace

import pytest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP, Message

from settings import Settings
from streams.app import create_app
from streams.transport import AppliedConsumer, ConsumerThread

CLICKS = TP("clicks", 0)


class Thread:
    """Stands in for the thread that owns the Kafka connection: notes where it is asked to seek."""

    def __init__(self) -> None:
        self.sought: list[int] = []
        self.began_at: list[dict[TP, int]] = []
        self.committed: dict[TP, int | None] = {}
        self.thread_loop = SimpleNamespace(call_soon_threadsafe=lambda call, *args: call(*args))

    def seek_again(self, tp: TP, offset: int) -> None:
        self.sought.append(offset)

    def assignment(self) -> set[TP]:
        return set(self.committed)

    async def seek_wait(self, offsets: dict[TP, int]) -> None:
        self.began_at.append(offsets)

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return self.committed


@pytest.fixture
async def consumer(tmp_path, monkeypatch) -> AppliedConsumer:
    monkeypatch.setattr(AppliedConsumer, "_new_consumer_thread", lambda self: Thread())
    monkeypatch.setattr(AppliedConsumer, "add_dependency", lambda self, service: service)
    app = create_app(Settings(streams={"data_dir": tmp_path}))
    return app.transport.create_consumer(
        lambda message: None,
        on_partitions_revoked=lambda revoked: asyncio.sleep(0),
        on_partitions_assigned=lambda assigned, generation: asyncio.sleep(0),
    )


async def begin(consumer: AppliedConsumer, committed: int | None) -> None:
    consumer._thread.committed = {CLICKS: committed}
    await consumer.perform_seek()


def committable(consumer: AppliedConsumer) -> dict[TP, int]:
    return consumer._filter_committable_offsets(consumer._filter_tps_with_pending_acks())


async def test_nothing_is_taken_before_the_partition_is_sought(consumer):
    assert not consumer.accept(CLICKS, 0)


@pytest.mark.parametrize(("committed", "begin_at"), [(None, 0), (5, 5)])
async def test_a_partition_begins_at_its_committed_offset_even_if_records_were_dropped_before(
    consumer, committed, begin_at
):
    await begin(consumer, committed)
    assert consumer._thread.began_at == [{CLICKS: begin_at}]
    assert consumer.accept(CLICKS, begin_at)


async def test_only_what_was_applied_is_committed(consumer):
    await begin(consumer, 5)
    assert [consumer.accept(CLICKS, offset) for offset in (5, 6, 7)] == [True] * 3
    assert committable(consumer) == {}
    consumer.applied(CLICKS, 7)
    assert committable(consumer) == {CLICKS: 7}


async def test_a_message_that_merely_left_its_stream_is_not_committed(consumer):
    await begin(consumer, 5)
    message = Message("clicks", 0, 5, 0.0, 0, [], None, None, None, tp=CLICKS)
    consumer.accept(CLICKS, 5)
    consumer.ack(message)
    assert message.acked
    assert committable(consumer) == {}


async def test_records_of_another_position_are_refused_and_the_partition_is_sought_back(consumer):
    await begin(consumer, 5)
    assert [consumer.accept(CLICKS, offset) for offset in (40, 41, 42)] == [False] * 3
    assert consumer._thread.sought == [5]
    assert consumer.accept(CLICKS, 5)


async def test_records_that_are_passed_over_twice_are_sought_twice(consumer):
    """Faust's streams may skip the same records in two rebalances in a row: that they are not there proves nothing."""
    await begin(consumer, 5)
    assert [consumer.accept(CLICKS, offset) for offset in (7, 8, 7, 8)] == [False] * 4
    assert consumer._thread.sought == [5, 5]
    assert [consumer.accept(CLICKS, offset) for offset in (5, 6, 7, 8)] == [True] * 4


async def test_offsets_that_the_log_lacks_are_not_waited_for(consumer):
    await begin(consumer, None)
    assert not consumer.accept(CLICKS, 40)
    consumer.missing(CLICKS, 0, 40)
    assert [consumer.accept(CLICKS, offset) for offset in (41, 40, 41)] == [False, True, True]


async def test_the_thread_tells_holes_from_what_was_merely_not_fetched(monkeypatch):
    fetched: list[list[int]] = []

    async def fetch(*_: object) -> dict[TP, list[SimpleNamespace]]:
        return {CLICKS: [SimpleNamespace(offset=offset) for offset in fetched.pop(0)]}

    holes: list[tuple[int, int]] = []
    monkeypatch.setattr(AIOKafkaConsumerThread, "_fetch_records", fetch)
    thread = ConsumerThread.__new__(ConsumerThread)
    thread.consumer = SimpleNamespace(missing=lambda tp, begin, end: holes.append((begin, end)))
    thread._next = {}
    monkeypatch.setattr(ConsumerThread, "seek", lambda self, tp, offset: None)

    async def after(*lists: list[int]) -> list[tuple[int, int]]:
        holes.clear()
        fetched.extend(lists)
        for _ in lists:
            await thread._fetch_records()
        return list(holes)

    assert await after([40, 41]) == []  # where it begins is no hole: nothing was asked for before
    assert await after([42, 44], [47]) == [(43, 44), (45, 47)]
    assert await after([42, 43]) == []  # sought back
    thread.seek_again(CLICKS, 10)
    assert await after([12]) == [(10, 12)]


async def test_what_was_given_back_has_to_come_again(consumer):
    await begin(consumer, 5)
    consumer.accept(CLICKS, 5)
    consumer.applied(CLICKS, 6)
    consumer.accept(CLICKS, 6)
    consumer.give_back([CLICKS])
    assert not consumer.accept(CLICKS, 7)
    assert consumer._thread.sought == [6]
    assert consumer.accept(CLICKS, 6)


async def test_a_replayed_record_is_taken_and_moves_nothing_back(consumer):
    await begin(consumer, 5)
    consumer.accept(CLICKS, 5)
    consumer.applied(CLICKS, 6)
    assert consumer.accept(CLICKS, 3)
    consumer.applied(CLICKS, 4)
    assert committable(consumer) == {CLICKS: 6}
    assert consumer.accept(CLICKS, 6)


async def test_records_that_faust_skipped_are_read_again_once_nothing_is_under_way(consumer):
    await begin(consumer, 5)
    record = SimpleNamespace(
        offset=7, timestamp=0, timestamp_type=0, headers=(), key=None, value=None, checksum=None,
        serialized_key_size=0, serialized_value_size=0, topic="clicks", partition=0,
    )  # fmt: skip
    consumer._to_message(CLICKS, record)
    assert consumer.skipped() == {CLICKS: 5}
    consumer.accept(CLICKS, 5)
    assert consumer.skipped() == {}
    consumer.applied(CLICKS, 6)
    assert consumer.skipped() == {CLICKS: 6}
    assert [consumer.accept(CLICKS, offset) for offset in (6, 7)] == [True, True]
    consumer.applied(CLICKS, 8)
    assert consumer.skipped() == {}


async def test_a_partition_that_was_given_up_takes_and_commits_nothing(consumer):
    await begin(consumer, 5)
    consumer.accept(CLICKS, 5)
    consumer._thread.committed = {}
    await consumer.on_partitions_revoked({CLICKS})
    assert not consumer.accept(CLICKS, 6)
    consumer.applied(CLICKS, 7)
    assert committable(consumer) == {}
