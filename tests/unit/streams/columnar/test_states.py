"""A partition's states: rows and long form, written, rolled back, read again by another worker; in memory, on disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bannerstream.streams.affinity import Decision, UserState, pack
from bannerstream.streams.batching import MemoryStore, RocksStore
from bannerstream.streams.batching.state_store import reached_by
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.columnar.key_index import KeyIndex
from bannerstream.streams.columnar.layout import LAYOUT, MAX_COHORTS, Columns, Shape
from bannerstream.streams.columnar.rows import converted, new_rows
from bannerstream.streams.columnar.states import Version
from bannerstream.streams.errors import BrokenState, UnknownStateVersion
from tests.support.folded_batch import in_order
from tests.support.shop import DAY, NOON, POLICY, policy
from tests.support.stored_states import OF_VERSION_1

KEYS = [b"%032x" % (number << 64 | number % 3) for number in range(1, 8)]


def state(**changes: Any) -> UserState:
    plain = UserState(
        POLICY.half_life_ms,
        NOON,
        seen_ms=5,
        epoch=2,
        decision=Decision("mug", "cosy", 2**63 + 1, -3, "a"),
        offsets={"clicks": 7},
        scores={"cosy": 1.5},
        touched={"shoe": -9 * DAY, "mug": 5},
        purchased={"lamp": 30 * DAY},
        recent=b"01234567",
    )
    return msgspec.structs.replace(plain, **changes)


ROW = [
    state(),
    state(decision=None, touched={}, purchased={}, recent=b"", scores={}, offsets={}),
    state(landmark_ms=0, seen_ms=0),
    state(seen_ms=300 * DAY, epoch=2**32 - 1, recent=b"\0" * 7 + b"1" + b"\xff" * 16),
    state(scores={"a": 1e-300, "z": 1e300}, purchased={"x": -1, "y": 2**39 - 1}),
]
LONG = [
    state(purchased={"a": 1, "b": 2, "c": 3}),
    state(touched={str(number): number for number in range(9)}),
    state(recent=b"12345678" * 4),
    state(recent=bytes(8)),
    state(scores={"cosy": 0.0}),
    state(seen_ms=2**39),
    state(epoch=2**32),
    state(half_life_ms=1),
    state(transfers=b"12345678" * 2),
]


def same(one: UserState, other: UserState) -> bool:
    return in_order(pack(one)) == in_order(pack(other)) and list(one.touched) == list(other.touched)


def in_changelog(states: ColumnarStates) -> dict[bytes, bytes]:
    return {key: packed for key, packed in states.encode(states.dirty()) if packed is not None}


def covering(states: ColumnarStates) -> ColumnarStates:
    states.reshape(states.columns.shape.covering(("a", "cosy", "z"), ("clicks",), ("a",)))
    return states


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "kept", [*ROW, *LONG, state(locale="de"), state(transfers=b"12345678"), state(touched={"é": 1})]
)
def test_a_state_survives_memory_and_changelog(kept, version):
    states = covering(ColumnarStates(POLICY, version=version))
    states.put(KEYS[0], kept)
    assert same(states.get(KEYS[0]), kept)
    again = ColumnarStates(POLICY, version=version)
    again.apply(in_changelog(states).items(), 1)
    assert same(again.get(KEYS[0]), kept)
    assert again.keys() == [KEYS[0]]
    assert again.dirty() == []


def test_a_state_that_fits_is_a_row_and_one_that_does_not_is_not():
    states = covering(ColumnarStates(POLICY, version=3))
    for form, kept in [(True, each) for each in ROW] + [(False, each) for each in LONG]:
        states.put(KEYS[0], kept)
        (packed,) = (value for key, value in in_changelog(states).items() if not key.startswith(LAYOUT))
        assert (packed[0] == 3) is form, kept


def test_a_row_is_as_small_as_promised():
    shape = Shape(tuple("abcdefghijkl"), ("clicks", "purchases"), ("a",), (1,), ("",), 12, 2, 8, 1)
    mark, index = 1, 4 / 0.45
    assert Columns(shape).dtype.itemsize + mark + index <= 380


def test_states_of_versions_1_and_2_are_read_and_written_in_the_version_set():
    states = ColumnarStates(POLICY, version=3)
    states.apply([(KEYS[0], OF_VERSION_1), (KEYS[1], pack(state()))], 2)
    assert states.get(KEYS[0]).epoch == 4
    assert same(states.get(KEYS[1]), state())
    states.reshape(states.columns.shape.covering(("cosy", "sporty", "bookish"), ("clicks", "purchases"), ()))
    states.put_all(KEYS[:2], [state(), state()])
    changes = states.encode(states.dirty())
    assert {packed[0] for _, packed in changes} == {3}
    assert sorted(key for key, _ in changes if not key.startswith(LAYOUT)) == KEYS[:2]


def test_layout_records_precede_the_states_that_need_them_and_are_written_once():
    states = covering(ColumnarStates(POLICY, version=3))
    states.put(KEYS[0], state())
    first = [key for key, _ in states.encode([KEYS[0]])]
    assert first[-1] == KEYS[0]
    assert all(key.startswith(LAYOUT) for key in first[:-1])
    states.put(KEYS[1], state())
    assert [key for key, _ in states.encode([KEYS[1]])] == [KEYS[1]]
    states.put(KEYS[1], state(touched={"new": 1}))
    (layout, _), (key, _) = states.encode([KEYS[1]])
    assert (layout.startswith(LAYOUT), key) == (True, KEYS[1])


def test_a_changelog_without_its_layout_is_refused_with_what_to_do():
    states = covering(ColumnarStates(POLICY, version=3))
    states.put(KEYS[0], state())
    changes = in_changelog(states)
    with pytest.raises(UnknownStateVersion, match="layout record"):
        ColumnarStates(POLICY).apply([(KEYS[0], changes[KEYS[0]])], 1)
    (shape,) = (key for key in changes if b"shape" in key)
    for key, record, error in (
        (shape, b"\x04{}", UnknownStateVersion),
        (shape, b"\x03{}", BrokenState),
        (KEYS[0], changes[KEYS[0]][:-1], BrokenState),
    ):
        with pytest.raises(error):
            ColumnarStates(POLICY).apply((changes | {key: record}).items(), 1)


def test_layout_records_of_reserved_kinds_are_passed_over():
    states = ColumnarStates(POLICY)
    states.apply([(LAYOUT + b"source/clicks", b"\x03{}"), (KEYS[0], pack(state()))], 2)
    assert states.keys() == [KEYS[0]]


def test_records_of_the_changelog_that_no_worker_wrote_stop_nothing():
    states = ColumnarStates(POLICY)
    states.apply([(b"", b"?"), (b"ada", pack(state())), (b"g" * 32, b""), (KEYS[0], pack(state()))], 4)
    assert (states.keys(), states.reached()) == ([KEYS[0]], 4)


def test_a_changelog_is_read_alike_in_any_slices():
    states = covering(ColumnarStates(POLICY, version=3))
    states.put_all(KEYS, [state(epoch=number) for number in range(len(KEYS))])
    changes = states.encode(states.dirty())
    states.put_all(KEYS[:3], [state(epoch=number) for number in (70, 71, 72)])
    states.put(KEYS[3], LONG[0])
    changes += [*states.encode(states.dirty()), (KEYS[4], None), (KEYS[0], changes[-1][1])]
    for size in (1, 2, 3, 100):
        again = ColumnarStates(POLICY, version=3)
        for start in range(0, len(changes), size):
            again.apply(changes[start : start + size], start + size)
        found = again.get_all(KEYS)
        assert KEYS[4] not in found
        assert same(found.pop(KEYS[3]), LONG[0])
        assert [found[key].epoch for key in KEYS if key in found] == [found[KEYS[0]].epoch, 71, 72, 5, 6]
        assert len(again) == len(KEYS) - 1


def test_two_products_with_one_number_do_not_become_one(monkeypatch):
    monkeypatch.setattr("bannerstream.streams.columnar.layout.xxh32_intdigest", lambda _: 7)
    states = covering(ColumnarStates(POLICY, version=3))
    states.put_all(KEYS[:2], [state(decision=None, touched={name: 1}, purchased={}) for name in ("one", "two")])
    again = ColumnarStates(POLICY, version=3)
    again.apply(in_changelog(states).items(), 1)
    assert [list(again.get(key).touched) for key in KEYS[:2]] == [["one"], ["two"]]


def test_rows_of_an_earlier_shape_keep_their_meaning():
    old = Columns(Shape(("b", "a"), ("x",), ("v",), (5, 6), ("", "de"), 2, 1, 1, 1))
    new = Columns(old.shape.including(Shape(("c", "b"), ("y", "x"), ("w", "v"), (7,), ("", "en"), 3, 2, 2, 1)))
    rows = new_rows(old, 1)
    for name, value in {"scores": [1, 2], "offsets": 3, "cohort": 1, "variant": 0, "half_life": 1, "locale": 1}.items():
        rows[name] = value
    rows["touched"], rows["key"] = [8, 9], [1, 2]
    (row,) = converted(rows, old, new)
    assert new.shape.cohorts == ("c", "b", "a")
    assert (row["scores"].tolist(), row["offsets"].tolist(), row["touched"].tolist()) == ([0, 1, 2], [3, -1], [8, 9, 0])
    assert (row["cohort"], new.shape.half_lives_ms[row["half_life"]], new.shape.locales[row["locale"]]) == (2, 6, "de")
    assert row["key"].tolist() == [1, 2]


def test_more_cohorts_than_columns_leave_the_rest_to_long_form():
    states = ColumnarStates(POLICY)
    states.reshape(states.columns.shape.covering([f"c-{number:04}" for number in range(400)], ("clicks",), ()))
    assert len(states.columns.shape.cohorts) == MAX_COHORTS
    kept = state(scores={"c-0000": 1.0, "c-0399": 2.0}, decision=None)
    states.put(KEYS[0], kept)
    assert same(states.get(KEYS[0]), kept)


def test_a_policy_with_other_windows_reads_rows_on():
    states = covering(ColumnarStates(POLICY, version=3))
    kept = state(recent=b"12345678" * 3)
    states.put(KEYS[0], kept)
    changes = in_changelog(states)
    for other in (policy(duplicate_window=0, products_per_user=1), policy(duplicate_window=50, half_life_ms=3)):
        again = ColumnarStates(other, version=3)
        again.apply(changes.items(), 1)
        assert same(again.get(KEYS[0]), kept)


@pytest.fixture(params=["memory", "disk"])
def states(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ColumnarStates]:
    durable = request.param == "disk"
    store = RocksStore(tmp_path / "0") if durable else MemoryStore()
    states = covering(ColumnarStates(POLICY, store, durable=durable, version=3))
    yield states
    states.close()


def test_a_write_that_lands_behind_anothers_leaves_the_rest_to_be_read(states):
    states.put(KEYS[0], state())
    changes = states.encode(states.dirty())
    states.written(changes, len(changes))
    assert states.reached() == len(changes)
    states.put(KEYS[0], state(epoch=3))
    changes_behind = states.encode(states.dirty())
    states.written(changes_behind, reached_by(states, changes_behind, 90))
    assert states.reached() == len(changes)


def test_whoever_is_idle_is_found_as_row_and_in_long_form(states):
    kept = [state(seen_ms=0), state(seen_ms=1000), LONG[0], msgspec.structs.replace(LONG[0], seen_ms=1000)]
    states.put_all(KEYS[:4], kept)
    assert not [key for found in states.idle(NOON + 100) for key in found], "folded just now"
    changes = states.encode(states.dirty())
    assert not [key for found in states.idle(NOON + 100) for key in found], "not acknowledged"
    states.written(changes, len(changes))
    assert {key for found in states.idle(NOON + 100) for key in found} == {KEYS[0], KEYS[2]}


def test_states_on_disk_are_there_again_and_leave_memory_when_there_are_too_many(tmp_path):
    first = covering(ColumnarStates(POLICY, RocksStore(tmp_path / "0"), durable=True, version=3))
    first.put_all(KEYS, [state(epoch=number) for number in range(len(KEYS))])
    changes = first.encode(KEYS[1:])
    first.written(changes, len(changes))
    first.evict_clean(3)
    assert first.dirty() == [KEYS[0]]
    assert [first.get(key).epoch for key in KEYS] == list(range(len(KEYS)))
    first.close()
    again = ColumnarStates(POLICY, RocksStore(tmp_path / "0"), durable=True, version=3)
    assert [again.get(key).epoch for key in KEYS[1:]] == list(range(1, len(KEYS)))
    assert again.get(KEYS[0]) is None
    again.close()


def test_the_index_finds_what_was_inserted_and_nothing_else():
    random = np.random.default_rng(3)
    keys = random.integers(0, 1 << 63, (20_000, 2), dtype=np.uint64)
    keys[::10, 0] = keys[1::10, 0]
    index, used = KeyIndex(), np.zeros(0, np.int32)
    for start in range(0, 20_000, 1_000):
        if not index.has_room(1_000):
            index.rebuild(used, keys, 1_000)
        fresh = np.arange(start, start + 1_000, dtype=np.int32)
        index.insert(fresh, keys)
        used = np.concatenate([used, fresh])
    assert index.find(keys, keys).tolist() == list(range(20_000))
    index.remove(np.arange(0, 20_000, 2, dtype=np.int32), keys)
    assert index.find(keys, keys).tolist() == [number if number % 2 else -1 for number in range(20_000)]
    index.rebuild(np.arange(1, 20_000, 2, dtype=np.int32), keys, 10_000)
    index.insert(np.arange(0, 20_000, 2, dtype=np.int32), keys)
    assert index.find(keys, keys).tolist() == list(range(20_000))
    assert index.find(keys + np.uint64(1 << 20), keys).max() == -1


class AgainstDicts(RuleBasedStateMachine):
    """`live` is what a fold reads, `acknowledged` what the changelog holds, `travelling` what is sent, not answered."""

    @initialize(durable=st.booleans(), version=st.sampled_from([2, 3]))
    def open(self, durable: bool, version: Version) -> None:
        self.durable, self.version = durable, version
        self.states = covering(ColumnarStates(POLICY, MemoryStore(), durable=durable, version=version))
        self.live: dict[bytes, UserState] = {}
        self.acknowledged: dict[bytes, UserState] = {}
        self.changelog: dict[bytes, bytes | None] = {}
        self.unwritten: set[bytes] = set()
        self.travelling: Any = None
        self.offset = 0

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, unique=True), kept=st.sampled_from([*ROW, *LONG]))
    def put(self, keys: list[bytes], kept: UserState) -> None:
        self.states.load([key for key in keys if key not in self.unwritten])
        self.states.put_all(keys, [kept] * len(keys))
        self.live |= dict.fromkeys(keys, kept)
        self.unwritten.update(keys)

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
    def remove(self, keys: list[bytes]) -> None:
        self.states.remove_all(keys)
        for key in keys:
            self.live.pop(key, None)
        self.unwritten.update(keys)

    @precondition(lambda self: self.travelling is None)
    @rule(keys=st.lists(st.sampled_from(KEYS)))
    def send(self, keys: list[bytes]) -> None:
        changes = self.states.encode(keys)
        sent = {key for key in keys if key in self.unwritten}
        states = [key for key, _ in changes if not key.startswith(LAYOUT)]
        assert sorted(states) == sorted(sent)
        assert {key for key, packed in changes if packed is None} == {key for key in sent if key not in self.live}
        self.travelling = changes, {key: self.live.get(key) for key in sent}
        self.unwritten -= sent

    @precondition(lambda self: self.travelling is not None)
    @rule()
    def acknowledge(self) -> None:
        changes, states = self.travelling
        self.offset += len(changes)
        self.states.written(changes, self.offset)
        self.changelog |= changes
        for key, kept in states.items():
            if kept is None:
                self.acknowledged.pop(key, None)
            else:
                self.acknowledged[key] = kept
        self.travelling = None

    @precondition(lambda self: self.travelling is None)  # as the checkpointer does: after a flush
    @rule(most=st.integers(0, 3))
    def evict_clean(self, most: int) -> None:
        self.states.evict_clean(most)

    @rule()
    def stop_retrying(self) -> None:
        """Roll back, and recover as after every aborted write."""
        self.states.roll_back()
        self.travelling = None
        self.unwritten.clear()
        self.live = dict(self.acknowledged)
        if self.states.reached() is None and self.offset:
            self.states.apply(self.changelog.items(), self.offset)

    @precondition(lambda self: self.travelling is None and not self.unwritten)
    @rule()
    def restart(self) -> None:
        self.states = ColumnarStates(POLICY, MemoryStore(), durable=self.durable, version=self.version)
        if self.offset:
            self.states.apply(self.changelog.items(), self.offset)

    @invariant()
    def a_fold_sees_what_is_live(self) -> None:
        found = self.states.get_all(KEYS)
        assert found.keys() == self.live.keys()
        assert all(same(found[key], self.live[key]) for key in found)
        assert set(self.states.keys()) == self.live.keys() | (self.acknowledged.keys() & set(self.states.keys()))

    @invariant()
    def everything_unwritten_is_dirty(self) -> None:
        assert set(self.states.dirty()) == self.unwritten
        assert (self.states.reached() or 0) == self.offset


AgainstDicts.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_whatever_order_no_state_is_lost = AgainstDicts.TestCase
