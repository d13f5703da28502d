"""The queue of requests: bounded, a banner once, nothing committed before it is answered."""

import pytest
from aiokafka import TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bannerstream.generator.worker.request_queue import PendingBanner, RequestQueue
from tests.support.generator_fakes import RequestFor
from tests.support.serving import TOPIC, record

P0, P1 = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


def finish(queue: RequestQueue, wanted: PendingBanner) -> None:
    queue.finish(queue.detach(wanted))


def test_a_banner_that_is_asked_for_twice_is_made_once_and_both_records_are_answered(request_for: RequestFor) -> None:
    queue = RequestQueue(10)
    queue.put(record(0), request_for())
    (wanted,) = queue.take(5)
    queue.put(record(1), request_for())  # while it is made
    assert queue.take(5) == []
    assert [each.offset for each in queue.detach(wanted)] == [0, 1]


def test_who_asks_while_the_answer_is_on_its_way_is_answered_again(request_for: RequestFor) -> None:
    queue = RequestQueue(10)
    queue.put(record(0), request_for())
    (wanted,) = queue.take(5)
    answered = queue.detach(wanted)
    queue.put(record(1), request_for())
    queue.finish(answered)
    assert queue.positions() == {P0: 1}
    (again,) = queue.take(5)
    assert [each.offset for each in queue.detach(again)] == [1]


def test_a_repair_does_not_join_a_request_that_takes_what_is_stored_for_whole(request_for: RequestFor) -> None:
    queue = RequestQueue(10)
    queue.put(record(0), request_for())
    (ordinary,) = queue.take(5)
    repair = replace(request_for(), repairs_revision=1)
    queue.put(record(1), repair)
    queue.put(record(2), request_for())  # joins the repair
    assert [each.offset for each in queue.detach(ordinary)] == [0]
    (repairing,) = queue.take(5)
    assert repairing.request == repair
    assert [each.offset for each in queue.detach(repairing)] == [1, 2]


def test_records_count_until_they_are_finished(request_for: RequestFor) -> None:
    queue = RequestQueue(3)
    for offset in range(3):
        queue.put(record(offset), request_for(f"p{offset}"))
    assert (queue.held, queue.free) == (3, 0)
    taken = queue.take(2)
    assert queue.free == 0
    finish(queue, taken[0])
    assert queue.free == 1


def test_what_is_no_request_is_committed_like_the_others(request_for: RequestFor) -> None:
    queue = RequestQueue(10)
    bad, good = record(4), record(5)
    queue.hold_rejected(bad)
    queue.put(good, request_for())
    finish(queue, *queue.take(1))
    assert queue.positions() == {P0: 4}
    queue.finish([bad])
    assert queue.positions() == {P0: 6}


def test_what_only_a_lost_partition_asked_for_is_not_made(request_for: RequestFor) -> None:
    queue = RequestQueue(10)
    queue.put(record(0, partition=0), request_for("p0"))
    queue.put(record(0, partition=1), request_for("p1"))
    queue.put(record(1, partition=1), request_for("p2"))
    (started,) = queue.take(1)
    queue.drop_partitions([P0])
    assert [each.request.product.product_id for each in queue.take(5)] == ["p1", "p2"]
    assert queue.detach(started) == []
    assert (queue.held, queue.positions()) == (2, {P1: 0})


def test_a_record_that_comes_again_joins_the_banner_that_is_still_being_made(request_for: RequestFor) -> None:
    queue = RequestQueue(10)
    queue.put(record(0), request_for())
    (started,) = queue.take(1)
    queue.drop_partitions([P0])
    queue.put(record(0), request_for())  # the partition is ours again
    assert queue.waiting == 0
    answered = queue.detach(started)
    assert len(answered) == 1
    queue.finish(answered)
    assert (queue.held, queue.positions()) == (0, {P0: 1})


def test_a_banner_waits_for_its_preview_then_for_itself(request_for: RequestFor) -> None:
    queue = RequestQueue(10, previews=True)
    queue.put(record(0), request_for())
    assert (queue.waiting_for_preview, queue.waiting) == (1, 0)
    (wanted,) = queue.take_for_preview(1)
    queue.preview_done(wanted)
    assert (queue.waiting_for_preview, queue.waiting) == (0, 1)
    assert queue.take(1) == [wanted]


def test_a_previewed_banner_whose_partition_went_is_not_made(request_for: RequestFor) -> None:
    queue = RequestQueue(10, previews=True)
    queue.put(record(0), request_for())
    (wanted,) = queue.take_for_preview(1)
    queue.drop_partitions([P0])
    queue.preview_done(wanted)
    assert queue.waiting == 0


class Shop:
    """Two partitions of requests, the queue, and what was answered and committed of them."""

    def __init__(self, request_for: RequestFor, data: st.DataObject) -> None:
        self.queue = RequestQueue(6)
        self.log = {0: [request_for(f"p{n % 4}") for n in range(12)], 1: [request_for(f"p{n % 3}") for n in range(12)]}
        self.fetched, self.committed = {0: 0, 1: 0}, {0: 0, 1: 0}
        self.answered: set[tuple[int, int]] = set()
        self.in_flight: list[PendingBanner] = []
        self.data = data

    def fetch(self) -> None:
        for partition, requests in self.log.items():
            at = self.fetched[partition]
            if self.queue.free and at < len(requests):
                self.queue.put(record(at, partition=partition), requests[at])
                self.fetched[partition] += 1

    def start(self) -> None:
        self.in_flight += self.queue.take(2)

    def end(self) -> None:
        if self.in_flight:
            wanted = self.in_flight.pop(self.data.draw(st.integers(0, len(self.in_flight) - 1)))
            records = self.queue.detach(wanted)
            self.answered.update((each.partition, each.offset) for each in records)
            self.queue.finish(records)

    def rebalance(self) -> None:
        partition = self.data.draw(st.integers(0, 1))
        self.queue.drop_partitions([TopicPartition(TOPIC, partition)])
        self.fetched[partition] = self.committed[partition]

    def commit(self) -> None:
        for partition, position in self.queue.positions().items():
            assert all((partition.partition, at) in self.answered for at in range(position))
            self.committed[partition.partition] = position


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_happens_nothing_is_committed_unanswered_and_nothing_stays(
    request_for: RequestFor, data: st.DataObject
) -> None:
    """Takes, answers, losses and returns of partitions in any order; then all that is left is worked off."""
    shop = Shop(request_for, data)
    steps = [shop.fetch, shop.start, shop.end, shop.rebalance, shop.commit]
    for step in data.draw(st.lists(st.sampled_from(steps), max_size=40)):
        step()
        assert shop.queue.held <= 6
    for _ in range(60):
        for step in (shop.fetch, shop.start, shop.end, shop.commit):
            step()
    assert shop.committed == {0: 12, 1: 12}
    assert (shop.queue.held, shop.queue.waiting) == (0, 0)


@pytest.mark.parametrize("previews", [False, True])
def test_cohorts_take_turns(request_for: RequestFor, previews: bool) -> None:
    queue = RequestQueue(100, previews=previews)
    for offset in range(20):
        queue.put(record(offset), request_for(f"p{offset}", cohort_id="busy"))
    queue.put(record(20), request_for("p20", cohort_id="quiet"))
    taken = queue.take_for_preview(2) if previews else queue.take(2)
    assert {each.request.cohort.cohort_id for each in taken} == {"busy", "quiet"}
