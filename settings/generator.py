"""The table `[generator]`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from bannerstream.contracts.sizes import SIZES
from bannerstream.settings.generator_diffusion import DiffusionSettings
from bannerstream.settings.generator_gates import GateSettings
from bannerstream.settings.generator_postprocess import PostprocessSettings
from bannerstream.settings.groups import Group, Seconds


class GeneratorSettings(Group):
    """The GPU agent."""

    group_id: str = Field("bannerstream-generator", pattern=r"^[A-Za-z0-9._-]{1,200}$", description="Consumer group.")
    creative_revision: str = Field(
        "1", min_length=1, max_length=64, description="Raise it to have every banner painted anew."
    )
    describer: Literal["lexicon", "transformers"] = Field(
        "lexicon", description="What turns a product's name into a scene."
    )
    describer_model: str | None = Field(
        None, description="Path or hub id of a causal language model; a `.gguf` file works."
    )
    describer_mode: Literal["auto", "choose", "write"] = Field(
        "auto",
        description="`choose` has the model choose among the lexicon's candidates, `write` has it write freely, under "
        "a grammar; `auto` writes from a billion parameters on.",
    )
    painter: str = Field(
        "studio",
        pattern=r"^(studio|diffusers|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        description="What paints the scene: `studio`, `diffusers`, or a painter of your own as `module:Class` "
        "(docs/painters.md).",
    )
    painter_model: str | None = Field(
        None, description="Path or hub id of a diffusers pipeline in safetensors; a painter of your own reads it too."
    )
    painter_mode: Literal["scene", "whole"] = Field(
        "scene", description="`scene` lays the catalogue's own product over; `whole` lets the model paint it."
    )
    personal: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much of a picture is the cohort's own style, against the product's: keywords of what the "
        "cohort looks at go into the prompt. With 0 its mood alone does. Above 0, streams tells the generator the "
        "cohort's top products, so that both must read the same value.",
    )
    personal_candidates: int = Field(
        4, ge=1, le=16, description="Pictures painted per banner, the best of which is kept; needs `personal_model`."
    )
    personal_model: str | None = Field(
        None, description="Path or hub id of a CLIP-class image-text model, which chooses among the pictures."
    )
    painter_steps: int = Field(4, ge=1, le=200, description="Denoising steps.")
    painter_guidance: float = Field(0.0, ge=0, le=30, description="Classifier-free guidance; 0 for turbo models.")
    diffusion: DiffusionSettings = Field(default_factory=DiffusionSettings, description="The diffusers pipeline.")
    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    batch_size: int = Field(8, ge=1, le=256, description="Requests that are taken up together.")
    batches_in_flight: int = Field(
        2,
        ge=1,
        le=16,
        description="Batches of requests worked on at once: while one is painted, another is laid out, encoded and "
        "stored.",
    )
    queue_size: int = Field(
        128,
        ge=1,
        le=100_000,
        description="Requests held in memory, waiting or worked on; when there are as many, partitions are paused.",
    )
    images_together: int = Field(
        16, ge=1, le=256, description="Most pictures that the model paints in one step; fewer where memory runs out."
    )
    batch_wait_s: float = Field(
        0.02, ge=0, le=10, description="How long a picture waits for others of its shape and adapter."
    )
    images_per_minute: int = Field(
        0,
        ge=0,
        description="Most pictures that this process has the model paint in any minute; the studio paints the "
        "others. 0: no limit.",
    )
    images_per_hour: int = Field(0, ge=0, description="The same in any hour.")
    step_timeout_s: Seconds = Field(
        60.0, description="A step of a model that takes longer than this hangs, and is given up."
    )
    after_hang: Literal["rebuild", "exit"] = Field(
        "rebuild",
        description="When a step hung: `rebuild` loads the model anew while the studio paints, and ends the process if "
        "that hangs too; `exit` ends it at once, for its supervisor to start another.",
    )
    warm_up: bool = Field(
        True,
        description="Paint one picture of each shape before the first request is taken; a compiled model also paints "
        "as many as it may at once.",
    )
    progressive: bool = Field(
        False,
        description="Announce a studio banner at once and replace it by the model's when that is ready. Of no effect "
        "where the studio is the painter.",
    )
    first_sizes: tuple[str, ...] = Field(
        (),
        description="Sizes that are painted and announced first, the others with them a moment later: those that pages "
        "show above all. They are painted twice. Of effect without models only.",
    )
    encode_workers: int = Field(2, ge=1, le=64, description="Threads that lay out, encode and store.")
    gates: GateSettings = Field(default_factory=GateSettings, description="What may not be shown.")
    postprocess: PostprocessSettings = Field(
        default_factory=PostprocessSettings, description="What is done to a painted scene."
    )
    metrics_port: int = Field(9102, ge=0, le=65535, description="Prometheus port; 0 turns it off.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for size in self.first_sizes:
            if size not in (known := [each.name for each in SIZES]):
                raise ValueError(f"generator.first_sizes: there is no size {size!r}; there are {', '.join(known)}")
        if self.describer == "transformers" and not self.describer_model:
            raise ValueError('generator.describer_model is required, for example "/models/SmolLM2-1.7B-Instruct"')
        if self.personal_model and not self.personal:
            raise ValueError("generator.personal_model is not read with generator.personal = 0; 0.5 weighs both alike")
        if self.painter == "diffusers" and not self.painter_model:
            raise ValueError('generator.painter_model is required, for example "/models/sd-turbo"')
        return self
