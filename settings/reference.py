"""Generates docs/settings.md from the settings."""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bannerstream.settings.model import Settings

_HEAD = """# Settings

<!-- Generated from settings/ by `bannerstream config reference`; a test fails when this page is behind. -->

Settings come from `bannerstream.toml` (or the file that `--config` or `BANNERSTREAM_CONFIG` names), then from the
environment, which wins. In the file a group is a table, `[kafka]`; in the environment names are joined by two
underscores: `BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS`. A wrong setting stops the start and is named, and so does a
`BANNERSTREAM_` variable that names no setting (but those that Kubernetes sets for a Service of that name).
`bannerstream config show` prints what is in force, secrets masked; `bannerstream config check` tries it.
"""


def settings_reference() -> str:
    """Return docs/settings.md: one table per group, with type, default and meaning of each setting."""
    return _HEAD + "".join(_section(name, prefix, model) for name, prefix, model in _groups())


def _groups(
    name: str = "General", prefix: str = "", model: type[BaseModel] = Settings
) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Yield a group, then every group within it."""
    yield name, prefix, model
    for field, setting in model.model_fields.items():
        if _is_group(setting.annotation):
            yield from _groups(f"{prefix}{field}", f"{prefix}{field}.", setting.annotation)  # type: ignore[arg-type]  # it is one


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section(name: str, prefix: str, model: type[BaseModel]) -> str:
    heading = "General" if model is Settings else f"`[{name}]`"
    about = "" if model is Settings else f"\n{(model.__doc__ or '').splitlines()[0]}\n"
    rows = "".join(
        f"| `{prefix}{field}` | {_type_name(setting.annotation)} | {_default(setting)} | {setting.description} |\n"
        for field, setting in model.model_fields.items()
        if not _is_group(setting.annotation)
    )
    return f"\n## {heading}\n{about}\n| setting | type | default | meaning |\n|---|---|---|---|\n{rows}"


def _type_name(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type_name(get_args(annotation)[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(each) for each in get_args(annotation) if each is not type(None))
    if origin is dict:
        return "table"
    if origin in (list, tuple):
        return f"list of {_type_name(get_args(annotation)[0])}"
    names = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", SecretStr: "secret"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(setting: FieldInfo) -> str:
    value = setting.get_default(call_default_factory=True)
    if value is None or value in ({}, [], ()):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value)
    if isinstance(value, SecretStr) or (isinstance(value, dict) and isinstance(next(iter(value.values())), SecretStr)):
        return "a trial value, refused in production"
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`"
