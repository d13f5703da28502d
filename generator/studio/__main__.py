"""`python -m bannerstream.generator.studio sheet.png`: a contact sheet of every set in every light, to judge by eye.

Every row is a set, every column one of six palettes with a light. `--size 728x90` shows another size, `--scene` only
one set, `--stand-in` puts a plain mug where the product goes, `--words` outlines the text box.
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.pipeline.ports import Box, Composition, Pixels, SceneRequest
from bannerstream.generator.studio.painter import StudioPainter
from bannerstream.generator.studio.scenes import SCENES

_COHORTS = (
    ("hearth", ("#f4e3cf", "#dcbf9f", "#c98f57", "#c8553d"), "morning"),
    ("coast", ("#e8f1f5", "#a9cbd9", "#e9b872", "#2a6f97"), "day"),
    ("rosewood", ("#fbe9e7", "#eab8b0", "#b5838d", "#9d4b6c"), "golden"),
    ("moss", ("#eef1e4", "#b8c4a0", "#d9a441", "#4f6f3a"), "golden"),
    ("dusk", ("#e9e4f2", "#b9a9d6", "#e0a458", "#5b4a9c"), "evening"),
    ("slate", ("#eceeef", "#b9c0c6", "#e4572e", "#2e3a46"), "day"),
)


def composition_of(width: int, height: int) -> Composition:
    """Return a composition like the layout's: words beside the product, or around it if there is no room."""
    size = BannerSize(width, height, 150_000)
    if width > 5 * height:
        text, product, ground = (0.033, 0.1, 0.73, 0.8), (0.79, 0.05, 0.18, 0.87), 0.92
    elif width > 1.8 * height:
        text, product, ground = (0.054, 0.12, 0.46, 0.76), (0.58, 0.09, 0.34, 0.77), 0.86
    else:
        text, product, ground = (0.075, 0.075, 0.85, 0.85), (0.4, 0.38, 0.54, 0.53), 0.91
    return Composition("sheet", size, _box(text, size), _box(product, size), ground * height, right_to_left=False)


def _box(fractions: tuple[float, float, float, float], size: BannerSize) -> Box:
    x, y, width, height = fractions
    return Box(x * size.width, y * size.height, width * size.width, height * size.height)


def main() -> int:
    """Write the sheet and print the time per picture."""
    arguments = argparse.ArgumentParser(prog="python -m bannerstream.generator.studio", description=__doc__)
    arguments.add_argument("sheet", type=Path)
    arguments.add_argument("--size", default="970x250")
    arguments.add_argument("--scene", action="append", choices=list(SCENES))
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--columns", type=int, default=len(_COHORTS))
    arguments.add_argument("--stand-in", action="store_true")
    arguments.add_argument("--words", action="store_true")
    options = arguments.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    composition = composition_of(width, height)
    rows, count, started = [], 0, time.process_time()
    for row, scene in enumerate(options.scene or SCENES):
        pictures = []
        for column, (name, palette, light) in enumerate(_COHORTS[: options.columns]):
            cohort = Cohort(cohort_id=name, name=name, mood=("calm",), palette=palette, light=light)
            words = Description(subject="mug", attributes=(), setting=scene, describer="sheet")
            request = SceneRequest(words, cohort, composition, options.seed + 100 * row + column, None)
            picture = StudioPainter().paint([request])[0].pixels
            pictures.append(_marked(picture, composition, options.stand_in, options.words))
            count += 1
        rows.append(np.concatenate([np.pad(picture, ((3, 3), (3, 3), (0, 0))) for picture in pictures], axis=1))
    spent = (time.process_time() - started) / count * 1000
    cv2.imwrite(str(options.sheet), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))
    sys.stdout.write(f"{count} pictures of {options.size}, {spent:.0f} ms each: {options.sheet}\n")
    return 0


def _marked(picture: Pixels, composition: Composition, stand_in: bool, words: bool) -> Pixels:
    picture = picture.copy()
    if words:
        text = composition.text
        cv2.rectangle(
            picture, (int(text.x), int(text.y)), (int(text.x + text.width), int(text.y + text.height)), (255,) * 3
        )
    product = composition.product
    if not stand_in or product is None:
        return picture
    height, width = int(product.height * 0.86), int(min(product.width, product.height) * 0.66)
    x, y = int(product.x + product.width / 2), int(composition.ground_y)
    shade = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(shade, (x, y), (int(width * 0.6), max(2, height // 14)), 0, 0, 360, 0.55, -1)
    dark = 1 - cv2.GaussianBlur(shade, (0, 0), max(1.0, height / 28))[..., None]
    picture = np.asarray(picture * dark, np.uint8)
    form = (0.75 + 0.4 * np.cos(np.linspace(-0.6, 2.2, width))) * 200
    glaze = np.clip(form[:, None] * np.array([1, 0.93, 0.86]), 0, 255)
    picture[y - height : y, x - width // 2 : x - width // 2 + width] = glaze.astype(np.uint8)
    return picture


if __name__ == "__main__":
    raise SystemExit(main())
