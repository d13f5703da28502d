"""What every command shares: the options before the command's name, and the settings they lead to."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from bannerstream.service.logs import configure_logging
from bannerstream.settings import Settings, load_settings
from bannerstream.settings.sources import FILE_VARIABLE


@dataclass(frozen=True, slots=True)
class Context:
    """The options of `bannerstream` itself."""

    config_file: Path | None = None
    verbose: bool = False


def settings_of(ctx: typer.Context, **overrides: Any) -> Settings:
    """Return the settings in force and set logging up by them.

    The settings file is handed to child processes by its environment variable.
    """
    shared = ctx.find_object(Context) or Context()
    if shared.config_file is not None:
        os.environ[FILE_VARIABLE] = str(shared.config_file.resolve())
    if shared.verbose:
        overrides["log_level"] = "debug"
    settings = load_settings(shared.config_file, **overrides)
    configure_logging(settings)
    return settings
