"""The demo removes an earlier demo's files and nothing else."""

from pathlib import Path

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.demo.example_shop import CATALOGUE, SESSION
from bannerstream.demo.runner import DemoOptions, run_demo
from bannerstream.devservers.stack import Stack


class Reached(Exception):
    """The servers would be started now."""


@pytest.fixture(autouse=True)
def _no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(_: Stack) -> None:
        raise Reached

    monkeypatch.setattr(Stack, "start", reach)


def run(out: Path) -> None:
    run_demo(DemoOptions(out, SESSION, CATALOGUE, rate=100), lambda _: None)


def test_a_folder_with_something_of_ones_own_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"thesis\.tex"):
        run(tmp_path)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "thesis.tex": "years of work",
        "index.html": "mine",
    }


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigurationError, match="is a file"):
        run(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_an_earlier_demo_makes_room(tmp_path: Path) -> None:
    (tmp_path / "out/banners").mkdir(parents=True)
    (tmp_path / "out/banners/old.webp").write_bytes(b"old")
    (tmp_path / "out/index.html").write_text("old")
    with pytest.raises(Reached):
        run(tmp_path / "out")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["run"]
