"""Contact sheets of a pipeline's pictures, always with the same prompts and seeds, so that they can be compared."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bannerstream.generator.pipeline.ports import Pixels
from bannerstream.generator.studio.light import LIGHTS
from bannerstream.generator.studio.samples import PALETTES
from bannerstream.generator.studio.scenes import SCENES

_GAP = 4


def sample_prompts(columns: int) -> list[list[str]]:
    """Return a row of prompts per setting that covers every light and palette."""
    palettes, lights = list(PALETTES), list(LIGHTS)
    return [
        [
            f"{place}, {palettes[(3 * row + 5 * column) % len(palettes)]} tones, {lights[column % len(lights)]} light"
            for column in range(columns)
        ]
        for row, place in enumerate(SCENES)
    ]


def write_sample_sheet(
    pipeline: Any,
    file: Path,
    *,
    num_inference_steps: int,
    guidance_scale: float,
    shape: tuple[int, int] = (384, 96),
    rows: int,
    columns: int,
) -> None:
    """Paint the sample prompts with a Stable Diffusion pipeline and write the sheet, one row per setting."""
    import torch  # noqa: PLC0415

    pictures = []
    for number, prompts in enumerate(sample_prompts(columns)[:rows]):
        painted = pipeline(
            prompts,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            width=shape[0],
            height=shape[1],
            generator=[torch.Generator().manual_seed(100 * number + column) for column in range(columns)],
            output_type="np",
        ).images
        pictures.append([np.asarray(np.clip(each * 255 + 0.5, 0, 255), np.uint8) for each in painted])
    write_sheet(pictures, file)


def write_sheet(rows: list[list[Pixels]], file: Path) -> None:
    """Write pictures of one size as a sheet. Raises OSError if the file cannot be written."""
    sheet = np.concatenate(
        [np.concatenate([np.pad(each, ((0, _GAP), (0, _GAP), (0, 0)), "maximum") for each in row], 1) for row in rows]
    )
    written, encoded = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    assert written
    file.write_bytes(encoded.tobytes())
