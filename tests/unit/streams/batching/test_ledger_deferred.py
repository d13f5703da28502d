"""Changes that are submitted only after offsets are committed, and changes that do not come from a batch."""

from collections.abc import Callable

from faust.types import TP

from bannerstream.streams.batching.checkpointer import MAX_WAITING, Conclusion
from tests.support.checkpointer_world import World, batch


def erased(world: World) -> Callable[[], Conclusion[str]]:
    def conclude() -> Conclusion[str]:
        world.partitions[0].remove(b"ada")
        return Conclusion([b"ada"], "ada's goodbye")

    return conclude


async def test_a_deferred_batch_is_entered_once_the_offsets_are_committed_and_not_before(world):
    clicks, purchases = TP("clicks", 0), TP("purchases", 0)
    world.checkpointer.defer(batch(0, 0, 5), {clicks: 7, purchases: 3}, erased(world))
    world.checkpointer.committed({clicks: 7, purchases: None})
    world.checkpointer.committed({clicks: 7})
    assert world.journal == []
    world.checkpointer.committed({clicks: 8, purchases: 3})
    await world.until(lambda: ("applied", 0, 5) in world.journal)
    assert world.journal == [("state", 0, [(b"ada", None)]), ("effects", ["ada's goodbye"]), ("applied", 0, 5)]


async def test_deferred_batches_are_entered_in_their_order(world):
    clicks = TP("clicks", 0)
    world.checkpointer.defer(batch(0, 0, 5), {clicks: 7}, Conclusion)
    world.checkpointer.defer(batch(0, 5, 9), {clicks: 2}, Conclusion)
    world.checkpointer.committed({clicks: 2})
    assert world.journal == []
    world.checkpointer.committed({clicks: 7})
    assert world.journal == [("applied", 0, 5), ("applied", 0, 9)]


async def test_a_deferred_batch_is_forgotten_where_it_will_be_read_again(world):
    clicks = TP("clicks", 0)
    world.checkpointer.defer(batch(0, 0, 5), {clicks: 7}, Conclusion)
    world.checkpointer.forget_deferred()
    world.checkpointer.committed({clicks: 7})
    world.checkpointer.defer(batch(0, 0, 5), {clicks: 7}, Conclusion)
    world.brokers.may_write = False
    world.checkpointer.submit(batch(1, 0, 5), effects="")
    await world.until(lambda: ("discarded",) in world.journal)
    world.checkpointer.committed({clicks: 7})
    assert world.journal == [("discarded",), ("rejoins",)]


async def test_what_is_deferred_waits_until_all_that_was_entered_before_is_written(world):
    clicks = TP("clicks", 0)
    await world.held()
    world.checkpointer.defer(batch(0, 0, 5), {clicks: 7}, Conclusion)
    world.checkpointer.committed({clicks: 7})
    assert world.journal == []
    world.brokers.open.set()
    await world.until(lambda: ("applied", 9, 1) in world.journal)
    world.checkpointer.committed({clicks: 7})
    assert world.journal[-1] == ("applied", 0, 5)


async def test_what_is_deferred_does_not_wait_for_what_was_given_up(world):
    clicks = TP("clicks", 0)
    world.brokers.may_write = False
    world.checkpointer.submit(batch(1, 0, 5), urgent=[b"ada"])
    await world.until(lambda: ("discarded",) in world.journal)
    world.checkpointer.defer(batch(0, 0, 5), {clicks: 7}, Conclusion)
    world.checkpointer.committed({clicks: 7})
    assert world.journal[-1] == ("applied", 0, 5)


async def test_a_deferred_change_that_comes_from_no_batch_is_written_and_applies_nothing(world):
    clicks = TP("clicks", 0)
    world.checkpointer.defer_change(0, {clicks: 7}, erased(world))
    world.checkpointer.defer_change(0, {clicks: 7}, Conclusion)
    world.checkpointer.committed({clicks: 6})
    assert world.journal == []
    world.checkpointer.committed({clicks: 7})
    await world.until(lambda: world.checkpoints)
    assert world.journal == [("state", 0, [(b"ada", None)]), ("effects", ["ada's goodbye"])]
    assert [each.batches for each in world.checkpoints] == [1], "an empty conclusion is not submitted"


async def test_of_much_that_is_deferred_a_part_is_entered_at_a_time(world):
    concluded: list[int] = []

    def conclude(number: int) -> Conclusion[str]:
        concluded.append(number)
        return Conclusion()

    for number in range(MAX_WAITING + 3):
        world.checkpointer.defer_change(0, {}, lambda number=number: conclude(number))
    world.checkpointer.committed({})
    assert concluded == list(range(MAX_WAITING))
    world.checkpointer.committed({})
    assert concluded == list(range(MAX_WAITING + 3))


async def test_a_change_that_comes_from_no_batch_is_written_and_applies_nothing(world):
    world.partitions[0].remove(b"ada")
    world.checkpointer.submit_change(0, urgent=[b"ada"], effects="ada's goodbye")
    await world.until(lambda: world.checkpoints)
    assert world.journal == [("state", 0, [(b"ada", None)]), ("effects", ["ada's goodbye"])]
