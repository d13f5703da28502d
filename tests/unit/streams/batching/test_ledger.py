"""The order of writes: states, effects, committable offsets; and the discard after an aborted write."""

import asyncio

import pytest

from bannerstream.streams.batching import checkpointer as module
from bannerstream.streams.batching.checkpointer import MAX_WAITING
from bannerstream.streams.batching.errors import WriteAborted
from tests.support.checkpointer_world import batch, within_deadline


async def test_states_are_acknowledged_before_effects_and_effects_before_offsets(world):
    world.fold(0, ada=b"1", bob=b"1")
    world.checkpointer.submit(batch(0, 0, 5), urgent=[b"ada"], effects="ada's banner")
    await world.until(lambda: ("applied", 0, 5) in world.journal)
    assert world.journal == [
        ("state", 0, [(b"ada", b"1")]),
        ("effects", ["ada's banner"]),
        ("applied", 0, 5),
    ]
    assert world.partitions[0].dirty() == [b"bob"]
    assert world.partitions[0].packed_store.get(b"ada") == b"1"


async def test_what_must_not_wait_for_states_goes_out_before_them(world):
    world.fold(0, ada=b"1")
    world.checkpointer.submit(batch(0, 0, 5), urgent=[b"ada"], effects="refused: bob's event")
    await world.until(lambda: ("applied", 0, 5) in world.journal)
    assert world.kinds() == ["first", "state", "effects", "applied"]


async def test_a_flush_writes_no_state_whose_batch_still_has_something_to_send_first(world):
    await world.held()
    world.fold(0, ada=b"1")
    world.checkpointer.submit(batch(0, 0, 5), effects="refused: bob's event")
    flush = asyncio.create_task(world.checkpointer.flush())
    world.brokers.open.set()
    await flush
    assert world.kinds().index("first") < world.kinds().index("state")


async def test_a_batch_without_urgent_keys_waits_for_nothing(world):
    world.fold(0, ada=b"1")
    world.checkpointer.submit(batch(0, 0, 5))
    assert world.journal == [("applied", 0, 5)]
    assert world.partitions[0].dirty() == [b"ada"]


async def test_a_batch_without_urgent_keys_does_not_overtake_those_before_it(world):
    await world.held()
    world.checkpointer.submit(batch(0, 0, 5), effects="first")
    world.checkpointer.submit(batch(0, 5, 9))
    assert world.journal == []
    world.brokers.open.set()
    await world.until(lambda: ("applied", 0, 9) in world.journal)
    applied = [each for each in world.journal if each[:2] == ("applied", 0)]
    assert applied == [("applied", 0, 5), ("applied", 0, 9)]


async def test_a_batch_without_urgent_keys_does_not_overtake_the_round_that_is_under_way(world):
    await world.held()
    world.checkpointer.submit(batch(9, 1, 2))
    assert world.journal == []
    world.brokers.open.set()
    await world.until(lambda: ("applied", 9, 2) in world.journal)
    assert world.journal == [("effects", ["held"]), ("applied", 9, 1), ("applied", 9, 2)]


async def test_what_gathers_while_a_round_is_under_way_is_written_in_one(world):
    await world.held()
    for number in range(3):
        world.fold(number % 2, **{f"user{number}": b"1"})
        world.checkpointer.submit(
            batch(number % 2, number, number + 1), urgent=[b"user%d" % number], effects=f"{number}"
        )
    world.brokers.open.set()
    await world.until(lambda: len(world.checkpoints) == 2)
    assert [(each.batches, each.states) for each in world.checkpoints] == [(1, 0), (3, 3)]
    assert ("state", 0, [(b"user0", b"1"), (b"user2", b"1")]) in world.journal
    assert ("effects", ["0", "1", "2"]) in world.journal


async def test_a_key_that_is_urgent_twice_in_a_round_is_written_once_as_it_is_then(world):
    await world.held()
    for state in (b"1", b"2"):
        world.fold(0, ada=state)
        world.checkpointer.submit(batch(0, 0, 1), urgent=[b"ada"], effects="")
    world.brokers.open.set()
    await world.until(lambda: len(world.checkpoints) == 2)
    assert [each for each in world.journal if each[0] == "state"] == [("state", 0, [(b"ada", b"2")])]


async def test_a_flush_writes_what_is_dirty_when_it_is_asked_for_in_every_partition(world):
    world.fold(0, ada=b"1")
    world.fold(1, bob=b"1")
    world.partitions[1].remove(b"eve")
    await world.held()
    flush = asyncio.create_task(world.checkpointer.flush())
    await asyncio.sleep(0)
    world.fold(0, cyd=b"1")
    assert not flush.done()
    world.brokers.open.set()
    await within_deadline(flush)
    assert ("state", 0, [(b"ada", b"1")]) in world.journal
    assert ("state", 1, [(b"bob", b"1"), (b"eve", None)]) in world.journal
    assert world.partitions[0].dirty() == [b"cyd"]
    assert world.partitions[1].dirty() == []


async def test_a_flush_waits_for_the_batches_before_it_and_for_what_is_under_way(world):
    await world.held()
    world.checkpointer.submit(batch(0, 0, 5), effects="first")
    flush = asyncio.create_task(world.checkpointer.flush())
    await asyncio.sleep(0)
    assert not flush.done()
    world.brokers.open.set()
    await within_deadline(flush)
    assert ("applied", 9, 1) in world.journal
    assert ("applied", 0, 5) in world.journal


async def test_a_flush_of_nothing_returns_at_once(world):
    world.partitions[0].get(b"ada")
    await within_deadline(world.checkpointer.flush())
    assert world.journal == []


async def test_after_a_flush_states_that_are_clean_are_let_go_of(world):
    world.partitions._max_decoded = 0
    world.fold(0, ada=b"1")
    await within_deadline(world.checkpointer.flush())
    assert world.partitions[0]._decoded == {}
    assert world.partitions[0].get(b"ada") == b"1"


async def test_urgent_keys_go_ahead_of_the_rest_of_a_flush(world, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_SLICE", 2)
    await world.held()
    world.fold(0, **{f"user{each}": b"1" for each in range(5)})
    flush = asyncio.create_task(world.checkpointer.flush())
    await asyncio.sleep(0)
    world.fold(1, ada=b"1")
    world.checkpointer.submit(batch(1, 0, 5), urgent=[b"ada"], effects="ada's banner")
    world.brokers.open.set()
    await within_deadline(flush)
    states = [(number, len(records)) for kind, number, *rest in world.journal if kind == "state" for records in rest]
    assert states == [(1, 1), (0, 2), (0, 2), (0, 1)]
    assert world.kinds().index("effects") < len(world.journal) - 1 - world.kinds()[::-1].index("state")
    assert max(each.states for each in world.checkpoints) == 3


async def test_flushes_that_wait_together_are_all_answered(world):
    world.fold(0, ada=b"1")
    await world.held()
    flushes = [asyncio.create_task(world.checkpointer.flush()) for _ in range(3)]
    await asyncio.sleep(0)
    world.brokers.open.set()
    await within_deadline(asyncio.gather(*flushes))
    assert [each for each in world.journal if each[0] == "state"] == [("state", 0, [(b"ada", b"1")])]


async def test_giving_up_forgets_all_that_is_not_acknowledged_and_applies_nothing(world):
    world.partitions[0].packed_store.update([(b"ada", b"old")], 1)
    await world.held()
    world.fold(0, ada=b"new", bob=b"new")
    world.checkpointer.submit(batch(0, 0, 5), urgent=[b"ada"], effects="ada's banner")
    flush = asyncio.create_task(world.checkpointer.flush())
    await asyncio.sleep(0)
    world.brokers.may_write = False
    world.brokers.open.set()
    with pytest.raises(WriteAborted):
        await within_deadline(flush)
    assert world.journal == [("discarded",), ("rejoins",)]
    assert world.partitions[0].dirty() == []
    assert (world.partitions[0].get(b"ada"), world.partitions[0].get(b"bob")) == (b"old", None)
    assert world.defects == []


async def test_writing_goes_on_after_it_was_given_up(world):
    world.brokers.may_write = False
    world.fold(0, ada=b"1")
    world.checkpointer.submit(batch(0, 0, 5), urgent=[b"ada"], effects="")
    await world.until(lambda: ("discarded",) in world.journal)
    world.brokers.may_write = True
    world.fold(0, ada=b"1")
    world.checkpointer.submit(batch(0, 0, 5), urgent=[b"ada"], effects="again")
    await world.until(lambda: ("applied", 0, 5) in world.journal)
    assert world.kinds() == ["discarded", "rejoins", "state", "effects", "applied"]


async def test_states_that_were_acknowledged_stay_when_their_effects_are_given_up(world):
    world.publish_fails = WriteAborted("raised by the test")
    world.fold(0, ada=b"1")
    world.checkpointer.submit(batch(0, 0, 5), urgent=[b"ada"], effects="ada's banner")
    await world.until(lambda: ("discarded",) in world.journal)
    assert world.kinds() == ["state", "discarded", "rejoins"]
    assert world.partitions[0].packed_store.get(b"ada") == b"1"


@pytest.mark.parametrize("where", ["states", "effects"])
async def test_a_defect_ends_the_worker_and_nothing_is_applied(world, where):
    defect = RuntimeError("a defect")
    if where == "states":
        world.brokers.fails = defect
    else:
        world.publish_fails = defect
    world.fold(0, ada=b"1")
    world.checkpointer.submit(batch(0, 0, 5), urgent=[b"ada"], effects="")
    await world.until(lambda: world.defects)
    assert world.defects == [defect]
    assert "applied" not in world.kinds()


async def test_nobody_waits_for_a_writer_that_a_defect_has_ended(world):
    """A stopping worker lets its agents finish and commits what it can: neither may wait for ever."""
    world.brokers.fails = RuntimeError("a defect")
    world.checkpointer.submit(batch(0, 0, 5), effects="")
    await world.until(lambda: world.defects)
    for number in range(MAX_WAITING + 1):
        await within_deadline(world.checkpointer.wait_for_capacity())
        world.fold(0, ada=b"1")
        world.checkpointer.submit(batch(0, number, number + 1))
    with pytest.raises(WriteAborted):
        await within_deadline(world.checkpointer.flush())
    assert "applied" not in world.kinds()


async def test_folding_waits_while_too_many_batches_do(world):
    await world.held()
    for number in range(MAX_WAITING):
        await within_deadline(world.checkpointer.wait_for_capacity())
        world.checkpointer.submit(batch(0, number, number + 1), effects="")
    waiting = asyncio.create_task(world.checkpointer.wait_for_capacity())
    await asyncio.sleep(0)
    assert not waiting.done()
    world.brokers.open.set()
    await within_deadline(waiting)


async def test_folding_goes_on_when_what_waited_was_given_up(world):
    await world.held()
    for number in range(MAX_WAITING):
        world.checkpointer.submit(batch(0, number, number + 1), effects="")
    waiting = asyncio.create_task(world.checkpointer.wait_for_capacity())
    await asyncio.sleep(0)
    world.brokers.may_write = False
    world.brokers.open.set()
    await within_deadline(waiting)
    assert world.journal[0] == ("discarded",)


async def test_stopping_leaves_nobody_waiting(world):
    await world.held()
    world.fold(0, ada=b"1")
    flush = asyncio.create_task(world.checkpointer.flush())
    await asyncio.sleep(0)
    await within_deadline(world.checkpointer.stop())
    with pytest.raises(WriteAborted, match="stopping"):
        await within_deadline(flush)
    world.fold(0, ada=b"1")
    with pytest.raises(WriteAborted, match="stopping"):
        await within_deadline(world.checkpointer.flush())
