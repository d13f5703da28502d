"""The record of fault runs."""

import json
from pathlib import Path

import pytest

from tests.faults import history
from tests.faults.audit import Findings
from tests.faults.history import History, summary
from tests.faults.result import Result


def result(seed: int, *, lost: int = 0) -> Result:
    findings = Findings()
    for number in range(lost):
        findings.add("lost", f"event {number}")
    return Result("kill", seed, 100, 3, findings, 1.6)


@pytest.fixture(autouse=True)
def same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_has_this_service_code", lambda commit: commit != "other")


def test_a_record_is_read_back_without_runs_of_other_code(tmp_path: Path) -> None:
    record = History(tmp_path / "results" / "faults.jsonl")
    assert record.comparable() == []
    record.append(result(1), "this")
    record.append(result(2), "other")
    assert [(line.name, line.seed) for line in record.comparable()] == [("kill", 1)]


def test_the_last_run_of_a_seed_counts(tmp_path: Path) -> None:
    record = History(tmp_path / "faults.jsonl")
    record.append(result(1, lost=2), "this")
    record.append(result(1), "later")
    (line,) = record.comparable()
    assert (line.commit, line.findings) == ("later", {})


def test_a_line_names_its_commit_and_what_was_found(tmp_path: Path) -> None:
    file = tmp_path / "faults.jsonl"
    History(file).append(result(4, lost=2), "this")
    assert json.loads(file.read_text()) == {
        "name": "kill", "seed": 4, "events": 100, "faults": 3, "seconds": 2, "findings": {"lost": 2}, "commit": "this",
    }  # fmt: skip


def test_the_summary_adds_up_every_kind(tmp_path: Path) -> None:
    record = History(tmp_path / "faults.jsonl")
    lines = [record.append(result(seed, lost=seed), "this") for seed in (1, 2)]
    totals = summary(lines, 3.2)
    assert (totals["seeds"], totals["scenarios"], totals["events"], totals["lost"], totals["double"]) == (
        2,
        1,
        200,
        3,
        0,
    )
