"""Cuts a product out of a photograph on a plain ground, or refuses.

The ground is modelled as a quadratic surface per Lab channel, fitted to the picture's border: paper lit from one side.
Pixels connected to the border through ground, or through soft shadow on it, are ground. The edge's alpha then follows
from the compositing equation I = αF + (1-α)B, with B known from nearby ground and F from the nearby product.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.errors import BannerstreamError
from bannerstream.storage.pictures import Pixels

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_BORDER_SHARE = 0.02
_PLAIN_NOISE = 3.0
"""Lab units (median absolute residual). Sensor noise at ISO 1600 has about 2, a wooden table 5 and more."""
_PLAIN_SHARE = 0.6
"""Share of the border that must be ground: leaves room for a product that runs out of one or two sides."""
_SHADOW_DEPTH = 45.0
"""Largest darkening of the ground by a soft shadow, in Lab lightness; darker pixels are contact shadow or product."""
_SHADOW_STEP = 1.6
"""Lab lightness per pixel at 1000 pixels: a soft shadow changes slowly, a product's edge within two pixels."""
_OVEREXPOSED = 98.5
"""Lab lightness from which a ground is clipped and hides every difference to other whites."""
_MAX_SHADOW = 1.0
"""Largest shadow per product area. More means that the shadow merged with the product: grey on grey."""
_MIN_AREA, _MAX_AREA = 0.01, 0.92
_MAX_PIECES = 6
_WEAK_CONTRAST = 7.0
"""Lab distance between product and ground below which no edge is visible."""
_MAX_WEAK_EDGE = 0.25
_MAX_WEAK_STRETCH = 0.08
"""Largest connected share of the edge that is weak: there the product fades into its ground and part of it was lost."""
_MAX_RAGGEDNESS = 1.2
"""Length of the outline over that of its smoothed version. Products drawn for the tests have at most 1.03; if one side
has nearly the ground's colour, up to 1.65, because noise decides what is product there."""
_SMOOTHING = 0.01
"""Smoothing of the outline, as a share of the long side: a finger's width on a chair."""
_ALPHA_NOISE = 0.04
"""Alpha this near to 0 or 1 is noise; keeping it would leave a veil of ground around the product."""
_MIN_SPAN = 0.1
"""RGB distance (0 to 1.7) of product and ground at the edge below which the equation only amplifies noise."""
_UNEXPLAINED = 0.12
"""RGB distance from every mixture of product and ground beyond which a pixel is neither: about four times noise."""
_BAND = 3
"""Pixels on each side of the edge whose alpha is estimated: a lens and a resampling blur by about two."""


class CutRefused(BannerstreamError):
    """The product cannot be separated from its ground with confidence; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class _Ground:
    colour: Floats
    """Lab, height x width x 3."""
    noise: float


def cut_out(photograph: Pixels) -> Pixels:
    """Return RGBA with the ground transparent: soft edge without the ground's colour, no shadow, holes cut.

    Args:
        photograph: RGB, height x width x 3.

    Raises:
        CutRefused: the ground is not plain, the product runs out of three sides, or its edge is not clear enough.
    """
    scaled = photograph.astype(np.float32) / np.float32(255)
    lab = np.asarray(cv2.cvtColor(cv2.GaussianBlur(scaled, (0, 0), 1.0), cv2.COLOR_RGB2LAB), np.float32)
    ground = _plain_ground(lab)
    product = _product(lab, ground)
    _check(product, lab, ground)
    coarse = _alpha(scaled, product, 2 * _BAND)[0]
    alpha, colours = _alpha(scaled, coarse > 0.5, _BAND)
    cleared: Pixels = np.rint(np.clip(np.dstack([colours, alpha]), 0, 1) * 255).astype(np.uint8)
    return cleared


def _plain_ground(lab: Floats) -> _Ground:
    """Fit the ground to the border, then to all pixels near that fit."""
    height, width = lab.shape[:2]
    strip = max(2, round(_BORDER_SHARE * min(height, width)))
    chosen = np.ones((height, width), bool)
    chosen[strip:-strip, strip:-strip] = False
    terms = _terms(height, width)
    model, noise, share = _robust_fit(terms[chosen], lab[chosen])
    if share < _PLAIN_SHARE or noise > _PLAIN_NOISE:
        raise CutRefused("its ground is not plain")
    near = np.linalg.norm(lab - terms @ model, axis=2) < max(2.0, 3 * noise)
    step = max(1, int(near.sum() // 20_000))
    model, noise, _ = _robust_fit(terms[near][::step], lab[near][::step])
    return _Ground((terms @ model).astype(np.float32), noise)


def _terms(height: int, width: int) -> Floats:
    """Return 1, x, y, x², xy, y² per pixel, coordinates from -1 to 1."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2).astype(np.float32)


def _robust_fit(terms: Floats, colours: Floats) -> tuple[Floats, float, float]:
    """Return (coefficients, median residual, share of inliers) of a fit that drops outliers five times."""
    inlier = np.linalg.norm(colours - np.median(colours, axis=0), axis=1) < 25
    if inlier.sum() < 50:
        raise CutRefused("its ground is not plain")
    for _ in range(5):
        model = np.linalg.lstsq(terms[inlier], colours[inlier], rcond=None)[0]
        residual = np.linalg.norm(colours - terms @ model, axis=1)
        noise = float(np.median(residual[inlier]))
        inlier = residual < max(2.0, 4 * noise)
        if inlier.sum() < 50:
            raise CutRefused("its ground is not plain")
    return model, noise, float(inlier.mean())


def _product(lab: Floats, ground: _Ground) -> Mask:
    """Return the pixels that are neither ground nor soft shadow on it."""
    height, width = lab.shape[:2]
    difference = lab - ground.colour
    distance = np.linalg.norm(difference, axis=2)
    tolerance = max(2.5, 4 * ground.noise)
    like_ground = distance < tolerance

    depth = -difference[..., 0]
    # Shadow keeps the ground's hue and reduces its chroma with its light.
    lit = np.clip(lab[..., 0] / np.maximum(ground.colour[..., 0], 1), 0, 1)[..., None]
    hue_shift = np.linalg.norm(lab[..., 1:] - ground.colour[..., 1:] * lit, axis=2)
    smooth = cv2.GaussianBlur(lab[..., 0], (0, 0), 2.0)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8))
    steepest = _SHADOW_STEP * 1000 / max(height, width)
    like_shadow = (depth > 0) & (depth < _SHADOW_DEPTH) & (hue_shift < tolerance) & (slope < steepest)

    outside = _reached_from_border(like_ground | like_shadow, like_ground)
    product = _opened(~outside)
    if (outside & ~like_ground).sum() > _MAX_SHADOW * product.sum():
        raise CutRefused("the product cannot be separated from its shadow")
    return product & ~_holes(product, like_ground, difference, ground)


def _reached_from_border(passable: Mask, seeds: Mask) -> Mask:
    count, labels = cv2.connectedComponents(passable.astype(np.uint8), connectivity=4)
    edge = np.zeros_like(seeds)
    edge[[0, -1], :] = True
    edge[:, [0, -1]] = True
    reached = np.zeros(count, bool)
    reached[np.unique(labels[edge & seeds])] = True
    reached[0] = False
    outside: Mask = reached[labels]
    return outside


def _opened(product: Mask) -> Mask:
    """Return the product without specks, pieces below a fiftieth of the largest."""
    cleaned = cv2.morphologyEx(product.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cleaned, connectivity=8)
    if count < 2:
        raise CutRefused("no product stands out from its ground")
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept: Mask = (areas >= areas.max() / 50)[labels]
    return kept


def _holes(product: Mask, like_ground: Mask, difference: Floats, ground: _Ground) -> Mask:
    """Return the enclosed pieces that show ground: a handle's eye, not a label in the ground's colour.

    A hole has exactly the ground's colour and lies behind a wall thinner than itself. On overexposed white every white
    label has that colour too, so only pieces beside the body are cut (a handle), none in its middle.
    """
    count, labels, stats, centres = cv2.connectedComponentsWithStats(
        (product & like_ground).astype(np.uint8), connectivity=4
    )
    padded = np.pad(product, 1).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)[1:-1, 1:-1]
    holes = np.zeros_like(product)
    for label in range(1, count):
        size = float(np.sqrt(stats[label, cv2.CC_STAT_AREA]))
        if size**2 < max(30, product.sum() / 2000):
            continue
        piece = labels == label
        exact = np.linalg.norm(np.median(difference[piece], axis=0)) < max(1.0, 1.5 * ground.noise)
        overexposed = float(np.median(ground.colour[..., 0][piece])) > _OVEREXPOSED
        thin_walled = depth[piece].min() < 0.6 * size
        if exact and thin_walled and not (overexposed and _in_the_middle(depth, centres[label], size)):
            holes |= piece
    return holes


def _in_the_middle(depth: Floats, centre: NDArray[np.float64], size: float) -> bool:
    """Return whether a piece lies in the product's middle: as far from the outline as any pixel within its reach."""
    x, y = (round(float(value)) for value in centre)
    reach = round(size)
    around = depth[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return bool(depth[y, x] > 0.75 * around.max())


def _check(product: Mask, lab: Floats, ground: _Ground) -> None:
    """Refuse a mask that is not reliable."""
    share = float(product.mean())
    if share < _MIN_AREA:
        raise CutRefused("the product is too small in its picture")
    if share > _MAX_AREA:
        raise CutRefused("the product fills its picture")
    sides = (product[0], product[-1], product[:, 0], product[:, -1])
    if sum(bool(side.mean() > 0.02) for side in sides) >= 3:
        raise CutRefused("the product runs out of three sides of its picture")
    if cv2.connectedComponents(product.astype(np.uint8))[0] - 1 > _MAX_PIECES:
        raise CutRefused("the product falls into too many pieces")
    inner = cv2.erode(product.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    rim = inner & ~cv2.erode(product.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    if not rim.any():
        raise CutRefused("the product is too thin to be separated from noise")
    weak = np.linalg.norm(lab[rim] - ground.colour[rim], axis=1) < _WEAK_CONTRAST + ground.noise
    if weak.mean() > _MAX_WEAK_EDGE or _longest_stretch(rim, weak) > _MAX_WEAK_STRETCH:
        raise CutRefused("the product has nearly the colour of its ground")
    if _raggedness(product) > _MAX_RAGGEDNESS:
        raise CutRefused("its outline is ragged: part of the product has nearly the colour of its ground")


def _longest_stretch(rim: Mask, weak: NDArray[np.bool_]) -> float:
    """Return the largest connected share of the rim that is weak; `weak` holds one value per rim pixel."""
    faint = np.zeros(rim.shape, np.uint8)
    faint[rim] = weak
    sizes = cv2.connectedComponentsWithStats(faint, connectivity=8)[2][1:, cv2.CC_STAT_AREA]
    return float(sizes.max(initial=0) / rim.sum())


def _raggedness(product: Mask) -> float:
    """Return the length of a mask's outer outline relative to its smoothed version."""
    soft = cv2.GaussianBlur(product.astype(np.float32), (0, 0), _SMOOTHING * max(product.shape))
    smoothed = _outline_length(soft > 0.5)
    return _outline_length(product) / smoothed if smoothed else float("inf")


def _outline_length(mask: Mask) -> float:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return sum(cv2.arcLength(outline, closed=True) for outline in outlines)


def _alpha(photograph: Floats, product: Mask, band: int) -> tuple[Floats, Floats]:
    """Return alpha by the compositing equation within `band` pixels of the outline, and the product's own colours."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    inside = cv2.erode(product.astype(np.uint8), kernel).astype(bool)
    outside = ~cv2.dilate(product.astype(np.uint8), kernel).astype(bool)

    fore, fore_known = _spread(photograph, inside, band)
    back, back_known = _spread(photograph, outside, band)
    span = fore - back
    strength = (span * span).sum(axis=2)
    solved = ((photograph - back) * span).sum(axis=2) / np.maximum(strength, 1e-6)
    # Shadow at the product's foot is not a mixture of ground and product, so the equation gives no alpha for it.
    mixture = back + np.clip(solved, 0, 1)[..., None] * span
    explained = np.linalg.norm(photograph - mixture, axis=2) < _UNEXPLAINED
    solved = np.clip((solved - _ALPHA_NOISE) / (1 - 2 * _ALPHA_NOISE), 0, 1)
    feathered = cv2.GaussianBlur(product.astype(np.float32), (0, 0), 1.0)
    clear = fore_known & back_known & explained & (strength > _MIN_SPAN**2)
    alpha = np.where(inside, 1, np.where(outside, 0, np.where(clear, solved, feathered)))
    colours = np.where((~inside & fore_known)[..., None], fore, photograph)
    return alpha.astype(np.float32), colours


def _spread(photograph: Floats, known: Mask, band: int) -> tuple[Floats, Mask]:
    """Return the mean colour of the known pixels nearby, and where there are any (normalized convolution)."""
    weight = known.astype(np.float32)
    size = (4 * band + 1, 4 * band + 1)
    total = np.asarray(cv2.GaussianBlur(photograph * weight[..., None], size, band), np.float32)
    mass = np.asarray(cv2.GaussianBlur(weight, size, band), np.float32)
    mean: Floats = (total / np.maximum(mass, 1e-6)[..., None]).astype(np.float32)
    return mean, mass > 1e-4
