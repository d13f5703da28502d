"""The camera: lights a scene, photographs it through the lens and develops the picture.

Everything soft (layers, light, haze, reflections) is computed in linear light at a working size of at most 36,000
pixels; only the surface's texture and the grain have full size. So a 1080 x 1080 takes tens of milliseconds.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.pipeline.ports import Box, Pixels
from bannerstream.generator.planes import grey
from bannerstream.generator.studio import surfaces
from bannerstream.generator.studio.colour import Plane, encode, linear
from bannerstream.generator.studio.lens import defocus, photograph, soften
from bannerstream.generator.studio.light import Light
from bannerstream.generator.studio.scene import Scene, Stage, Stops
from bannerstream.generator.studio.view import View

WORKING_PIXELS = 36_000
"""Working size: a softly focused edge is then at most about 6 pixels wide on 1080 x 1080, as with a real lens."""
WORKING_SHARE = 0.36
"""Working size as a share of a small banner's pixels: out of focus there is no more detail."""
GRAIN = 1.1
"""Standard deviation in 8-bit steps: hides banding in gradients, and is too weak for the encoder to keep."""
_GRAIN_TILE = 256
_FINE = 16
"""Sub-steps per 8-bit step: enlarging works on 16-bit integers, at half the memory of floats."""


def take(scene: Scene, stage: Stage) -> Pixels:
    """Return the picture of a scene: RGB, exactly the view's size."""
    view = stage.view
    scale = math.sqrt(min(WORKING_SHARE, WORKING_PIXELS / (view.width * view.height)))
    width, height = max(48, round(view.width * scale)), max(32, round(view.height * scale))
    picture = _backdrop(scene.backdrop, width, height)
    exposure = _row((*_exposure(stage.light), 1), width)
    for layer in scene.behind:
        taken = photograph(layer, view, width, height)
        # A lamp is as bright at dusk as by day: the division cancels the exposure applied later.
        picture = _over(picture, taken / exposure if layer.glows else taken)
    picture = _calm(picture, view)
    cover, depth = _surface_cover(view, scene, height)
    picture = _lay_surface(picture, scene, view, cover, depth)
    picture = _relight(picture, scene, stage, cover)
    sharp: Plane = cover * (1 - 0.7 * _zone(view, view.text, width, height)) * _focus(view, depth)
    for layer in scene.before:
        front = photograph(layer, view, width, height)
        if not layer.glows:
            front = front * exposure
        picture = _over(picture, front)
        sharp = sharp * (1 - front[..., 3])
    picture = _develop(picture, stage.light.vignette)
    return _print(picture, sharp, scene, stage)


def _backdrop(stops: Stops, width: int, height: int) -> Plane:
    rows = (np.arange(height) + 0.5) / height
    heights = [stop for stop, _ in stops]
    colours = np.array([linear(colour) for _, colour in stops])
    # Interpolates in the cube root of light, close to a perceptual gradient.
    column = np.stack([np.interp(rows, heights, np.cbrt(colours[:, channel])) ** 3 for channel in range(3)], axis=1)
    return np.repeat(column.astype(np.float32)[:, None], width, axis=1)


def _row(colour: Sequence[float] | NDArray[np.floating], width: int) -> Plane:
    """Return a row of one colour: numpy multiplies a picture by a row quickly, by a single colour slowly."""
    return np.tile(np.array(colour, np.float32), (width, 1))


def _over(below: Plane, above: Plane) -> Plane:
    shown = grey(1 - above[..., 3])
    cv2.multiply(below, shown, dst=shown)
    return np.asarray(cv2.add(shown, cv2.cvtColor(above, cv2.COLOR_RGBA2RGB), dst=shown), np.float32)


def _surface_cover(view: View, scene: Scene, height: int) -> tuple[Plane, Plane]:
    """Return, per row, its share of surface (0..1, as a column) and its depth: 0 at the back edge, 1 at the frame."""
    rows = (np.arange(height, dtype=np.float32) + 0.5) * (view.height / height)
    soft = max(0.6 * view.height / height, scene.surface.fade * view.unit)
    cover = np.clip((rows - view.horizon) / soft + 0.5, 0, 1)
    depth = np.clip((rows - view.horizon) / max(view.height - view.horizon, 1), 0, 1)
    return np.asarray((cover * cover * (3 - 2 * cover))[:, None], np.float32), depth


def _lay_surface(picture: Plane, scene: Scene, view: View, cover: Plane, depth: Plane) -> Plane:
    height, width = picture.shape[:2]
    surface = scene.surface
    far, near = np.array(linear(surface.far), np.float32), np.array(linear(surface.near), np.float32)
    ground = far + (near - far) * (depth**0.8)[:, None, None]
    # Reflection of the room: what stands just behind the edge, mirrored and smeared towards the camera.
    edge = max(2, min(height - 1, round(view.horizon * height / view.height)))
    rows = edge - 1 - np.clip(((np.arange(height) - edge) * 0.8).astype(int), 0, edge - 1)
    mirrored = cv2.blur(picture[rows], (max(3, width // 40), max(3, height // 8)), borderType=cv2.BORDER_REPLICATE)
    share = surface.gloss * np.clip(1 - 0.75 * depth, 0, 1)[:, None, None]
    ground = ground * (1 - share * 0.7) + mirrored * share * _row(0.35 + 0.65 * far, width)
    rim = np.exp(-(((np.arange(height) - edge) * view.height / height / (0.008 * view.unit + 0.7)) ** 2))
    ground = ground * (1 + surface.edge * rim[:, None, None])
    # Near the wall the surface receives less light from the sky.
    dim = 1 - 0.16 * np.exp(-depth * 9) * (surface.fade == 0)
    ground = ground * np.asarray(dim, np.float32)[:, None, None]
    return np.asarray(picture * (1 - cover)[..., None] + ground * cover[..., None], np.float32)


def _relight(picture: Plane, scene: Scene, stage: Stage, cover: Plane) -> Plane:
    height, width = picture.shape[:2]
    view, light = stage.view, stage.light
    x, y = _grid(view, width, height)
    aspect = min(max(view.width / view.height, 1.0), 3.0)
    from_x = (x - view.light_x) / view.unit / (0.85 * aspect)
    from_y = (y - light.height * view.height) / view.unit / 0.95
    # The product of two curves is a round pool of light, exp(-x² - y²), at the cost of one row and one column.
    fall = np.exp(-0.9 * from_x**2) * np.exp(-0.9 * from_y**2)
    # A pool of light under the product makes that the brightest place of the surface.
    foot = view.product.x + view.product.width / 2 if view.product else view.width / 2
    near_x, near_y = (x - foot) / view.unit / 0.75, (y - view.horizon) / view.unit / 0.5 - 0.4
    pool = np.exp(-(near_x**2)) * np.exp(-(near_y**2))
    key = np.array(light.key, np.float32)
    ambient = np.array(light.ambient, np.float32)
    lamp = np.asarray(fall + 0.35 * pool * cover, np.float32)
    if scene.shadows is not None:
        shade = photograph(scene.shadows, view, width, height)[..., 3]
        quiet = 1 - 0.7 * _zone(view, view.text, width, height)
        if view.product is not None:
            quiet = np.minimum(quiet, 1 - 0.5 * _zone(view, view.product, width, height))
        shade = shade * quiet
        picture = picture * grey(1 - shade * scene.shade * 0.5)
        lamp = np.asarray(lamp * (1 - shade), np.float32)
        key = key * 1.15
    lit = picture * cv2.merge([fill + colour * lamp for fill, colour in zip(ambient, key, strict=True)])
    close = np.exp(-1.6 * from_x**2) * np.exp(-2.2 * from_y**2)
    glow = np.array(light.glow, np.float32) * scene.haze
    rays = _shafts(view, light, scene, x, y, stage.rng) * fall
    lit = lit + cv2.merge([air * close * (1 - 0.45 * cover) for air in glow]) + cv2.merge([rays * air for air in glow])
    return np.asarray(lit, np.float32)


def _shafts(view: View, light: Light, scene: Scene, x: Plane, y: Plane, rng: Random) -> Plane:
    """Return rays that fan out from beyond the frame and fade with distance."""
    source_x = view.light_x - view.away * -0.55 * view.unit
    angle = np.arctan2(x - source_x, y + 0.7 * view.unit)
    rays = sum(
        np.sin(angle * frequency + rng.uniform(0, 6.28)) * weight
        for frequency, weight in ((7.0, 0.5), (13.0, 0.3), (23.0, 0.2))
    )
    return np.asarray(np.clip(rays, 0, 1) * (light.shafts * 0.7 * scene.haze), np.float32)


def _exposure(light: Light) -> tuple[float, float, float]:
    red, green, blue = (0.75 * a + 0.3 * k for a, k in zip(light.ambient, light.key, strict=True))
    return red, green, blue


def _calm(picture: Plane, view: View) -> Plane:
    """Take contrast out of the places of words and product, as more distance would."""
    height, width = picture.shape[:2]
    radius = max(2.0, 0.10 * view.unit * width / view.width)
    quiet = soften(picture, radius)
    share = 0.9 * _zone(view, view.text, width, height)
    if view.aside is not None:
        share = np.maximum(share, 0.8 * _zone(view, view.aside, width, height))
    if view.product is not None:
        share = np.maximum(share, 0.6 * _zone(view, view.product, width, height))
    return np.asarray(picture + (quiet - picture) * grey(share), np.float32)


def _zone(view: View, box: Box, width: int, height: int) -> Plane:
    """Return 1 inside a box, falling softly to 0 outside."""
    x, y = _grid(view, width, height)
    soft = 0.18 * view.unit
    outside_x = np.maximum(np.maximum(box.x - x, x - box.x - box.width), 0) / soft
    outside_y = np.maximum(np.maximum(box.y - y, y - box.y - box.height), 0) / soft
    return np.asarray(np.exp(-(outside_x**2)) * np.exp(-(outside_y**2)), np.float32)


def _focus(view: View, depth: Plane) -> Plane:
    """Return sharpness per row: full where the product stands, less at the back edge and close to the camera."""
    foot = 0.13 * view.height / max(view.height - view.horizon, 1)
    away = np.where(depth < foot, (foot - depth) / max(foot, 0.05) * 0.75, (depth - foot) / max(1 - foot, 0.2) * 0.6)
    return np.asarray(np.clip(1 - away**2, 0, 1)[:, None], np.float32)


def _develop(picture: Plane, darker: float) -> Plane:
    """Return sRGB 0..255 floats: bloom, vignette and a film's shoulder, which keeps highlights coloured."""
    height, width = picture.shape[:2]
    bright = np.maximum(picture - 0.85, 0)
    bloom = defocus(np.minimum(bright, 3.0), 0.09 * height)
    picture = picture + 0.35 * soften(bloom, max(1.0, 0.04 * height))
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    vignette = 1 - np.float32(darker) * np.clip(across**2 * 0.75 + down**2 * 0.55 - 0.25, 0, 1)
    picture = np.asarray(picture * grey(np.asarray(vignette, np.float32)), np.float32)
    # Overexposed light bleaches, as on film: a golden window turns white, not yellow.
    peak: Plane = np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2])
    bleach = np.clip((peak - 1.1) / 3.0, 0, 0.85)
    picture = picture + (grey(peak) - picture) * grey(bleach)
    knee = 0.62
    over = np.maximum(picture - knee, 0)
    picture = np.minimum(picture, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    return encode(np.asarray(picture, np.float32))


def _print(picture: Plane, sharp: Plane, scene: Scene, stage: Stage) -> Pixels:
    """Enlarge to the banner's size, then add texture and grain."""
    view, surface = stage.view, scene.surface
    size = (view.width, view.height)
    fine = (picture * np.float32(_FINE)).round().astype(np.int16)
    full = cv2.resize(fine, size, interpolation=cv2.INTER_CUBIC)
    top = max(0, min(view.height - 8, int(view.horizon - surface.fade * view.unit * 0.5)))
    texture = surfaces.lay(surface, stage.grain_seed, view.width, view.height - top)
    mask = np.asarray(cv2.resize(sharp, size, interpolation=cv2.INTER_LINEAR), np.float32)[top:]
    texture *= mask * np.float32(surface.strength * 0.5)
    np.clip(texture, -0.6, 0.6, out=texture)
    # At full size every pass is expensive: OpenCV multiplies, adds, clips and rounds in two.
    warm = cv2.merge([1 + texture * np.float32(each) for each in surface.warmth])
    cv2.multiply(full[top:], warm, full[top:], dtype=cv2.CV_16S)
    printed = np.empty((view.height, view.width, 3), np.uint8)
    grain = _grain(view.width)
    for row in range(0, view.height, _GRAIN_TILE):
        band = full[row : row + _GRAIN_TILE]
        # `convertScaleAbs` rounds and clips, but takes the absolute value of what grain pushes below black.
        summed = np.maximum(cv2.add(band, grain[: len(band)]), 0)
        cv2.convertScaleAbs(summed, dst=printed[row : row + _GRAIN_TILE], alpha=1 / _FINE)
    return printed


@lru_cache(8)
def _grain(width: int) -> NDArray[np.int16]:
    """Return the grain of one band across the picture, the same for all bands of all pictures."""
    tile = np.random.default_rng(0).standard_normal((_GRAIN_TILE, _GRAIN_TILE), np.float32) * (GRAIN * _FINE)
    whole = np.tile(tile.round().astype(np.int16), (1, -(-width // _GRAIN_TILE)))[:, :width]
    return np.ascontiguousarray(np.repeat(whole[..., None], 3, axis=2))


def _grid(view: View, width: int, height: int) -> tuple[Plane, Plane]:
    """Return the banner's x of every working column, as a row, and its y of every working row, as a column."""
    x = (np.arange(width, dtype=np.float32) + 0.5) * (view.width / width)
    y = (np.arange(height, dtype=np.float32) + 0.5) * (view.height / height)
    return x[None, :], y[:, None]
