"""docs/commands.md is what the commands say, and other pages call only commands that there are."""

import re
from pathlib import Path

import pytest
import typer

from bannerstream.cli.main import app
from bannerstream.cli.reference import commands_reference, leaves

ROOT = Path(__file__).parents[3]
COMMANDS = {path for path, _ in leaves("bannerstream", typer.main.get_command(app))}


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    assert page == commands_reference(typer.main.get_command(app)), (
        "run: .venv/bin/bannerstream config commands > docs/commands.md"
    )


def test_every_command_and_option_says_what_it_does() -> None:
    for _, command in leaves("bannerstream", typer.main.get_command(app)):
        assert command.help, command.name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{command.name} {parameter.name}"


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{each.name}" for each in (ROOT / "docs").glob("*.md"))])
def test_pages_call_commands_that_there_are(page: str) -> None:
    """Every `bannerstream …` in a page begins with the words of a command."""
    for block in re.findall(r"`{1,3}[^`]+`{1,3}", (ROOT / page).read_text()):
        for words in re.findall(r"bannerstream((?: [a-z]+)+)", block):
            called = f"bannerstream{words}"
            known = any(called == each or called.startswith(each + " ") or each.startswith(called) for each in COMMANDS)
            assert known, f"{page}: {called}"
