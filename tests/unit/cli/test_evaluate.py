"""`bannerstream evaluate`: a table for people, a document for programs."""

import json
from pathlib import Path

import pytest

from bannerstream.cli.main import run_command


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_lexicon_is_measured_on_titles_that_it_never_saw(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["evaluate", "describe", "--lexicon-only", "--json", "--out", "figures.json"]) == 0
    output = capsys.readouterr()
    document = json.loads(output.out)
    (row,) = document["rows"]
    assert (row["describer"], row["part"]) == ("lexicon", "unseen")
    assert row["titles"] >= 120
    assert 0.5 < row["subject"] < 1
    assert "lexicon" in output.err
    assert json.loads(Path("figures.json").read_text()) == document


def test_parts_and_a_limit_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    parts = ["--part", "rules", "--part", "words"]
    assert run_command(["evaluate", "describe", "--lexicon-only", "--json", "--limit", "5", *parts]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["part"], row["titles"]) for row in rows] == [("words", 5), ("rules", 5)]


def test_a_file_that_cannot_be_written_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["evaluate", "describe", "--lexicon-only", "--out", "nowhere/figures.json"]) == 2
    assert "nowhere" in capsys.readouterr().err
