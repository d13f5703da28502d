"""Commands whose modules are imported when they are called: a list of commands needs their names and one line each."""

from importlib import import_module
from typing import Any, ClassVar

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from bannerstream.cli.console import stdout


class DeferredCommand(TyperCommand):
    """A command or a group before its module is imported: its name and its one line of help.

    `target` is `module:name` inside this package; the name is a function, or the `typer.Typer` of a group.
    """

    def __init__(self, name: str, target: str, about: str) -> None:
        super().__init__(name, help=about)
        self._target = target

    def load(self) -> TyperCommand | TyperGroup:
        """Import the module and return the command itself."""
        module, _, name = self._target.partition(":")
        target = getattr(import_module(f"{__package__}.{module}"), name)
        holder = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        holder.callback()(_nothing)  # makes a group of it, even with one command
        if isinstance(target, typer.Typer):
            holder.add_typer(target, name=self.name)
        else:
            holder.command(self.name)(target)
        group = typer.main.get_command(holder)
        assert isinstance(group, TyperGroup)
        loaded = group.commands[str(self.name)]
        assert isinstance(loaded, TyperCommand | TyperGroup)
        return loaded


class DeferredGroup(TyperGroup):
    """A group whose `table` names its commands: name, `module:name` and one line of help.

    The line repeats what the command's own docstring begins with; tests/unit/cli/test_deferred.py holds them equal.
    """

    table: ClassVar[dict[str, tuple[str, str]]]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, (target, about) in self.table.items():
            self.add_command(DeferredCommand(name, target, about))

    def resolve_command(self, *args: Any) -> Any:
        """Import the command that is called, or whose options a shell completes."""
        name, command, rest = super().resolve_command(*args)
        return name, command.load() if isinstance(command, DeferredCommand) else command, rest

    def format_help(self, ctx: Any, formatter: object) -> None:  # noqa: ARG002  (the signature is typer's)
        """Print the help in panels, as typer does, but without `typer.rich_utils`.

        That module imports Markdown, Pygments and tracebacks for it, which doubles the time of `bannerstream --help`.
        """
        from rich.padding import Padding
        from rich.panel import Panel
        from rich.table import Table

        options = [record for parameter in self.get_params(ctx) if (record := parameter.get_help_record(ctx))]
        commands = [(name, command.help or "") for name, command in self.commands.items()]
        width = max(len(name) for name, _ in options + commands)
        stdout.print(
            f"\n [bold][yellow]Usage:[/] {escape(ctx.command_path)} {escape('[OPTIONS] COMMAND [ARGS]...')}[/]\n"
        )
        stdout.print(Padding(self.help or "", (0, 1, 1, 1)), highlight=False)
        for title, rows in (("Options", options), ("Commands", commands)):
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(style="bold cyan", no_wrap=True, min_width=width)
            table.add_column()
            for row in rows:
                table.add_row(*row)
            stdout.print(Panel(table, title=title, title_align="left", border_style="dim"), highlight=False)
        stdout.print(Padding(self.epilog or "", 1), highlight=False)


def _nothing() -> None:
    pass
