"""Where settings come from: a TOML file, then the environment."""

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.toml import InvalidToml, parse_toml
from bannerstream.settings.model import Settings

PREFIX = "BANNERSTREAM_"
DEFAULT_FILE = Path("bannerstream.toml")
FILE_VARIABLE = "BANNERSTREAM_CONFIG"
"""Names the file; `--config` on the command line sets it for child processes too."""
NOT_SETTINGS = frozenset({FILE_VARIABLE, "BANNERSTREAM_REQUIRE_REAL"})
"""Variables with our prefix that are none: the file's name, and what this project's own tests read."""

_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)(?=_|$)|_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?$")
"""What Kubernetes sets in every container beside a Service named `bannerstream-…`. `BANNERSTREAM_EDGE_PORT` may also be
meant as a setting: only with an address (`tcp://…`) for its value is it a link."""


def load_settings(file: Path | None = None, /, **overrides: Any) -> Settings:
    """Return the settings: built-in defaults < file < `BANNERSTREAM_…` variables < overrides.

    Nested names are joined by two underscores: `BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS`. Without `file`, the one that
    `BANNERSTREAM_CONFIG` names is read, or `bannerstream.toml` here, if there is one.

    Raises:
        ConfigurationError: the file cannot be read, or a setting is wrong; lists every wrong setting with its reason.
    """
    path = _settings_file(file)

    # Every group is given, so that one validator reads all of them and none is built for a group alone.
    values = _tables(Settings)
    try:
        for source in ({} if path is None else _read(path), from_environment(os.environ), overrides):
            _update(values, source)
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_readable(error)) from error


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that variables name, in either case: a variable of one setting wins over its table's.

    What is a table or a list is JSON.

    Raises:
        ConfigurationError: a variable names no setting; or a table or a list is not JSON, which names the setting, not
            the value, which may be a secret.
    """
    found: dict[str, Any] = {}
    variables = [
        (variable, variable.lower().removeprefix(PREFIX.lower()).split("__"), value)
        for variable, value in environment.items()
        if variable.upper().startswith(PREFIX)
    ]
    unknown = {variable: value for variable, parts, value in variables if _annotation(parts) is None}
    if wrong := [variable for variable, value in unknown.items() if not _is_of_others(variable.upper(), value)]:
        raise ConfigurationError("; ".join(map(_names_nothing, sorted(wrong))))
    for variable, parts, text in sorted(variables, key=lambda variable: len(variable[1])):
        if variable in unknown:
            continue
        value: Any = _value(parts, text)
        for part in reversed(parts):
            value = {part: value}
        _update(found, value)
    return found


def _is_of_others(variable: str, value: str) -> bool:
    """Return whether a variable with our prefix is not meant as a setting."""
    if variable in NOT_SETTINGS:
        return True
    linked = _SERVICE_LINK.search(variable)
    return linked is not None and ("://" in value or linked[0] != "_PORT")


def _names_nothing(variable: str) -> str:
    near = difflib.get_close_matches(variable.upper(), _variables(Settings, PREFIX), n=1)
    hint = f"the nearest is {near[0]}, and " if near else ""
    return f"{variable} names no setting; {hint}docs/settings.md lists all"


def _variables(group: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the variable of every setting."""
    for name, field in group.model_fields.items():
        table = _group(field.annotation)
        yield from [f"{prefix}{name}".upper()] if table is None else _variables(table, f"{prefix}{name}__")


def _annotation(parts: list[str]) -> Any:
    """Return the type of the setting, table or table's value that these names lead to, or None if there is none."""
    annotation: Any = Settings
    for part in parts:
        if (group := _group(annotation)) is not None:
            field = group.model_fields.get(part)
            annotation = None if field is None else field.annotation
        else:
            annotation = get_args(annotation)[-1] if get_origin(annotation) is dict else None
    return annotation


def _value(parts: list[str], text: str) -> object:
    """Return the value of a variable: parsed as JSON where its setting is a table or a list, else the text."""
    annotation = _annotation(parts)
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    if not any(_group(kind) or get_origin(kind) in (dict, list, tuple) for kind in kinds):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if not isinstance(value, dict | list) and not (value is None and NoneType in kinds):
        # The error does not hold the value: it may be a secret.
        raise ConfigurationError(
            f"{'.'.join(parts)}: the environment's value cannot be read: write a table as JSON, for example "
            'BANNERSTREAM_KAFKA__TOPICS=\'{"clicks": "shop.clicks"}\', or a list, for example \'["a", "b"]\''
        )
    return value


def _group(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _tables(group: type[BaseModel]) -> dict[str, Any]:
    return {name: _tables(table) for name, field in group.model_fields.items() if (table := _group(field.annotation))}


def _update(values: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Merge another source table by table; its values win."""
    for name, value in other.items():
        if isinstance(value, Mapping) and isinstance(values.get(name), dict):
            _update(values[name], value)
        else:
            values[name] = value


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except (InvalidToml, UnicodeDecodeError) as error:
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
    for problem in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"]) or "settings"
        lines.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(lines)
