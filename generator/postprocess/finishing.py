"""Turns a painted picture into a banner's scene, by the settings: crop → denoise → enlarge → match colours."""

import cv2
import numpy as np

from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.diffusion.prompts import Mode
from bannerstream.generator.diffusion.shapes import Shape, Window, window_of
from bannerstream.generator.pipeline.ports import Pixels
from bannerstream.generator.postprocess.colour_cast import matched
from bannerstream.generator.postprocess.cropping import salient_window
from bannerstream.generator.postprocess.denoising import denoised
from bannerstream.generator.postprocess.upscaling import enlarged
from bannerstream.settings.generator_postprocess import PostprocessSettings


class Finisher:
    """Fits painted pictures to banners.

    In mode `scene` the product is laid over later, so the crop stays where the composition expects the surface. In mode
    `whole` the model painted the product, so the crop follows it.
    """

    def __init__(self, settings: PostprocessSettings, mode: Mode) -> None:
        self._settings = settings
        self._follows = mode == "whole" and settings.crop == "salient"

    def __call__(self, picture: Pixels, size: BannerSize) -> Pixels:
        """Return a painted RGB picture of any size as a banner's scene of exactly this size."""
        height, width = picture.shape[:2]
        if self._follows:
            window = salient_window(picture, size.width / size.height)
        else:
            window = window_of(Shape(width, height), size)
        # Denoise before enlarging: noise is still uncorrelated there, and there are fewer pixels.
        clean = denoised(_within(picture, window), self._settings.denoise)
        return matched(self._sized(clean, size), self._settings.colour_match)

    def _sized(self, picture: Pixels, size: BannerSize) -> Pixels:
        if self._settings.upscale == "detail":
            return enlarged(picture, size.width, size.height)
        interpolation = cv2.INTER_AREA if size.width < picture.shape[1] else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(picture, (size.width, size.height), interpolation=interpolation), np.uint8)


def _within(picture: Pixels, window: Window) -> Pixels:
    cut = picture[window.top : window.top + window.height, window.left : window.left + window.width]
    return np.ascontiguousarray(cut)
