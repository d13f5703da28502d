"""Reads TOML that people write: settings, catalogues, mappings."""

import tomllib
from typing import Any


class InvalidToml(ValueError):
    """The text is not TOML, or no TOML that anybody writes: nested thousands of levels deep, numbers of pages."""


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML document.

    Raises:
        InvalidToml: `tomllib` raises RecursionError for deep nesting and a bare ValueError for a number that is too
            long, besides its own error.
    """
    try:
        return tomllib.loads(text)
    except ValueError as error:  # tomllib.TOMLDecodeError is one
        raise InvalidToml(str(error)) from error
    except RecursionError as error:
        raise InvalidToml("it is nested too deeply") from error
