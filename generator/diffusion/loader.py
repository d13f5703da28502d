"""Loads a diffusers pipeline from a folder or the hub: safetensors only, without running the model's own code."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.devices import check_exists
from bannerstream.generator.diffusion.memory_savers import apply_memory_savers
from bannerstream.generator.diffusion.pipeline_choice import PipelineChoice, choose_pipeline
from bannerstream.generator.diffusion.prompts import Mode
from bannerstream.generator.diffusion.schedulers import set_scheduler
from bannerstream.generator.diffusion.shape_limits import denoiser_of
from bannerstream.settings import DiffusionSettings

_UNSAFE = ("*.bin", "*.ckpt", "*.pt", "*.pth", "*.pkl")
"""Pickled weights: loading one runs any code in it."""
_INPAINTING_CHANNELS = 9
"""Input channels of an inpainting U-Net (latents, mask, masked picture), which can do nothing else."""
_AUTOMATIC = {
    "text-to-image": "AutoPipelineForText2Image",
    "image-to-image": "AutoPipelineForImage2Image",
    "inpainting": "AutoPipelineForInpainting",
}


def load_pipeline(
    model: str, device: str, *, settings: DiffusionSettings, mode: Mode, num_inference_steps: int
) -> tuple[Any, PipelineChoice]:
    """Return the pipeline of a folder or hub id on the device, and the choice that it was loaded by.

    Raises:
        ConfigurationError: no such model, pickled weights only, its own code, or it cannot do what is set.
    """
    import diffusers  # noqa: PLC0415  (seconds and gigabytes: only where a model paints)

    check_exists("generator.painter_model", model)
    if Path(model).is_dir() and not (Path(model) / "model_index.json").is_file():
        raise ConfigurationError(f"generator.painter_model: {model} has no model_index.json; name a pipeline's folder")
    _check_safe("generator.painter_model", model)
    setting = f"generator.painter_model {model!r} cannot be loaded as a pipeline in safetensors"
    index = _loaded(lambda: diffusers.DiffusionPipeline.load_config(model), setting, "/models/sd-turbo")
    choice = choose_pipeline(
        str(index.get("_class_name", "")), settings, model=model, mode=mode, num_inference_steps=num_inference_steps
    )
    options = _options(model, choice, device)
    controlnet = _controlnet(settings.controlnet, choice, device)
    if controlnet is not None:
        options["controlnet"] = controlnet
    kind = getattr(diffusers, choice.pipeline or _AUTOMATIC[choice.task])
    pipeline = _loaded(lambda: kind.from_pretrained(model, **options), setting, "/models/sd-turbo")
    channels = getattr(denoiser_of(pipeline).config, "in_channels", None)
    if channels == _INPAINTING_CHANNELS and choice.task != "inpainting":
        raise ConfigurationError(
            f'generator.diffusion.task = "{choice.task}": {model} was made for inpainting and can do nothing else'
        )
    pipeline.set_progress_bar_config(disable=True)
    set_scheduler(pipeline, settings.scheduler)
    pipeline = pipeline.to(device)
    apply_memory_savers(pipeline, settings, device)
    return pipeline, choice


def revision_of(model: str, pipeline: Any, settings: DiffusionSettings) -> str:
    """Return 16 hex digits that change with the pipeline's index, its parts' configuration and the settings.

    For a hub model they include the commit it was loaded from, if known.
    """
    inputs: dict[str, object] = {"index": dict(pipeline.config), "commit": getattr(pipeline, "_commit_hash", None)}
    folder = Path(model)
    if folder.is_dir():
        for file in sorted(folder.rglob("*.json")):
            inputs[str(file.relative_to(folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*.safetensors")):
            inputs[str(file.relative_to(folder))] = file.stat().st_size
        inputs["index"] = None  # it contains the folder's own path
    inputs["settings"] = settings.model_dump(mode="json", exclude={"brands", "adapters_loaded"})
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _controlnet(model: str | None, choice: PipelineChoice, device: str) -> Any:
    if model is None or choice.controlnet is None:
        return None
    import diffusers  # noqa: PLC0415

    check_exists("generator.diffusion.controlnet", model)
    _check_safe("generator.diffusion.controlnet", model)
    family = choice.family.name if choice.family is not None else ""
    return _loaded(
        lambda: getattr(diffusers, choice.controlnet or "").from_pretrained(model, **_options(model, choice, device)),
        f"generator.diffusion.controlnet {model!r} cannot be loaded as a {choice.controlnet} in safetensors: {family} "
        "takes no other",
        "/models/controlnet-canny",
    )


def _options(model: str, choice: PipelineChoice, device: str) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    half = choice.family.half_precision if choice.family is not None else "float16"
    return {
        "use_safetensors": True,
        "torch_dtype": torch.float32 if device == "cpu" else getattr(torch, half),
        "local_files_only": Path(model).exists(),
    }


def _loaded(load: Callable[[], Any], what: str, example: str) -> Any:
    """Return the result of `load`.

    Raises:
        ConfigurationError: `load` failed; the message is `what`, an example and the reason.
    """
    try:
        return load()
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise ConfigurationError(f'{what} (valid is, for example, "{example}"): {error}') from error


def _check_safe(setting: str, model: str) -> None:
    """Check that a folder holds safetensors, not only pickles."""
    folder = Path(model)
    if folder.is_dir() and not any(folder.rglob("*.safetensors")):
        pickled = sorted(str(file.relative_to(folder)) for pattern in _UNSAFE for file in folder.rglob(pattern))
        raise ConfigurationError(
            f"{setting}: {folder} holds no safetensors"
            + (f", only pickles ({', '.join(pickled[:3])}), which can run any code" if pickled else "")
            + "; convert it with `pipeline.save_pretrained(folder, safe_serialization=True)`"
        )
