"""Where settings come from: a TOML file, then the environment."""

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError, TomlConfigSettingsSource

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings.model import Settings

DEFAULT_FILE = Path("bannerstream.toml")
FILE_VARIABLE = "BANNERSTREAM_CONFIG"
"""Names the file; `--config` on the command line sets it for child processes too."""


def load_settings(file: Path | None = None, /, **overrides: Any) -> Settings:
    """Return the settings: built-in defaults < file < `BANNERSTREAM_…` variables < overrides.

    Nested names are joined by two underscores: `BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS`. Without `file`, the one that
    `BANNERSTREAM_CONFIG` names is read, or `bannerstream.toml` here, if there is one.

    Raises:
        ConfigurationError: the file cannot be read, or a setting is wrong; lists every wrong setting with its reason.
    """
    path = _settings_file(file)

    class FromSources(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path)

    try:
        return FromSources(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_readable(error)) from error
    except SettingsError as error:  # a table in an environment variable that is no JSON; the value may be a secret
        raise ConfigurationError(
            f'{error}: write a table as JSON, for example BANNERSTREAM_KAFKA__TOPICS=\'{{"clicks": "shop.clicks"}}\''
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"the settings file {path} cannot be read: {error.strerror}") from error


def _settings_file(asked_for: Path | None) -> Path | None:
    from_environment = os.environ.get(FILE_VARIABLE)
    named = asked_for or (Path(from_environment) if from_environment else None)
    if named is not None and not named.is_file():
        raise ConfigurationError(f"there is no settings file at {named}")
    return named or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)


def _readable(error: ValidationError) -> str:
    lines = []
    for each in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in each["loc"]) or "settings"
        lines.append(f"{name}: {each['msg'].removeprefix('Value error, ')}")
    return "; ".join(lines)
