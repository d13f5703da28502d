"""Painters of the demo: the studio, or the diffusion pipeline with the packaged models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.manifest import Manifest
from bannerstream.demo.workers import START_TIMEOUT_S

PainterKind = Literal["studio", "starter"]


@dataclass(frozen=True, slots=True)
class PainterSetup:
    """Settings and timeouts of the generator for one painter."""

    environment: Mapping[str, str] = field(default_factory=dict)
    start_timeout_s: float = START_TIMEOUT_S
    deadline_s: float = 300.0
    """Limit from the last event to the last banner: many times what two busy cores need."""


def painter_setup(kind: PainterKind) -> PainterSetup:
    """Return the setup of a painter; `starter` is SmolLM2 as the describer and our own diffusion model.

    Raises:
        ConfigurationError: the libraries or the language model are not installed.
    """
    if kind == "studio":
        return PainterSetup()
    from bannerstream.generator import starter  # noqa: PLC0415  (what follows needs the extra)
    from bannerstream.generator.describers.smollm2 import packaged_smollm2  # noqa: PLC0415

    language_model = packaged_smollm2()
    if find_spec("torch") is None or find_spec("diffusers") is None or language_model is None:
        raise ConfigurationError(
            "the starter needs libraries that are not installed: run `make demo PAINTER=starter`, `make setup-gpu`, or "
            "pip install 'bannerstream[gpu]'"
        )
    if not (starter.MODEL / "model_index.json").is_file():
        raise ConfigurationError(
            f"the starter model is not in {starter.MODEL}: train one and put its folder there (docs/starter.md)"
        )
    generator = {
        "describer": "transformers",
        "describer_model": str(language_model),
        "painter": "diffusers",
        "painter_model": str(starter.MODEL),
        "painter_steps": str(starter.STEPS),
        "painter_guidance": str(starter.GUIDANCE),
        # The model is trained on colour-graded scenes, so its output needs no colour correction.
        "postprocess": '{"colour_match": 0}',
        # A batch of eight pictures takes seconds, not a minute, on two busy cores.
        "images_together": "8",
        "step_timeout_s": "300",
    }
    return PainterSetup(
        {f"BANNERSTREAM_GENERATOR__{name.upper()}": value for name, value in generator.items()},
        start_timeout_s=300.0,
        deadline_s=1_800.0,
    )


def share_by_model(manifests: Mapping[str, Manifest]) -> float:
    """Return the share of banners whose scene a model painted; 0 without banners."""
    return sum(manifest.provenance.engine == "diffusers" for manifest in manifests.values()) / max(1, len(manifests))
