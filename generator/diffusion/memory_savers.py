"""Makes a loaded pipeline faster or smaller: tiny VAE, slicing and tiling, quantised weights, compilation."""

from typing import Any

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.diffusion.shape_limits import denoiser_of
from bannerstream.settings import DiffusionSettings

_FLOAT8_FROM = (8, 9)
"""CUDA capability of the first GPUs with 8-bit floats (Ada, Hopper)."""


def apply_memory_savers(pipeline: Any, settings: DiffusionSettings, device: str) -> None:
    """Apply the settings in the required order: weights are quantised before they are compiled.

    Raises:
        ConfigurationError: the tiny VAE is another family's, the VAE lacks the mode, or the device lacks the numbers.
    """
    if settings.tiny_vae is not None:
        _put_in_tiny_vae(pipeline, settings.tiny_vae)
    for enabled, switch in ((settings.vae_slicing, "enable_slicing"), (settings.vae_tiling, "enable_tiling")):
        if enabled:
            _switch(pipeline.vae, switch)
    if settings.quantise != "none":
        _quantise(denoiser_of(pipeline), settings.quantise, device)
    if settings.compile:
        denoiser_of(pipeline).compile()
        pipeline.vae.decoder.compile()


def _put_in_tiny_vae(pipeline: Any, model: str) -> None:
    """Replace the VAE by a distilled one (TAESD, github.com/madebyollin/taesd): a tenth of the decoding time."""
    from diffusers import AutoencoderTiny  # noqa: PLC0415

    setting = f'generator.diffusion.tiny_vae = "{model}"'
    try:
        tiny = AutoencoderTiny.from_pretrained(model, use_safetensors=True, torch_dtype=pipeline.dtype)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f'{setting} cannot be loaded as an AutoencoderTiny (valid is, for example, "/models/taesd"): {error}'
        ) from error
    ours, theirs = pipeline.vae.config.latent_channels, tiny.config.latent_channels
    factor = 2 ** (len(tiny.config.encoder_block_out_channels) - 1)
    if (ours, pipeline.vae_scale_factor) != (theirs, factor):
        raise ConfigurationError(
            f"{setting} reads {theirs} channels, each {factor} pixels wide; this model writes {ours}, each "
            f"{pipeline.vae_scale_factor} wide. Each family has its own: taesd, taesdxl, taesd3, taef1 (SANA has none)"
        )
    pipeline.register_modules(vae=tiny.to(pipeline.device))


def _switch(vae: Any, switch: str) -> None:
    if not hasattr(vae, switch):
        raise ConfigurationError(
            f"generator.diffusion.vae_{switch.removeprefix('enable_')}: {type(vae).__name__} has no such mode; leave "
            "it out"
        )
    getattr(vae, switch)()


def _quantise(denoiser: Any, numbers: str, device: str) -> None:
    """Store the linear layers' weights as 8-bit numbers, and multiply in 8 bits where the device supports it."""
    import torch  # noqa: PLC0415
    from torchao.quantization import (  # noqa: PLC0415
        Float8DynamicActivationFloat8WeightConfig,
        Int8WeightOnlyConfig,
        quantize_,
    )

    if numbers == "int8":
        quantize_(denoiser, Int8WeightOnlyConfig())
        return
    if not device.startswith("cuda") or torch.cuda.get_device_capability(device) < _FLOAT8_FROM:
        raise ConfigurationError(
            'generator.diffusion.quantise = "float8" needs a GPU that has such numbers (Ada, Hopper or newer); use '
            f'"int8" on {device}'
        )
    quantize_(denoiser, Float8DynamicActivationFloat8WeightConfig())
