"""Measures the share of skin-coloured pixels: a weak hint for shops without a classifier.

Wood, sand, terracotta and copper have skin colours too, so the gate is off unless the settings turn it on. The
bounds in YCbCr are those of Chai & Ngan, "Face segmentation using skin-color map in videophone applications" (1999).
Pure.
"""

import cv2
import numpy as np

from bannerstream.generator.pipeline.ports import Pixels

_CR, _CB = (133, 173), (77, 127)


def skin_share(pixels: Pixels) -> float:
    """Return the share of an RGB picture's pixels within the bounds, 0 to 1."""
    colours = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)
    within = cv2.inRange(colours, np.array((0, _CR[0], _CB[0])), np.array((255, _CR[1], _CB[1])))
    return float(np.count_nonzero(within)) / within.size
