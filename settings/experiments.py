"""The table `[experiments]`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from bannerstream.settings.groups import ANY_ADDRESS, Group, MetricsHost, Seconds


class ExperimentSettings(Group):
    """Which banner variants are tried, and how much is explored (`docs/experiments.md`)."""

    variants: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")], ...] = Field(
        ("a",),
        min_length=1,
        max_length=64,
        description="Variants of visitors' banners; more than one starts an experiment. Each multiplies the "
        'banners that are made. `["open-bold-natural", "panel-light-airy"]`, see docs/experiments.md.',
    )
    minimum_exploration: float = Field(
        0.05, ge=0, le=1, description="Share of decisions that choose uniformly among the variants."
    )
    brand_variants: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description='Variants allowed for a brand: `{ "Acme" = ["open-bold-natural"] }`.',
    )
    refresh_s: Seconds = Field(10.0, description="How often new results are taken into account.")
    metrics_port: int = Field(9105, ge=0, le=65535, description="Prometheus port; 0 turns it off.")
    metrics_host: MetricsHost = ANY_ADDRESS

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
