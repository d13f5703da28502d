"""A partition's states: decoded, dirty, and acknowledged by the changelog."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bannerstream.streams.batching.rocks import MAX_AGE_S, RocksStore
from bannerstream.streams.batching.state_store import reached_by
from bannerstream.streams.batching.store import Codec, MemoryStore, PackedStore, Partition, Partitions, decoded_states

CODEC = Codec(pack=lambda state: state[0].encode(), unpack=lambda packed: [packed.decode()])
"""A state is a list of one text, which can be changed in place, like a real one."""

KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])


@pytest.fixture
def partition() -> Partition[list[str]]:
    return Partition(CODEC, MemoryStore())


def test_what_get_returns_is_live_and_is_read_from_bytes_once(partition):
    partition.packed_store.update([(b"a", b"1")], 1)
    state = partition.get(b"a")
    state[0] = "2"
    assert partition.get(b"a") is state
    assert partition.dirty() == []
    partition.put(b"a", state)
    assert partition.encode(partition.dirty()) == [(b"a", b"2")]


def test_keys_are_written_in_the_order_in_which_they_were_touched(partition):
    for key in (b"b", b"a", b"b"):
        partition.put(key, ["1"])
    assert partition.dirty() == [b"b", b"a"]


def test_of_urgent_keys_only_the_dirty_ones_are_encoded_and_each_once(partition):
    partition.put(b"a", ["1"])
    assert partition.encode([b"a", b"a", b"b"]) == [(b"a", b"1")]
    assert partition.encode([b"a"]) == []


def test_a_write_that_lands_behind_anothers_leaves_the_rest_to_be_read(partition):
    partition.packed_store.update([(b"a", b"1"), (b"b", b"1")], 2)
    partition.put(b"a", ["2"])
    changes = partition.encode([b"a"])
    partition.written(changes, reached_by(partition, changes, 3))
    assert partition.packed_store.reached() == 3
    partition.put(b"a", ["3"])
    changes = partition.encode([b"a"])
    partition.written(changes, reached_by(partition, changes, 9))  # somebody else wrote offsets 3 to 7
    assert partition.packed_store.reached() == 3
    assert partition.packed_store.get(b"a") == b"3"


def test_a_key_that_is_touched_while_its_write_travels_is_dirty_again(partition):
    partition.put(b"a", ["1"])
    changes = partition.encode([b"a"])
    partition.put(b"a", ["2"])
    partition.written(changes, 1)
    assert partition.packed_store.get(b"a") == b"1"
    assert partition.get(b"a") == ["2"]
    assert partition.dirty() == [b"a"]


def test_a_removed_key_is_gone_before_and_after_its_tombstone(partition):
    partition.packed_store.update([(b"a", b"1")], 1)
    partition.remove(b"a")
    assert partition.get(b"a") is None
    changes = partition.encode(partition.dirty())
    assert changes == [(b"a", None)]
    assert partition.get(b"a") is None
    partition.written(changes, 2)
    assert partition.get(b"a") is None
    assert len(partition) == 0


def test_a_key_can_come_back_after_its_removal(partition):
    partition.packed_store.update([(b"a", b"1")], 1)
    partition.remove(b"a")
    partition.put(b"a", ["2"])
    assert partition.encode(partition.dirty()) == [(b"a", b"2")]


def test_a_removal_that_is_rolled_back_did_not_happen(partition):
    partition.packed_store.update([(b"a", b"1")], 1)
    partition.remove(b"a")
    partition.roll_back()
    assert partition.get(b"a") == ["1"]
    assert partition.dirty() == []


def test_what_the_codec_cannot_read_is_raised_and_does_not_stay():
    def refuse(packed: bytes) -> None:
        raise ValueError(packed)

    partition = Partition(Codec(pack=bytes, unpack=refuse), MemoryStore())
    partition.packed_store.update([(b"a", b"broken")], 1)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            partition.get(b"a")
    assert partition.packed_store.get(b"a") == b"broken"


@pytest.fixture(params=["memory", "disk"])
def packed_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PackedStore]:
    packed_store = MemoryStore() if request.param == "memory" else RocksStore(tmp_path / "states" / "0")
    yield packed_store
    packed_store.close()


def test_what_is_at_rest_knows_how_far_it_reaches_until_it_is_cleared(packed_store):
    assert packed_store.reached() is None
    packed_store.update([(b"a", b"1"), (b"b", b"2"), (b"a", None)], 7)
    assert (packed_store.reached(), dict(packed_store.items()), len(packed_store)) == (7, {b"b": b"2"}, 1)
    packed_store.clear()
    assert (packed_store.reached(), dict(packed_store.items()), packed_store.get(b"b")) == (None, {}, None)


def test_what_is_at_rest_can_be_read_while_folding_goes_on(packed_store):
    packed_store.update([(b"a", b"1"), (b"b", b"2")], 2)
    seen = []
    for key, packed in packed_store.items():
        packed_store.update([(key + b"!", b"3")], 3)
        seen.append((key, packed))
    assert seen == [(b"a", b"1"), (b"b", b"2")]


def test_states_on_disk_are_there_again_with_how_far_they_reach(tmp_path):
    first = RocksStore(tmp_path / "0")
    first.update([(b"a", b"1"), (b"b", b"2")], 7)
    first.close()
    again = RocksStore(tmp_path / "0")
    assert (again.reached(), dict(again.items())) == (7, {b"a": b"1", b"b": b"2"})
    again.close()


def test_states_on_disk_that_were_left_for_long_are_read_again(tmp_path):
    """The changelog may have dropped tombstones meanwhile."""
    now = 1_000_000.0
    first = RocksStore(tmp_path / "0", clock=lambda: now)
    first.update([(b"a", b"1")], 7)
    first.close()
    now += MAX_AGE_S + 1
    again = RocksStore(tmp_path / "0", clock=lambda: now)
    assert (again.reached(), dict(again.items())) == (None, {})
    again.close()


class Closing(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_a_partition_that_is_dropped_is_closed_and_begins_empty():
    opened: dict[int, Closing] = {}

    def open_store(number: int) -> Closing:
        opened[number] = Closing()
        return opened[number]

    partitions = Partitions(decoded_states(CODEC, open_store))
    partitions.apply(3, [(b"a", b"1")], 1)
    first = opened[3]
    partitions.drop([3, 4])
    assert (first.closed, list(partitions), len(partitions)) == (True, [], 0)
    assert partitions[3].get(b"a") is None


def test_warm_states_are_shared_between_the_partitions():
    partitions = Partitions(decoded_states(CODEC), max_decoded=4)
    for number in range(2):
        partitions.apply(number, [(b"%d" % each, b"1") for each in range(5)], 5)
        for key in range(2 + number):
            partitions[number].get(b"%d" % key)
    partitions.evict_clean()
    assert [list(partitions[number]._decoded) for number in range(2)] == [[b"0", b"1"], [b"1", b"2"]]


class AgainstDicts(RuleBasedStateMachine):
    """`live` is what a fold reads, `changelog` what is acknowledged, `travelling` what is sent but not acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.partition = Partition(CODEC, MemoryStore())
        self.live: dict[bytes, str] = {}
        self.changelog: dict[bytes, str] = {}
        self.unwritten: set[bytes] = set()
        self.travelling: list[tuple[bytes, bytes | None]] | None = None
        self.offset = 0

    @rule(key=KEYS, text=st.text(max_size=3))
    def put(self, key: bytes, text: str) -> None:
        state = self.partition.get(key) or [""]
        state[0] = text
        self.partition.put(key, state)
        self.live[key] = text
        self.unwritten.add(key)

    @rule(key=KEYS)
    def remove(self, key: bytes) -> None:
        self.partition.remove(key)
        self.live.pop(key, None)
        self.unwritten.add(key)

    @precondition(lambda self: self.travelling is None)
    @rule(keys=st.lists(KEYS))
    def send(self, keys: list[bytes]) -> None:
        self.travelling = self.partition.encode(keys)
        sent = [key for key in dict.fromkeys(keys) if key in self.unwritten]
        assert self.travelling == [(key, self.live[key].encode() if key in self.live else None) for key in sent]
        self.unwritten.difference_update(sent)

    @precondition(lambda self: self.travelling is not None)
    @rule()
    def acknowledge(self) -> None:
        self.offset += len(self.travelling)
        self.partition.written(self.travelling, self.offset)
        for key, packed in self.travelling:
            if packed is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = packed.decode()
        self.travelling = None

    @precondition(
        lambda self: self.travelling is None
    )  # as the checkpointer does: after a flush, before the next round
    @rule(most=st.integers(0, 3))
    def evict_clean(self, most: int) -> None:
        self.partition.evict_clean(most)

    @rule()
    def stop_retrying(self) -> None:
        self.partition.roll_back()
        self.travelling = None
        self.unwritten.clear()
        self.live = dict(self.changelog)

    @invariant()
    def a_fold_sees_what_is_live(self) -> None:
        for key in (b"a", b"b", b"c", b"d"):
            state = self.partition.get(key)
            assert (None if state is None else state[0]) == self.live.get(key)

    @invariant()
    def at_rest_is_what_the_changelog_holds(self) -> None:
        packed_store = self.partition.packed_store
        assert {key: packed.decode() for key, packed in packed_store.items()} == self.changelog
        assert (packed_store.reached() or 0) == self.offset

    @invariant()
    def everything_unwritten_is_dirty(self) -> None:
        assert set(self.partition.dirty()) == self.unwritten


AgainstDicts.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
test_whatever_order_no_state_is_lost = AgainstDicts.TestCase
