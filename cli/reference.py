"""Generates docs/commands.md from the commands."""

from collections.abc import Iterator
from pathlib import Path

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from bannerstream.cli.deferred import DeferredCommand

_HEAD = """# Commands

<!-- Generated from cli/ by `bannerstream config commands`; a test fails when this page is behind. -->

Every command explains itself with `--help`. `--json` prints for programs. Exit codes: 0 done, 1 unexpected error,
2 wrong usage, 3 wrong setting or file, 4 broker or store does not answer, 5 invalid input or a failed check,
130 interrupted.

`bannerstream --install-completion` lets bash, zsh, fish or PowerShell complete commands, options and their choices on
Tab, in the next shell that is opened; `--show-completion` prints the lines instead. `bannerstream --version` prints the
version.
"""


def commands_reference(root: object) -> str:
    """Return docs/commands.md for the root command: every command with its arguments and options."""
    return _HEAD + "".join(_section(path, command) for path, command in leaves("bannerstream", root))


def leaves(path: str, command: object) -> Iterator[tuple[str, TyperCommand]]:
    """Yield every command that does something, with the words that call it."""
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from leaves(f"{path} {name}", child.load() if isinstance(child, DeferredCommand) else child)
    elif isinstance(command, TyperCommand):
        yield path, command


def _section(path: str, command: TyperCommand) -> str:
    arguments = [each for each in command.params if isinstance(each, TyperArgument)]
    options = [each for each in command.params if isinstance(each, TyperOption) and each.name != "help"]
    usage = " ".join([path, *(f"{each.name}".upper() for each in arguments)])
    about = " ".join((command.help or "").split("\n\n")[0].split())
    rows = [(f"`{str(each.name).upper()}`", each.help or "") for each in arguments]
    rows += [(f"`{', '.join([*each.opts, *each.secondary_opts])}`", _meaning(each)) for each in options]
    table = "".join(f"| {name} | {meaning} |\n" for name, meaning in rows)
    return f"\n## `{usage}`\n\n{about}\n" + (f"\n| | |\n|---|---|\n{table}" if rows else "")


def _meaning(option: TyperOption) -> str:
    default = option.default
    if default is None or isinstance(default, bool | Path):
        return option.help or ""
    return f"{option.help} Default: `{default}`."
