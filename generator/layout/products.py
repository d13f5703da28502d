"""Lays the catalogue's own product pixels over a scene: scaled, lit like the scene, standing in it.

A cut-out product gets a dark contact shadow under its foot, a soft cast shadow that falls away from the light, and a
slight match of exposure and tint. A photograph that could not be cut out is shown whole, as a rounded card.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.layout.blending import round_rect
from bannerstream.generator.pipeline.ports import Box, LightSide, Pixels, ProductImage, Shadow
from bannerstream.generator.planes import grey

Floats = NDArray[np.float32]

_MAX_ENLARGEMENT = 2.0
"""Beyond this factor a small catalogue picture looks soft."""
_EXPOSURE = (0.96, 1.03)
_TINT = 0.05
"""How far the product's colour moves toward that of the scene's light."""
_SHADING = 0.035
"""How much lighter and darker the sides toward and away from the light get.

Together with exposure and tint it costs 0.002 of the product's SSIM. Twice as much of all three cost 0.005 and, with
WebP's loss, missed the 0.98 that `bannerstream evaluate banners` requires."""
_CAST_BLUR = 0.035
"""Blur of a shadow of softness 1, as a share of the product's height."""
_SHADOW_PIXELS = 120
"""Silhouettes wider than this get their shadow drawn at half size; the contact's blur is 3 pixels there."""
_CARD_RADIUS = 0.055
_VISIBLE_ALPHA = 16


def place_product(
    pixels: Pixels, product: ProductImage, box: Box, ground_y: float, *, light_side: LightSide, shadow: Shadow
) -> Box | None:
    """Draw the product into the box, in place; return the box of its visible pixels, None when it has none."""
    if not product.cut_out:
        return _place_card(pixels, product.pixels[..., :3], box)
    trimmed = _trimmed(product.pixels)
    if trimmed is None:
        return None
    sprite = _scaled(trimmed, box.width, box.height)
    height, width = sprite.shape[:2]
    left = round(box.x + (box.width - width) / 2)
    top = round(ground_y - height)
    alpha = sprite[..., 3] / np.float32(255.0)
    visible = _clipped(Box(left, top, width, height), pixels)
    if visible is None:
        return None
    around = pixels[int(visible.y) : int(visible.y + visible.height), int(visible.x) : int(visible.x + visible.width)]
    colour = _lit(sprite, np.array(cv2.mean(around)[:3], np.float32), light_side)
    _shade_ground(pixels, alpha, left, top, light_side=light_side, shadow=shadow)
    _lay(pixels, colour, alpha, left, top)
    return visible


def _trimmed(picture: Pixels) -> Pixels | None:
    visible = picture[..., 3] > _VISIBLE_ALPHA
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if not len(rows):
        return None
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scaled(picture: Pixels, width: float, height: float) -> Floats:
    """Return RGBA floats (0 to 255, premultiplied, so without dark fringes) at the size that fits.

    Works in bytes until the final size: as floats, a catalogue picture would be copied at 16 bytes a pixel.
    """
    source_height, source_width = picture.shape[:2]
    factor = min(width / source_width, height / source_height, _MAX_ENLARGEMENT)
    size = (max(1, round(source_width * factor)), max(1, round(source_height * factor)))
    premultiplied = cv2.cvtColor(picture, cv2.COLOR_RGBA2mRGBA)
    scaled = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    return scaled.reshape(size[1], size[0], 4).astype(np.float32)


def _shade_ground(pixels: Pixels, alpha: Floats, left: int, top: int, *, light_side: LightSide, shadow: Shadow) -> None:
    """Darken the surface: cast shadow first, then the contact under the foot.

    Shadows are soft, so those of a large product are drawn at half or a third of the size and enlarged.
    """
    shrink = min(max(int(alpha.shape[1] / _SHADOW_PIXELS), 1), 3)
    size = (max(1, round(alpha.shape[1] / shrink)), max(1, round(alpha.shape[0] / shrink)))
    small = alpha if shrink == 1 else np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)
    found = _shade(small, light_side=light_side, shadow=shadow)
    if found is None:
        return
    shade, pad, base_y = found
    if shrink > 1:
        enlarged = (shade.shape[1] * shrink, shade.shape[0] * shrink)
        shade = np.asarray(cv2.resize(shade, enlarged, interpolation=cv2.INTER_LINEAR), np.float32)
    _multiply(pixels, shade, left - pad * shrink, top + alpha.shape[0] - base_y * shrink)


def _shade(alpha: Floats, *, light_side: LightSide, shadow: Shadow) -> tuple[Floats, int, int] | None:
    """Return how dark the ground is around a silhouette, and how far it reaches left of it and above its foot.

    None if nothing stands on the ground.
    """
    height, width = alpha.shape
    foot = alpha[int(height * 0.9) :].max(axis=0) > 0.3
    columns = np.flatnonzero(foot)
    if not len(columns):
        return None
    foot_left, foot_right = int(columns[0]), int(columns[-1])
    foot_width = max(8, foot_right - foot_left)
    pad = round(0.6 * max(foot_width, height * 0.6))
    # No shadow reaches higher than the flat silhouette with its blur: rows above it are skipped.
    base_y = min(
        pad + height, math.ceil(max(height * (shadow.length + 3 * _CAST_BLUR * shadow.softness), 0.4 * foot_width)) + 8
    )
    shade = np.zeros((base_y + pad, width + 2 * pad), np.float32)
    _add_cast(shade, alpha, pad, base_y, light_side=light_side, shadow=shadow)
    centre = (pad + (foot_left + foot_right) / 2, base_y - foot_width * 0.02)
    for reach, depth, softness, strength in ((0.62, 0.13, 0.09, 0.3), (0.49, 0.05, 0.028, 0.55)):
        layer = np.zeros_like(shade)
        axes = (foot_width * reach, max(1.5, foot_width * depth))
        cv2.ellipse(layer, _fixed(*centre), _fixed(*axes), 0, 0, 360, 1.0, -1, cv2.LINE_AA, _SHIFT)
        layer = blurred(layer, max(1.0, foot_width * softness * shadow.softness**0.5))
        shade = 1 - (1 - shade) * (1 - min(0.9, strength * shadow.strength**0.5) * layer)
    return shade, pad, base_y


def _add_cast(shade: Floats, alpha: Floats, pad: int, base_y: int, *, light_side: LightSide, shadow: Shadow) -> None:
    """Lay the silhouette down on the ground, sheared away from the light, fading with distance."""
    height = alpha.shape[0]
    lean = {"left": 1.1, "right": -1.1, "above": 0.15}[light_side]
    reach = height * shadow.length
    length = min(1.0, pad * 0.9 / max(1.0, abs(lean) * reach))
    # Maps silhouette (x, y from its foot) to the ground: up the product is away from the foot and sideways.
    matrix = np.array(
        [
            [1.0, -lean * shadow.length * length, pad + lean * reach * length],
            [0.0, shadow.length * length, base_y - reach * length],
        ],
        dtype=np.float32,
    )
    fade = np.linspace(0.15, 1.0, height, dtype=np.float32)[:, None]
    flat = cv2.warpAffine(alpha * fade, matrix, (shade.shape[1], shade.shape[0]), flags=cv2.INTER_LINEAR)
    cast = np.asarray(flat, dtype=np.float32)
    shade[:] = 0.26 * shadow.strength * blurred(cast, max(1.2, height * _CAST_BLUR * shadow.softness))


def _lit(sprite: Floats, scene: Floats, light_side: LightSide) -> Floats:
    """Return the product's premultiplied colours under the scene's light: exposure, tint, a lit and a shaded side."""
    level = float(scene.mean())
    exposure = float(np.interp(level, (40, 130, 220), (_EXPOSURE[0], 1.0, _EXPOSURE[1])))
    tint = 1 + _TINT * 2 * (scene / max(level, 1.0) - 1)
    light = np.broadcast_to(exposure * tint, (sprite.shape[1], 3))
    if light_side != "above":
        ramp = np.linspace(_SHADING, -_SHADING, sprite.shape[1])
        light = light * (1 + (ramp if light_side == "left" else -ramp)[:, None])
    matched = np.asarray(cv2.cvtColor(sprite, cv2.COLOR_RGBA2RGB), np.float32)
    matched *= light.astype(np.float32)
    # A premultiplied colour cannot exceed its alpha.
    return np.asarray(cv2.min(matched, grey(sprite[..., 3]), dst=matched), np.float32)


def _place_card(pixels: Pixels, photograph: Pixels, box: Box) -> Box | None:
    height, width = photograph.shape[:2]
    factor = min(box.width / width, box.height / height)
    size = (max(2, round(width * factor)), max(2, round(height * factor)))
    scaled = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    left = round(box.x + (box.width - size[0]) / 2)
    top = round(box.y + (box.height - size[1]) / 2)
    radius = _CARD_RADIUS * max(size) + 2
    mask = round_rect(*size, Box(0, 0, *size), radius)
    pad = max(8, round(max(size) * 0.12))
    shade = np.pad(mask, pad)
    drop = round(max(size) * 0.025)
    soft = blurred(np.roll(shade, drop, axis=0), max(2.0, max(size) * 0.035)) * 0.38
    close = blurred(shade, max(1.0, max(size) * 0.008)) * 0.2
    _multiply(pixels, 1 - (1 - soft) * (1 - close), left - pad, top - pad)
    _lay(pixels, scaled * mask[..., None], mask, left, top)
    return _clipped(Box(left, top, size[0], size[1]), pixels)


def _multiply(pixels: Pixels, shade: Floats, left: int, top: int) -> None:
    """Darken toward a deep version of the ground's own colour, so that shadows keep its warmth."""
    window = _window(pixels, shade, left, top)
    if window is None:
        return
    region, part = window
    kept = cv2.merge([1 - part * np.float32(weight) for weight in (0.86, 0.89, 0.92)])
    cv2.multiply(region, kept, dst=region, dtype=cv2.CV_8U)


def _lay(pixels: Pixels, colour: Floats, alpha: Floats, left: int, top: int) -> None:
    """Lay premultiplied colours over the picture."""
    window = _window(pixels, alpha, left, top)
    if window is None:
        return
    region, part = window
    x, y = max(0, -left), max(0, -top)
    drawn = colour[y : y + region.shape[0], x : x + region.shape[1]]
    kept = grey(1 - part)
    cv2.multiply(region, kept, dst=kept, dtype=cv2.CV_32F)
    region[:] = cv2.convertScaleAbs(cv2.add(kept, drawn, dst=kept))


def _window(pixels: Pixels, layer: Floats, left: int, top: int) -> tuple[Pixels, Floats] | None:
    """Return the part of the picture that a layer covers, and the part of the layer that lies on the picture."""
    box = _clipped(Box(left, top, layer.shape[1], layer.shape[0]), pixels)
    if box is None:
        return None
    x, y, width, height = int(box.x), int(box.y), int(box.width), int(box.height)
    return pixels[y : y + height, x : x + width], layer[y - top : y - top + height, x - left : x - left + width]


def _clipped(box: Box, pixels: Pixels) -> Box | None:
    height, width = pixels.shape[:2]
    x, y = max(0.0, box.x), max(0.0, box.y)
    right, bottom = min(float(width), box.x + box.width), min(float(height), box.y + box.height)
    return Box(x, y, right - x, bottom - y) if right > x and bottom > y else None


_SHIFT = 4
"""Bits of sub-pixel precision in OpenCV's drawing."""


def _fixed(x: float, y: float) -> tuple[int, int]:
    return math.floor(x * (1 << _SHIFT)), math.floor(y * (1 << _SHIFT))


def blurred(layer: Floats, sigma: float) -> Floats:
    """Gaussian blur; large blurs run at a quarter of the size, which looks the same and is much faster."""
    if sigma < 8:
        return np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma), dtype=np.float32)
    height, width = layer.shape
    small = cv2.resize(layer, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
