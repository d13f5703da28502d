"""The base class of every group of settings, and the types that they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]
Days = Annotated[float, Field(gt=0, le=3650)]
ANY_ADDRESS = "0.0.0.0"  # noqa: S104  (a default that every service's settings can change)
"""Every interface: Prometheus mostly runs on another machine."""

MetricsHost = Annotated[
    str, Field(min_length=1, description="Address of the Prometheus port: `127.0.0.1` for this machine alone.")
]


class Group(BaseModel):
    """A table of the settings file: frozen, and strict about names."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        defer_build=True,
        hide_input_in_errors=True,  # it may be a secret, and `--verbose` prints pydantic's own error too
    )
