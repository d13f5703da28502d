"""The table `[input]`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from bannerstream.contracts.scalars import MAX_EVENT_BYTES, MAX_EVENT_PRODUCTS, PRODUCTS_CEILING
from bannerstream.settings.groups import Days, Group, Seconds


class InputSettings(Group):
    """Formats of the shop's events."""

    clicks_format: Literal["auto", "native", "segment", "ga4", "mapped"] = Field(
        "auto", description="Format of `clicks`; `auto` detects it per record, `mapped` uses `input.connect_file`."
    )
    purchases_format: Literal["auto", "native", "segment", "ga4", "mapped"] = Field(
        "auto", description="Format of `purchases`."
    )
    connect_file: Path | None = Field(
        None, description="The `connect.toml` that maps the fields of a `mapped` topic's events."
    )
    max_future_s: Seconds = Field(
        300.0,
        description="An event later than its arrival by more than this is a dead letter; by less, it counts as of its "
        "arrival.",
    )
    max_age_days: Days = Field(400.0, description="An event older than its arrival by more than this is a dead letter.")
    max_record_bytes: int = Field(
        MAX_EVENT_BYTES,
        ge=1_000,
        le=16_777_216,
        description="A larger record is a dead letter, before it is parsed. More than the default cannot be kept whole "
        "as a dead letter, and needs a larger `max.message.bytes` of the topic.",
    )
    max_products: int = Field(
        MAX_EVENT_PRODUCTS,
        ge=1,
        le=PRODUCTS_CEILING,
        description="An event that names more products is a dead letter: an order of thousands is a reseller's.",
    )

    @model_validator(mode="after")
    def _mapped_and_file_go_together(self) -> Self:
        mapped = "mapped" in {self.clicks_format, self.purchases_format}
        if mapped and self.connect_file is None:
            raise ValueError('input.connect_file is required with the format mapped, for example "connect.toml"')
        if self.connect_file is not None and not mapped:
            raise ValueError(
                'input.connect_file is not read unless input.clicks_format = "mapped", or that of purchases'
            )
        return self
