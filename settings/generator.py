"""The table `[generator]`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from bannerstream.contracts.sizes import SIZES
from bannerstream.settings.generator_diffusion import DiffusionSettings
from bannerstream.settings.generator_gates import GateSettings
from bannerstream.settings.generator_postprocess import PostprocessSettings
from bannerstream.settings.groups import ANY_ADDRESS, Group, MetricsHost, Seconds


class GeneratorSettings(Group):
    """The generator: describes, paints and stores banners on the GPU."""

    group_id: str = Field("bannerstream-generator", pattern=r"^[A-Za-z0-9._-]{1,200}$", description="Consumer group.")
    creative_revision: str = Field(
        "1", min_length=1, max_length=64, description="Raise it to have every banner painted again."
    )
    describer: Literal["lexicon", "transformers"] = Field(
        "lexicon", description="What turns a product into the description of a scene."
    )
    describer_model: str | None = Field(
        None, description="Path or hub id of a causal language model; a `.gguf` file works too."
    )
    describer_mode: Literal["auto", "choose", "write"] = Field(
        "auto",
        description="`choose`: the model picks among the lexicon's candidates. `write`: it writes freely, under a "
        "grammar. `auto`: `write` from a billion parameters up, else `choose`.",
    )
    painter: str = Field(
        "studio",
        pattern=r"^(studio|diffusers|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        description="What paints the scene: `studio`, `diffusers`, or your own painter as `module:Class` "
        "(docs/painters.md).",
    )
    painter_model: str | None = Field(
        None, description="Path or hub id of a diffusers pipeline in safetensors; your own painter can read it too."
    )
    painter_mode: Literal["scene", "whole"] = Field(
        "scene",
        description="`scene`: the catalogue's product is composited onto the painted scene. `whole`: the model "
        "paints the product too.",
    )
    personal: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Weight of the cohort's own style against the product's: keywords of what the cohort looks at go "
        "into the prompt. At 0 only its mood does. Above 0, streams sends the cohort's top products with each "
        "request, so streams and generator must read the same value.",
    )
    personal_candidates: int = Field(
        4, ge=1, le=16, description="Pictures painted per banner, of which the best is kept; needs `personal_model`."
    )
    personal_model: str | None = Field(
        None, description="Path or hub id of a CLIP-class image-text model, which ranks the candidates."
    )
    painter_steps: int = Field(4, ge=1, le=200, description="Denoising steps.")
    painter_guidance: float = Field(0.0, ge=0, le=30, description="Classifier-free guidance; 0 for turbo models.")
    diffusion: DiffusionSettings = Field(default_factory=DiffusionSettings, description="The diffusers pipeline.")
    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    batch_size: int = Field(8, ge=1, le=256, description="Requests per batch.")
    batches_in_flight: int = Field(
        2,
        ge=1,
        le=16,
        description="Batches in progress at once: while one is painted, another is laid out, encoded and stored.",
    )
    queue_size: int = Field(
        128,
        ge=1,
        le=100_000,
        description="Requests held in memory, waiting or in progress; at this number, partitions are paused.",
    )
    images_together: int = Field(
        16, ge=1, le=256, description="Largest batch of pictures for the model; smaller where memory runs out."
    )
    batch_wait_s: float = Field(
        0.02, ge=0, le=10, description="How long a picture waits for others of its shape and adapter to join its batch."
    )
    images_per_minute: int = Field(
        0,
        ge=0,
        description="Most pictures that the model paints in any minute in this process; the studio paints the "
        "rest. 0: no limit.",
    )
    images_per_hour: int = Field(0, ge=0, description="The same in any hour.")
    step_timeout_s: Seconds = Field(
        60.0, description="A model step that takes longer than this counts as hung and is abandoned."
    )
    after_hang: Literal["rebuild", "exit"] = Field(
        "rebuild",
        description="After a hung step: `rebuild` loads the model again while the studio paints, and exits if that "
        "hangs too; `exit` ends the process at once, for its supervisor to restart.",
    )
    warm_up: bool = Field(
        True,
        description="Paint one picture of each shape before the first request is accepted; a compiled model also "
        "paints its largest batch.",
    )
    progressive: bool = Field(
        False,
        description="Announce a studio banner at once and replace it by the model's when that is ready. No effect "
        "when the studio is the painter.",
    )
    first_sizes: tuple[str, ...] = Field(
        (),
        description="Sizes that pages show most: announced first, and again with all other sizes a moment later. They "
        "are painted twice. Effective only without models.",
    )
    encode_workers: int = Field(2, ge=1, le=64, description="Threads that lay out, encode and store.")
    gates: GateSettings = Field(default_factory=GateSettings, description="Checks of what is shown.")
    postprocess: PostprocessSettings = Field(default_factory=PostprocessSettings, description="Steps after painting.")
    metrics_port: int = Field(9102, ge=0, le=65535, description="Prometheus port; 0 turns it off.")
    metrics_host: MetricsHost = ANY_ADDRESS

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for size in self.first_sizes:
            if size not in (known := [known_size.name for known_size in SIZES]):
                raise ValueError(f"generator.first_sizes: there is no size {size!r}; there are {', '.join(known)}")
        if self.describer == "transformers" and not self.describer_model:
            raise ValueError('generator.describer_model is required, for example "/models/SmolLM2-1.7B-Instruct"')
        if self.personal_model and not self.personal:
            raise ValueError("generator.personal_model is not read with generator.personal = 0; 0.5 weighs both alike")
        if self.painter == "diffusers" and not self.painter_model:
            raise ValueError('generator.painter_model is required, for example "/models/sd-turbo"')
        return self
