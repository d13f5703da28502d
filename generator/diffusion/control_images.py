"""Control images for a ControlNet: the product's edges, or a depth map of the scene. Pure."""

from typing import Literal

import cv2
import numpy as np

from bannerstream.generator.diffusion.init_images import inpaint_inputs
from bannerstream.generator.diffusion.shapes import Shape, window_of
from bannerstream.generator.pipeline.ports import Pixels, SceneRequest

Reading = Literal["edges", "depth"]

_CANNY = (100, 200)
"""Thresholds of the preprocessor that the public edge ControlNets were trained with (lllyasviel/ControlNet)."""
_FAR, _NEAR = 40, 255
"""Depth values in MiDaS' convention, which depth ControlNets expect: bright is near."""
_FAR_EDGE = 0.8
"""Back edge of the surface, as a fraction of the height at which the product stands."""
_BELLY = 24
"""Depth difference between the middle of the product and its rim."""


def control_image(scene: SceneRequest, shape: Shape, reads: Reading) -> Pixels:
    """Return the RGB control image for a painting of this shape; without a product picture it has no effect."""
    picture, mask = inpaint_inputs(scene, shape)
    product = (mask < 128).astype(np.uint8)
    levels = _edges(picture, product) if reads == "edges" else _depth(product, scene, shape)
    return np.repeat(levels[..., None], 3, axis=2)


def _edges(picture: Pixels, product: Pixels) -> Pixels:
    """Return white lines on black: the product's edges, and its outline in case it has the ground's colour."""
    lines = cv2.Canny(picture, *_CANNY)
    outline = cv2.morphologyEx(product * 255, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    merged: Pixels = np.maximum(lines, outline).astype(np.uint8)
    return merged


def _depth(product: Pixels, scene: SceneRequest, shape: Shape) -> Pixels:
    """Return the depth of a backdrop, a level surface that comes nearer downwards, and a rounded product on it."""
    window = window_of(shape, scene.composition.size)
    foot = window.top + scene.composition.ground_y * window.height / scene.composition.size.height
    edge = foot * _FAR_EDGE
    nearness = np.clip((np.arange(shape.height) - edge) / max(1.0, shape.height - edge), 0, 1)
    surface = _FAR + (_NEAR - _FAR - _BELLY) * nearness
    depth = np.repeat(surface[:, None], shape.width, axis=1)
    inside = cv2.distanceTransform(product, cv2.DIST_L2, 5)
    belly = _BELLY * inside / max(1.0, float(inside.max()))
    stands_at = float(np.interp(foot, np.arange(shape.height), surface))
    levels: Pixels = np.where(product > 0, stands_at + belly, depth).round().astype(np.uint8)
    return levels
