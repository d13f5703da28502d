"""The sheet of post-processing: every step before and after, on one page."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.sizes import BILLBOARD
from bannerstream.generator.diffusion.shapes import Shape, Window, window_of
from bannerstream.generator.layout.fonts import Typeface, shape
from bannerstream.generator.pipeline.ports import Pixels, ProductImage
from bannerstream.generator.postprocess.colour_cast import matched
from bannerstream.generator.postprocess.cropping import salient_window
from bannerstream.generator.postprocess.denoising import denoised
from bannerstream.generator.postprocess.upscaling import enlarged
from bannerstream.lab.evaluation.drawn_scenes import SIZE, DrawnScene, drawn_scenes, halved, moved, noisy, tinted
from bannerstream.lab.evaluation.postprocessing import LIGHTS
from bannerstream.settings.generator_postprocess import PostprocessSettings

_PANEL = 720
_MARGIN, _GAP, _CAPTION = 36, 20, 30
_GROUND, _INK = "#f3f0ea", "#2b2622"
_QUALITY = 90
_CLOSE_UP = 4
"""Enlargement of the panels that show detail; at their own size the difference would not be visible."""

Pair = tuple[str, Pixels, str, Pixels]


def write_sheet(path: Path, products: Sequence[ProductImage], cohorts: Sequence[Cohort]) -> None:
    """Write the sheet as WebP, PNG or JPEG, by the file's suffix.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    drawn = list(drawn_scenes(products, cohorts, 10))
    picture = _sheet([_crop(drawn[1]), _upscale(drawn[3]), _denoise(drawn[5]), _match(drawn[7]), _shadow(drawn[6])])
    try:
        picture.save(path, quality=_QUALITY)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be written: {error}; name a .webp, .png or .jpg file") from error


def _crop(scene: DrawnScene) -> Pair:
    picture, _ = moved(scene, 0.08)
    fixed = window_of(Shape(SIZE.width, SIZE.height), BILLBOARD)
    found = salient_window(picture, BILLBOARD.width / BILLBOARD.height)
    return "Crop: always the lower middle", _cut(picture, fixed), "the salient region", _cut(picture, found)


def _upscale(scene: DrawnScene) -> Pair:
    small, size = halved(scene.whole), (SIZE.width, SIZE.height)
    plain = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    crisp = enlarged(small, *size)
    return "Upscale ×2: cubic", _close(plain, scene), "with back-projection", _close(crisp, scene)


def _denoise(scene: DrawnScene) -> Pair:
    spoilt = noisy(scene.whole, 16, 1)
    return "Denoise: noise of 16", _close(spoilt, scene), "as measured, taken out", _close(denoised(spoilt), scene)


def _match(scene: DrawnScene) -> Pair:
    spoilt = tinted(scene.bare, LIGHTS["green"])
    share = PostprocessSettings().colour_match
    return "Colour match: a green cast", _wide(spoilt), "taken back as by default", _wide(matched(spoilt, share))


def _shadow(scene: DrawnScene) -> Pair:
    """Show the product without its shadow: its own pixels on the bare scene."""
    box, floating = scene.product, scene.bare.copy()
    y, x, height, width = round(box.y), round(box.x), round(box.height), round(box.width)
    alpha = scene.product_image.pixels[..., 3]
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 16), np.flatnonzero(alpha.max(axis=0) > 16)
    shown = alpha[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA)[..., None].astype(np.float32) / 255
    window = (slice(y, y + height), slice(x, x + width))
    floating[window] = (floating[window] * (1 - inside) + scene.whole[window] * inside).astype(np.uint8)
    return "Contact shadow: without", _wide(floating), "with", _wide(scene.whole)


def _wide(picture: Pixels) -> Pixels:
    return _cut(picture, Window(0, SIZE.height // 4, SIZE.width, SIZE.height - SIZE.height // 4))


def _cut(picture: Pixels, window: Window) -> Pixels:
    return picture[window.top : window.top + window.height, window.left : window.left + window.width]


def _close(picture: Pixels, scene: DrawnScene) -> Pixels:
    """Return the product's upper edge enlarged, every pixel as a square."""
    width, height = SIZE.width // _CLOSE_UP, SIZE.height // (_CLOSE_UP + 1)
    left = min(SIZE.width - width, max(0, round(scene.product.x + scene.product.width / 2) - width // 2))
    near = _cut(picture, Window(left, max(0, round(scene.product.y) - height // 4), width, height))
    return np.asarray(cv2.resize(near, None, fx=_CLOSE_UP, fy=_CLOSE_UP, interpolation=cv2.INTER_NEAREST), np.uint8)


def _sheet(pairs: Sequence[Pair]) -> Image.Image:
    face = shape("a", Typeface("grotesk", 700))[0].face
    font = ImageFont.truetype(face.path, 19)
    font.set_variation_by_axes([value for _, value in face.axes])
    heights = [round(_PANEL * before.shape[0] / before.shape[1]) for _, before, _, _ in pairs]
    width = 2 * _MARGIN + 2 * _PANEL + _GAP
    height = 2 * _MARGIN + sum(heights) + len(pairs) * _CAPTION + (len(pairs) - 1) * _GAP
    sheet = Image.new("RGB", (width, height), _GROUND)
    pen = ImageDraw.Draw(sheet)
    y = _MARGIN
    for (caption_before, before, caption_after, after), panel in zip(pairs, heights, strict=True):
        for x, caption, picture in ((_MARGIN, caption_before, before), (_MARGIN + _PANEL + _GAP, caption_after, after)):
            pen.text((x, y), caption, fill=_INK, font=font)
            sheet.paste(Image.fromarray(picture).resize((_PANEL, panel), Image.Resampling.LANCZOS), (x, y + _CAPTION))
        y += panel + _CAPTION + _GAP
    return sheet
