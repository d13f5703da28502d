"""How each input topic is read: by the format that the settings name, or by the shop's `connect.toml`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings.input import InputSettings

if TYPE_CHECKING:  # the formats take as long to import as the settings, which most commands need alone
    from bannerstream.contracts.inputs import EventMapping, InputForm, InputFormat, Source


def input_forms(settings: InputSettings) -> "dict[Source, InputForm]":
    """Return the form of each input topic, for `decode_event`.

    Raises:
        ConfigurationError: see `read_mappings`; or the file lacks a topic whose format is `mapped`.
    """
    mappings: dict[Source, EventMapping] = {} if settings.connect_file is None else read_mappings(settings.connect_file)

    def form(source: "Source", named: "InputFormat | Literal['mapped']") -> "InputForm":
        if named != "mapped":
            return named
        if source not in mappings:
            raise ConfigurationError(
                f"input.{source}_format is mapped, but {settings.connect_file} has no table [{source}]"
            )
        return mappings[source]

    return {
        "clicks": form("clicks", settings.clicks_format),
        "purchases": form("purchases", settings.purchases_format),
    }


def read_mappings(file: Path) -> "dict[Source, EventMapping]":
    """Return the mappings of a `connect.toml`.

    Raises:
        ConfigurationError: it cannot be read, or something in it is wrong; names the key, with a valid example.
    """
    from bannerstream.contracts.inputs import read_connect  # noqa: PLC0415  (as above)

    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"input.connect_file: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"input.connect_file: {file} is not UTF-8: {error}") from error
    return read_connect(text, file)
