"""docs/architecture.md: its rooms, pure modules, keepers of invariants, topics and paths are those of the code."""

import re
import tomllib
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest

from bannerstream.contracts.topics import Topics

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/architecture.md").read_text()
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
KEEPERS = sorted(set(re.findall(r"`([a-z_.]+:\w+(?:\.\w+)?)`", PAGE)))
PATHS = sorted(set(re.findall(r"`((?:[a-z_]+/)+(?:[\w.-]+)?)`", PAGE)) - {"catalog/…"})


def rows(after: str) -> list[list[str]]:
    """Return the cells of the table that follows a mark or a heading, without its head."""
    table = PAGE.partition(after)[2].lstrip().partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_rooms_are_layered_as_the_linter_holds_them() -> None:
    layers = next(contract["layers"] for contract in LINTER if contract["name"] == "Imports go one way")
    on_page = [re.findall(r"`(\w+)`", cells[1]) for cells in rows("<!-- rooms -->")]
    assert [set(rooms) for rooms in on_page] == [{name.strip() for name in layer.split("|")} for layer in layers]
    links = {link.name for link in (ROOT / "src/bannerstream").iterdir() if link.is_symlink()}
    assert links == {room for rooms in on_page for room in rooms}


def test_the_pure_modules_are_those_that_the_linter_holds() -> None:
    held = {
        contract["name"]: {module.removeprefix("bannerstream.") for module in contract["source_modules"]}
        for contract in LINTER
        if "I/O" in contract["name"]
    }
    assert {cells[0]: set(re.findall(r"`([\w.]+)`", cells[1])) for cells in rows("<!-- pure -->")} == held


@pytest.mark.parametrize("keeper", KEEPERS)
def test_what_keeps_an_invariant_is_there(keeper: str) -> None:
    module, _, path = keeper.partition(":")
    assert callable(reduce(getattr, path.split("."), import_module(f"bannerstream.{module}")))


def test_every_invariant_names_a_keeper() -> None:
    invariants = rows("a test holds the names true.")
    assert len(invariants) == 9
    assert all(re.search(r"`[a-z_.]+:\w+", cells[-1]) for cells in invariants)


def test_the_topics_are_those_of_the_contract() -> None:
    stated = [(cells[0].strip("`"), cells[1], cells[2], cells[3]) for cells in rows("<!-- topics -->")]
    assert stated == [(topic.name, topic.key, topic.written_by, topic.cleanup) for topic in Topics()]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_the_page_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()
