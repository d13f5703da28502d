"""When the clock of a run starts and stops, over a process that does nothing and progress that is scripted."""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bannerstream.service.child_process import ChildProcess
from bench.arena import written
from bench.arena.stage import in_turn
from bench.arena.timing import RunFailed, time_run
from bench.arena.workload import Workload, draw, first_visits, first_visits_by_partition, records

START_MS = 1_790_000_000_000


class Script:
    """Progress that takes one step at each look."""

    def __init__(self, *steps: Sequence[int]) -> None:
        self._steps = list(steps)

    def offsets(self) -> list[int]:
        return list(self._steps.pop(0) if len(self._steps) > 1 else self._steps[0])


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ChildProcess]:
    reports = f"print('first-record {round((time.time() - 10) * 1000)}', flush=True); import signal; signal.pause()"
    with ChildProcess([sys.executable, "-c", reports], name="system", log_file=tmp_path / "log") as running:
        running.wait_until_ready(lambda: "first-record" in running.log_tail())
        yield running


def test_from_the_first_record_on_every_event_counts(process: ChildProcess) -> None:
    measured = time_run([process], Script([0, 0], [5, 3], [10, 10]), [10, 10], 30.0)
    assert measured.events == 20
    assert measured.seconds > 10


def test_after_a_warm_up_what_was_committed_by_then_is_left_out(process: ChildProcess) -> None:
    measured = time_run([process], Script([0, 0], [9, 1], [6, 4], [10, 10]), [10, 10], 30.0, warm=[2, 2])
    assert measured.events == 10
    assert measured.seconds < 10


def test_a_run_that_is_over_with_its_warm_up_has_no_rate(process: ChildProcess) -> None:
    with pytest.raises(RunFailed, match="choose more --events"):
        time_run([process], Script([0, 0], [10, 10]), [10, 10], 30.0, warm=[2, 2])


def test_every_user_comes_first_under_an_event_id_that_no_later_event_has() -> None:
    first = list(first_visits(300, START_MS))
    later = list(records(draw(Workload(300, "uniform", 2_000), START_MS), 300))
    assert len({key for key, *_ in first}) == len(first) == 300
    ids = [value.split(b'"')[3] for _, value, *_ in first + later]
    assert len(set(ids)) == len(ids)
    placed = Counter(partition for _, _, partition, _ in first)
    assert [placed[number] for number in range(4)] == first_visits_by_partition(300)


def test_each_round_begins_with_another_system() -> None:
    assert [in_turn("abc", number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert sorted(in_turn("abc", 1)) == ["a", "b", "c"]


class Row:
    def __init__(self, partition: int, offset: int, diff: bytes) -> None:
        self.error = lambda: None
        self.partition = lambda: partition
        self.value = lambda: offset.to_bytes(8, "little") + b"scores"
        self.headers = lambda: [("pathway_time", b"7"), ("pathway_diff", diff)]


def test_pathway_is_as_far_as_the_last_offset_in_each_partition_of_the_states_that_it_inserted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [[Row(0, 4, b"1"), Row(1, 9, b"1"), Row(1, 8, b"1"), Row(0, 99, b"-1")], []]

    class Consumer:
        def __init__(self, _: object) -> None: ...

        def assign(self, _: object) -> None: ...

        def consume(self, _: int, timeout: float) -> list[Row]:
            del timeout
            return rows.pop(0)

    monkeypatch.setattr(written, "Consumer", Consumer)
    assert written.Written("", "states", 3).offsets() == [5, 10, 0]
