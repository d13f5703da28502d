"""Loads a diffusers pipeline: from a folder or the hub, safetensors only, none of its own code run."""

import hashlib
import json
from pathlib import Path
from typing import Any

from contracts.errors import ConfigurationError

_UNSAFE = ("*.bin", "*.ckpt", "*.pt", "*.pth", "*.pkl")
"""Weights as pickles: loading one runs whatever code its author put in."""


def load_pipeline(model: str, device: str) -> Any:
    """Return the pipeline of a folder or hub id, text-to-image or inpainting as its own index says, on the device.

    Raises:
        ConfigurationError: no such model, pickled weights only, its own code, or a pipeline that paints nothing.
    """
    import diffusers  # noqa: PLC0415  (seconds and gigabytes: only where a model paints)
    import torch  # noqa: PLC0415

    if Path(model).is_dir():
        _check_folder(Path(model))
    dtype = torch.float32 if device == "cpu" else torch.float16
    options: dict[str, Any] = {"use_safetensors": True, "torch_dtype": dtype, "local_files_only": Path(model).exists()}
    try:
        index = diffusers.DiffusionPipeline.load_config(model)
        kind = (
            diffusers.AutoPipelineForInpainting
            if "inpaint" in str(index.get("_class_name", "")).lower()
            else diffusers.AutoPipelineForText2Image
        )
        pipeline = kind.from_pretrained(model, **options)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigurationError(
            f"generator.painter_model {model!r} cannot be loaded as a text-to-image or inpainting pipeline in "
            f'safetensors (valid is, for example, "/models/sd-turbo"): {error}'
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def revision_of(model: str, pipeline: Any) -> str:
    """Return 16 hex digits that change with the pipeline's make-up: its index and every part's configuration.

    Of a hub model this includes the commit it was loaded from, when the hub told it.
    """
    told: dict[str, object] = {"index": dict(pipeline.config), "commit": getattr(pipeline, "_commit_hash", None)}
    folder = Path(model)
    if folder.is_dir():
        for file in sorted(folder.rglob("*.json")):
            told[str(file.relative_to(folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*.safetensors")):
            told[str(file.relative_to(folder))] = file.stat().st_size
        told["index"] = None  # it carries the folder's own path
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _check_folder(folder: Path) -> None:
    if not (folder / "model_index.json").is_file():
        raise ConfigurationError(f"generator.painter_model: {folder} has no model_index.json; name a pipeline's folder")
    if not any(folder.rglob("*.safetensors")):
        pickled = sorted(str(file.relative_to(folder)) for pattern in _UNSAFE for file in folder.rglob(pattern))
        raise ConfigurationError(
            f"generator.painter_model: {folder} holds no safetensors"
            + (f", only pickles ({', '.join(pickled[:3])}), which can run any code" if pickled else "")
            + "; convert it with `pipeline.save_pretrained(folder, safe_serialization=True)`"
        )
