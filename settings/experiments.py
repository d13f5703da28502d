"""The table `[experiments]`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from bannerstream.settings.groups import Group, Seconds


class ExperimentSettings(Group):
    """Which variants of a banner are tried, and how boldly (`docs/experiments.md`)."""

    variants: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")], ...] = Field(
        ("a",),
        min_length=1,
        max_length=64,
        description="What visitors' banners may look like; more than one begins an experiment. Each multiplies the "
        'banners that are made. `["open-bold-natural", "panel-light-airy"]`, see docs/experiments.md.',
    )
    minimum_exploration: float = Field(
        0.05, ge=0, le=1, description="Share of decisions in which every variant has an equal chance."
    )
    brand_variants: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description='The only variants that a brand allows: `{ "Acme" = ["open-bold-natural"] }`.',
    )
    refresh_s: Seconds = Field(10.0, description="How often new results change what is shown.")
    metrics_port: int = Field(9105, ge=0, le=65535, description="Prometheus port; 0 turns it off.")

    @model_validator(mode="after")
    def _brands_allow_what_is_tried(self) -> Self:
        if len(set(self.variants)) != len(self.variants):
            raise ValueError("experiments.variants names a variant twice")
        for brand, variants in self.brand_variants.items():
            if not set(variants) & set(self.variants):
                raise ValueError(
                    f"experiments.brand_variants allows {brand!r} none of experiments.variants; "
                    f'for example {{ "{brand}" = ["{self.variants[0]}"] }}'
                )
        return self
