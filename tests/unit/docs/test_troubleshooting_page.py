"""docs/troubleshooting.md and docs/upgrading.md name the errors, codes, commands and versions that the code has."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from bannerstream.contracts.errors import BannerstreamError, InvalidRecord
from bannerstream.edge.errors import HttpError
from bannerstream.streams.affinity.state import STATE_VERSION

ROOT = Path(__file__).parents[3]
TROUBLESHOOTING = (ROOT / "docs/troubleshooting.md").read_text()
UPGRADING = (ROOT / "docs/upgrading.md").read_text()
COMMANDS = (ROOT / "docs/commands.md").read_text()  # generated, and held to the code
NOT_FOR_OPERATORS = {
    # What leaves derive from:
    *("BannerstreamError", "InvalidRecord", "StorageError", "PaintingFailed", "PainterUnavailable"),
    "RequestRefused",  # its message holds the store's own code
    "ServerFailed",  # a machine for tests
    "DemoIncomplete",  # its message names the logs
}


def errors(kind: type[BannerstreamError]) -> set[type[BannerstreamError]]:
    """Return an error and everything that derives from it in the product."""
    for file in ROOT.glob("*/errors.py"):
        import_module(f"bannerstream.{file.parent.name}.errors")
    found = {kind, *(leaf for child in kind.__subclasses__() for leaf in errors(child))}
    return {error for error in found if error.__module__.startswith("bannerstream.")}


def test_every_error_that_an_operator_can_meet_is_on_the_page() -> None:
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", TROUBLESHOOTING))
    known = {error.__name__: error for error in errors(BannerstreamError) if error.__module__.endswith(".errors")}
    assert named <= known.keys()
    by_code = {name for name, error in known.items() if issubclass(error, InvalidRecord | HttpError)}
    assert known.keys() - by_code - NOT_FOR_OPERATORS <= named


@pytest.mark.parametrize("code", sorted({error.code for error in errors(HttpError)} - {"refused"}))
def test_every_code_of_the_edge_is_on_the_page(code: str) -> None:
    assert f"`{code}`" in TROUBLESHOOTING


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"`(bannerstream [a-z]+(?: [a-z]+)?)", TROUBLESHOOTING + UPGRADING)))
)
def test_every_command_exists(command: str) -> None:
    assert re.search(rf"`{command}[` ]", COMMANDS)


def test_the_state_version_is_the_one_that_is_written() -> None:
    assert f"| a visitor's state in the changelog | {STATE_VERSION} |" in UPGRADING
