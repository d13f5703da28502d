"""Chooses the part of a painted picture to keep: the most salient one. Pure.

Saliency is the spectral residual of Hou & Zhang, "Saliency detection: a spectral residual approach" (CVPR 2007): the
deviation from the smooth spectrum that all pictures share. No model.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.diffusion.shapes import Window
from bannerstream.generator.pipeline.ports import Pixels

_SIDE = 64
"""The paper's working size: objects, not texture."""
_SMOOTH = 2.5
_CENTRE_WEIGHT = 0.25
"""Preference for the middle, which is the best cut if nothing stands out."""


def saliency(pixels: Pixels) -> NDArray[np.float32]:
    """Return the saliency map of an RGB picture: 64 x 64, mean 1 (all 0 for a flat picture)."""
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    total = np.zeros((_SIDE, _SIDE), np.float32)
    for channel in cv2.split(cv2.cvtColor(small / 255, cv2.COLOR_RGB2LAB)):
        total += _residual(np.asarray(channel, np.float32))
    blurred = np.asarray(cv2.GaussianBlur(total, (0, 0), _SMOOTH), np.float32)
    mean = float(blurred.mean())
    return blurred / np.float32(mean) if mean > 0 else blurred


def salient_window(pixels: Pixels, aspect: float) -> Window:
    """Return the largest window of this aspect (width over height) with the most saliency inside."""
    height, width = pixels.shape[:2]
    window_width, window_height = min(width, round(height * aspect)), min(height, round(width / aspect))
    seen = saliency(pixels)
    if window_width < width:
        left = _best_start(seen.sum(axis=0), window_width / width)
        return Window(round(left * (width - window_width)), 0, max(1, window_width), height)
    top = _best_start(seen.sum(axis=1), window_height / height)
    return Window(0, round(top * (height - window_height)), width, max(1, window_height))


def _residual(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    if float(np.ptp(channel)) < 1e-3:
        return np.zeros_like(channel)
    spectrum = np.fft.fft2(channel)
    logarithm = np.log(np.abs(spectrum) + 1e-6).astype(np.float32)
    beyond = logarithm - cv2.blur(logarithm, (3, 3), borderType=cv2.BORDER_REPLICATE)
    shown = np.abs(np.fft.ifft2(np.exp(beyond + 1j * np.angle(spectrum)))) ** 2
    return (shown * float(channel.std())).astype(np.float32)


def _best_start(along: NDArray[np.float32], share: float) -> float:
    """Return the best start of a window of this share of the length, 0 (at the beginning) to 1 (at the end)."""
    starts = np.linspace(0, 1, 2 * _SIDE + 1)
    sums = np.concatenate([[0.0], np.cumsum(along, dtype=np.float64)])
    places = starts * (1 - share) * _SIDE
    inside = np.interp(places + share * _SIDE, np.arange(_SIDE + 1), sums) - np.interp(
        places, np.arange(_SIDE + 1), sums
    )
    middling = 1 - _CENTRE_WEIGHT * np.abs(2 * starts - 1)
    return float(starts[int(np.argmax((inside + 1e-6) * middling))])
