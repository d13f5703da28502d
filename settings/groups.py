"""The base class of every group of settings, and the types that they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]
Days = Annotated[float, Field(gt=0, le=3650)]


class Group(BaseModel):
    """A table of the settings file: frozen, and strict about names."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        defer_build=True,
        hide_input_in_errors=True,  # it may be a secret, and `--verbose` prints pydantic's own error too
    )
