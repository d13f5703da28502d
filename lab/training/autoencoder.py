"""Trains the autoencoder on crops of drawn scenes.

The loss combines L1, squared error, the error of gradients (without it edges would blur), and the error of the crop
shrunk to four by four: a tint is a small error at every pixel, but distinguishes palettes. Latents get noise before
decoding, since a denoiser never hits them exactly. They are pushed to mean 0 and spread 1, so that no scaling factor is
needed; or, if the training starts from another autoencoder, they are held near its latents, so that an existing
denoiser remains usable.
"""

import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.devices import device_of
from bannerstream.generator.pipeline.ports import Pixels
from bannerstream.lab.training.parts import new_autoencoder
from bannerstream.lab.training.shards import SHAPES, as_tensor, draw_scenes

FIRST_SCENE = 3_000_000
"""First scene number; the denoiser's scenes count from 0, the judge's from one million."""

_CROP, _BATCH, _WARM_UP = 64, 16, 60
_RATE, _RATE_BEGUN = 3e-3, 1e-3
_NOISE = 0.08
_OF_TINT = 3.0
_OF_SPREAD, _OF_LATENTS = 0.02, 0.2
_TESTED = 48


def train_autoencoder(
    folder: Path,
    *,
    steps: int,
    scenes: int,
    device: str = "auto",
    seed: int = 0,
    begin: Path | None = None,
    on_progress: Callable[[int, float], None] = lambda _step, _loss: None,
) -> float:
    """Train an autoencoder, save it in diffusers' format and return its PSNR in dB on unseen scenes.

    `begin` is the folder of a pipeline whose autoencoder is trained further.

    Raises:
        ConfigurationError: the device is not available, or `begin` has no autoencoder.
    """
    import torch  # noqa: PLC0415

    where = device_of(device)
    torch.manual_seed(seed)
    rng = Random(seed)
    before = None if begin is None else _autoencoder_of(begin).to(where, memory_format=torch.channels_last)
    autoencoder = new_autoencoder() if begin is None else _autoencoder_of(begin)
    autoencoder.to(where, memory_format=torch.channels_last).train()
    rate = _RATE if begin is None else _RATE_BEGUN
    optimiser = torch.optim.AdamW(autoencoder.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=1e-4)
    pictures = [
        picture
        for offset, shape in enumerate(SHAPES)
        for picture in draw_scenes(range(FIRST_SCENE + offset, FIRST_SCENE + scenes, len(SHAPES)), shape)[1]
    ]
    for step in range(steps):
        for group in optimiser.param_groups:
            falling = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps))
            group["lr"] = rate * min(1.0, (step + 1) / _WARM_UP) * falling
        batch = as_tensor(np.stack([_crop(rng.choice(pictures), rng) for _ in range(_BATCH)])).to(where)
        loss = _loss(autoencoder, batch, before)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(autoencoder.parameters(), 1.0)
        optimiser.step()
        on_progress(step + 1, float(loss.detach()))
    autoencoder = autoencoder.cpu().to(memory_format=torch.contiguous_format).eval()
    autoencoder.save_pretrained(folder, safe_serialization=True)
    return peak_signal_to_noise(autoencoder, FIRST_SCENE + scenes, _TESTED)


def peak_signal_to_noise(autoencoder: Any, first: int, count: int, shape: tuple[int, int] = SHAPES[0]) -> float:
    """Return the PSNR of reconstructed scenes in dB; at 33 the difference is not visible out of focus."""
    import torch  # noqa: PLC0415

    scenes = as_tensor(draw_scenes(range(first, first + count), shape)[1])
    with torch.inference_mode():
        back = autoencoder.decoder(autoencoder.encoder(scenes)).clamp(-1, 1)
    return -10 * math.log10(float(((back - scenes) / 2).square().mean()))


def _autoencoder_of(pipeline: Path) -> Any:
    """Return the autoencoder of a saved pipeline, in single precision.

    Raises:
        ConfigurationError: the folder has no autoencoder.
    """
    import torch  # noqa: PLC0415
    from diffusers import AutoencoderTiny  # noqa: PLC0415

    if not (pipeline / "vae" / "config.json").is_file():
        raise ConfigurationError(f"there is no {pipeline / 'vae'}: name the folder of a Stable Diffusion pipeline")
    return AutoencoderTiny.from_pretrained(pipeline / "vae", torch_dtype=torch.float32)


def _loss(autoencoder: Any, pictures: Any, before: Any | None) -> Any:
    import torch  # noqa: PLC0415
    from torch.nn.functional import avg_pool2d  # noqa: PLC0415

    latents = autoencoder.encoder(pictures)
    back = autoencoder.decoder(latents + _NOISE * torch.randn_like(latents))
    wrong = back - pictures
    edges = sum(difference.abs().mean() for difference in (wrong.diff(dim=2), wrong.diff(dim=3)))
    tint = avg_pool2d(wrong, _CROP // 4).abs().mean()
    if before is None:
        mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
        apart = _OF_SPREAD * (mean.square().mean() + (spread - 1).square().mean())
    else:
        with torch.no_grad():
            known = before.encoder(pictures)
        apart = _OF_LATENTS * (latents - known).square().mean()
    return wrong.abs().mean() + 2 * wrong.square().mean() + edges + _OF_TINT * tint + apart


def _crop(picture: Pixels, rng: Random) -> Pixels:
    """Return a random square of a picture, mirrored half of the time."""
    height, width = picture.shape[:2]
    top, left = rng.randrange(height - _CROP + 1), rng.randrange(width - _CROP + 1)
    crop = picture[top : top + _CROP, left : left + _CROP]
    return crop[:, ::-1] if rng.random() < 0.5 else crop
