"""What every command shares: the options before the command's name, and the settings they lead to."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from bannerstream.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The options of `bannerstream` itself."""

    config_file: Path | None = None
    verbose: bool = False


def settings_of(ctx: typer.Context, **overrides: Any) -> "Settings":
    """Return the settings in force and set logging up by them."""
    from bannerstream.service.logs import configure_logging

    settings = read_settings(ctx, **overrides)
    configure_logging(settings)
    return settings


def read_settings(ctx: typer.Context, **overrides: Any) -> "Settings":
    """Return the settings in force, for a command that logs nothing.

    The settings file is handed to child processes by its environment variable.
    """
    from bannerstream.settings import load_settings
    from bannerstream.settings.sources import FILE_VARIABLE

    shared = ctx.find_object(Context) or Context()
    if shared.config_file is not None:
        os.environ[FILE_VARIABLE] = str(shared.config_file.resolve())
    if shared.verbose:
        overrides["log_level"] = "debug"
    return load_settings(shared.config_file, **overrides)
