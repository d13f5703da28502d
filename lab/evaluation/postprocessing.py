"""Measures every step of post-processing on drawn scenes that were degraded in a known way.

Every row is one measure before and after the step: PSNR in decibels against the original scene (more is better),
degrees of colour cast and ΔE (CIE76) of hue alone (less is better), the share of a product's pixels that a crop keeps,
and the brightness of the ground under a product.
"""

from collections.abc import Callable, Sequence
from statistics import fmean

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.sizes import BILLBOARD
from bannerstream.generator.diffusion.shapes import Shape, Window, window_of
from bannerstream.generator.pipeline.ports import Pixels, ProductImage
from bannerstream.generator.postprocess.colour_cast import cast, matched
from bannerstream.generator.postprocess.cropping import salient_window
from bannerstream.generator.postprocess.denoising import denoised, noise_level
from bannerstream.generator.postprocess.upscaling import enlarged
from bannerstream.lab.evaluation.drawn_scenes import SIZE, DrawnScene, drawn_scenes, halved, moved, noisy, tinted
from bannerstream.lab.evaluation.report import Figure, Report

DEVIATIONS = (3.0, 8.0, 16.0)
LIGHTS: dict[str, tuple[float, float, float]] = {
    "orange": (2.2, 1.0, 0.35),
    "blue": (0.35, 1.0, 2.4),
    "green": (0.5, 1.8, 0.5),
}
_EDGE = 60.0
"""Sobel response above which a pixel lies on an edge."""

Row = dict[str, Figure]


def evaluate_postprocessing(products: Sequence[ProductImage], cohorts: Sequence[Cohort], scenes: int = 12) -> Report:
    """Return the figures of every step over `scenes` drawn scenes."""
    drawn = list(drawn_scenes(products, cohorts, scenes))
    rows = [
        *_cropping(drawn),
        *_upscaling(drawn),
        *_denoising(drawn),
        *_matching(drawn),
        *_grounding(drawn),
    ]
    wholes = [each.whole for each in drawn]
    casts = sorted(cast(each.bare) for each in drawn)
    notes = {
        "scenes": f"{len(drawn)} scenes of {SIZE.name} in {len({each.setting for each in drawn})} settings",
        "colour cast": f"the drawn scenes' own: median {casts[len(casts) // 2]:.1f}°, nine tenths below "
        f"{casts[int(len(casts) * 0.9)]:.1f}°, most {casts[-1]:.1f}°",
        "noise": f"measured in the drawn scenes themselves: at most {max(map(noise_level, wholes)):.2f}",
    }
    return Report("postprocess", rows, notes)


def psnr(picture: Pixels, like: Pixels, where: NDArray[np.bool_] | None = None) -> float:
    """Return the peak signal-to-noise ratio in decibels, of all pixels or of some; 99 for equal pictures."""
    apart = picture.astype(np.float64) - like
    error = float(np.mean((apart if where is None else apart[where]) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def hue_difference(picture: Pixels, like: Pixels) -> float:
    """Return the mean distance in the a*b* plane of CIELAB."""
    first, second = (
        cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 1:] for image in (picture, like)
    )
    return float(np.linalg.norm(first - second, axis=2).mean())


def _row(step: str, spoilt: str, measure: str, before: Sequence[float], after: Sequence[float]) -> Row:
    return {"step": step, "spoilt_by": spoilt, "measure": measure, "before": fmean(before), "after": fmean(after)}


def _cropping(drawn: Sequence[DrawnScene]) -> list[Row]:
    rows = []
    for place, top in (("at the top", 0.0), ("in the middle", 0.5), ("at the foot", 1.0)):
        low, salient = [], []
        for scene in drawn:
            picture, mask = moved(scene, top)
            size = BILLBOARD
            low.append(_kept(mask, window_of(Shape(SIZE.width, SIZE.height), size)))
            salient.append(_kept(mask, salient_window(picture, size.width / size.height)))
        rows.append(_row("crop", f"product {place}", "share of its pixels kept", low, salient))
    return rows


def _kept(mask: Pixels, window: Window) -> float:
    inside = mask[window.top : window.top + window.height, window.left : window.left + window.width]
    return float(np.count_nonzero(inside)) / max(1, int(np.count_nonzero(mask)))


def _upscaling(drawn: Sequence[DrawnScene]) -> list[Row]:
    cubic, detail, cubic_edges, detail_edges = [], [], [], []
    for scene in drawn:
        small, size = halved(scene.whole), (SIZE.width, SIZE.height)
        plain = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        crisp = enlarged(small, *size)
        edges = np.abs(cv2.Sobel(scene.whole.astype(np.float32), -1, 1, 0)).max(axis=2) > _EDGE
        cubic.append(psnr(plain, scene.whole))
        detail.append(psnr(crisp, scene.whole))
        if edges.any():
            cubic_edges.append(psnr(plain, scene.whole, edges))
            detail_edges.append(psnr(crisp, scene.whole, edges))
    return [
        _row("upscale", "halved, then cubic", "PSNR dB", cubic, detail),
        _row("upscale", "halved, then cubic", "PSNR dB on edges", cubic_edges, detail_edges),
    ]


def _denoising(drawn: Sequence[DrawnScene]) -> list[Row]:
    rows = []
    for deviation in DEVIATIONS:
        spoilt = [noisy(scene.whole, deviation, seed) for seed, scene in enumerate(drawn)]
        before = [psnr(each, scene.whole) for each, scene in zip(spoilt, drawn, strict=True)]
        after = [psnr(denoised(each), scene.whole) for each, scene in zip(spoilt, drawn, strict=True)]
        rows.append(_row("denoise", f"noise of {deviation:g}", "PSNR dB", before, after))
    untouched = [float(denoised(scene.whole) is scene.whole) for scene in drawn]
    rows.append(_row("denoise", "nothing", "share left as it was", [1.0], untouched))
    return rows


def _matching(drawn: Sequence[DrawnScene]) -> list[Row]:
    rows = []
    measures: tuple[tuple[str, Callable[[Pixels, DrawnScene], float]], ...] = (
        ("degrees of cast", lambda picture, _: cast(picture)),
        ("ΔE of hue", lambda picture, scene: hue_difference(picture, scene.bare)),
    )
    for light, gains in LIGHTS.items():
        spoilt = [(tinted(scene.bare, gains), scene) for scene in drawn]
        for measure, of in measures:
            before = [of(picture, scene) for picture, scene in spoilt]
            after = [of(matched(picture, 1.0), scene) for picture, scene in spoilt]
            rows.append(_row("colour match", f"{light} light", measure, before, after))
    untouched = [hue_difference(matched(scene.bare, 1.0), scene.bare) for scene in drawn]
    rows.append(_row("colour match", "nothing", "ΔE of hue", [0.0], untouched))
    return rows


def _grounding(drawn: Sequence[DrawnScene]) -> list[Row]:
    """Measure the contact shadow: under the foot, and on the shaded side compared with the lit side."""
    under, away, lit = [], [], []
    for scene in drawn:
        ratio = _brightness(scene.whole) / np.maximum(_brightness(scene.bare), 1)
        foot = round(scene.product.y + scene.product.height)
        left, width = round(scene.product.x), round(scene.product.width)
        under.append(float(ratio[foot : foot + 4, left : left + width].min(axis=1).mean()))
        if scene.light_side == "above" or not scene.product_image.cut_out:
            continue
        rows = slice(foot - round(scene.product.height * 0.15), foot)
        sides = (ratio[rows, max(0, left - width // 3) : left], ratio[rows, left + width : left + width + width // 3])
        shaded, bright = sides if scene.light_side == "right" else sides[::-1]
        away.append(float(shaded.mean()))
        lit.append(float(bright.mean()))
    return [
        _row("shadow", "no shadow", "brightness under the foot", [1.0], under),
        _row("shadow", "lit side", "brightness on the side away from the light", lit, away),
    ]


def _brightness(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)
