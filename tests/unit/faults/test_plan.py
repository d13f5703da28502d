"""Which seeds run when."""

import subprocess
from pathlib import Path

import pytest

from tests.faults import plan
from tests.faults.play import SCENARIOS

COMMITS = [f"{number:040x}" for number in range(1000)]


def test_a_commit_draws_one_nightly_seed_of_each_scenario() -> None:
    for commit in COMMITS:
        drawn = plan.of_commit(commit)
        assert [name for name, _ in drawn] == list(SCENARIOS)
        assert set(drawn) <= set(plan.nightly())
    assert plan.of_commit(COMMITS[0]) == plan.of_commit(COMMITS[0])


def test_commits_together_draw_every_seed() -> None:
    assert {run for commit in COMMITS for run in plan.of_commit(commit)} == set(plan.nightly())


def test_where_there_is_no_git_the_seeds_are_fixed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert plan.current_commit() == ""
    assert plan.of_commit("") == plan.of_commit(plan.current_commit())


def test_the_commit_is_the_one_that_is_checked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command == ["git", "rev-parse", "HEAD"]
        return subprocess.CompletedProcess(command, 0, f"{COMMITS[7]}\n", "")

    monkeypatch.setattr(plan.subprocess, "run", answer)
    assert plan.current_commit() == COMMITS[7]
