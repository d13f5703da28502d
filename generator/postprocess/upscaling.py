"""Enlarges pictures with crisp edges, without a model. Pure.

Cubic interpolation, then iterative back-projection (Irani & Peleg, "Improving resolution by image registration", 1991):
the difference between the original and the enlarged picture shrunk again is added until the two agree. Overshoot is
clipped at the darkest and lightest pixel of the neighbourhood, so that no edge gets a halo.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.pipeline.ports import Pixels

Floats = NDArray[np.float32]

_ROUNDS = 3
"""The third round still gains 0.1 dB, a fourth half of that; measured on nine drawn scenes."""
_NEIGHBOURHOOD = np.ones((3, 3), np.uint8)


def enlarged(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return an RGB picture at this size; if either side shrinks, by area averaging."""
    source_height, source_width = pixels.shape[:2]
    if (source_width, source_height) == (width, height):
        return pixels
    if width < source_width or height < source_height:
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    source = pixels.astype(np.float32)
    result = _cubic(source, width, height)
    least = _linear(np.asarray(cv2.erode(source, _NEIGHBOURHOOD), np.float32), width, height)
    most = _linear(np.asarray(cv2.dilate(source, _NEIGHBOURHOOD), np.float32), width, height)
    for _ in range(_ROUNDS):
        lacking = source - cv2.resize(result, (source_width, source_height), interpolation=cv2.INTER_AREA)
        result += _cubic(lacking, width, height)
        np.clip(result, least, most, out=result)
    return (np.clip(result, 0, 255) + 0.5).astype(np.uint8)


def _cubic(picture: Floats, width: int, height: int) -> Floats:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _linear(picture: Floats, width: int, height: int) -> Floats:
    """Return the picture interpolated linearly, which does not overshoot as cubic interpolation does."""
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
