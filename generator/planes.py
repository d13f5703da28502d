"""Planes of numbers, height x width, beside pictures of three channels."""

import cv2
import numpy as np
from numpy.typing import NDArray


def grey(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a plane as a picture of three such channels.

    Like shapes multiply five times as quickly as a picture and a plane: numpy would loop over every pixel's three.
    """
    return np.asarray(cv2.cvtColor(plane, cv2.COLOR_GRAY2RGB), np.float32)
