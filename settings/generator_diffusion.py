"""The table `[generator.diffusion]`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from bannerstream.settings.groups import Group


class DiffusionSettings(Group):
    """Inputs, guidance and memory savings of a diffusers pipeline; docs/models.md lists what combines."""

    task: Literal["as-saved", "text-to-image", "image-to-image", "inpainting"] = Field(
        "as-saved",
        description="What the model starts from: noise, the studio's drawing of the scene, or the product with a mask "
        "around it. `as-saved`: what its own index says.",
    )
    strength: float = Field(
        0.6,
        gt=0,
        le=1,
        description="With `image-to-image`: how far the model may deviate from the studio's drawing; 1 ignores it. "
        "Only this share of the steps is run.",
    )
    scheduler: Literal["as-saved", "trailing", "lcm", "euler", "euler-ancestral", "dpm++"] = Field(
        "as-saved",
        description="How noise is removed. `trailing`: the model's own scheduler, starting at its last step, for few "
        "steps; `lcm`: for latent consistency models and their LoRAs.",
    )
    controlnet: str | None = Field(
        None,
        description="Path or hub id of a ControlNet of the model's family: guides by outline or depth.",
    )
    controlnet_reads: Literal["edges", "depth"] = Field("edges", description="What the ControlNet was trained on.")
    controlnet_scale: float = Field(0.7, gt=0, le=2, description="Strength of the ControlNet's guidance.")
    brands: Path | None = Field(
        None, description="A `brands.toml` with a LoRA or a textual inversion for each brand that has its own look."
    )
    adapters_loaded: int = Field(
        4, ge=1, le=64, description="LoRAs kept in the model's memory; the least recently used one is evicted."
    )
    tiny_vae: str | None = Field(
        None, description="Path or hub id of a distilled VAE (taesd, taesdxl, taesd3, taef1): faster, slightly softer."
    )
    vae_slicing: bool = Field(
        False, description="Decode the pictures of a batch one at a time, which needs less memory."
    )
    vae_tiling: bool = Field(False, description="Decode large pictures in tiles: much less memory, but faint seams.")
    quantise: Literal["none", "int8", "float8"] = Field(
        "none", description="8-bit weights: half the memory. `float8` is faster too, on Ada, Hopper or newer."
    )
    compile: bool = Field(
        False, description="Compile the model: faster pictures after minutes of start-up. Not together with LoRAs."
    )
