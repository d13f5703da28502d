"""Synthetic product photographs with a known outline: drawn at four times the size, with light, shadow, blur, noise."""

from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 480
_LARGER = 4

PRODUCTS = ("mug", "bottle", "ball", "shoe", "ring", "box")
GROUNDS = {
    "white": ((255, 255, 255), 0.0),
    "paper": ((243, 241, 236), 0.04),
    "grey": ((190, 192, 196), 0.16),
    "blue": ((150, 178, 205), 0.12),
}


@dataclass(frozen=True)
class Photograph:
    pixels: NDArray[np.uint8]
    """RGB."""
    alpha: NDArray[np.float32]
    """The product's true coverage."""

    def file(self, kind: str = "PNG") -> bytes:
        out = BytesIO()
        Image.fromarray(self.pixels).save(out, kind, quality=90)
        return out.getvalue()


def photograph(
    product: str,
    ground: str,
    *,
    colour: tuple[int, int, int] = (176, 58, 46),
    noise: float = 2.0,
    shadow: float = 0.35,
    seed: int = 1,
) -> Photograph:
    """Return a product on a ground; `shadow` is the largest share of light that its soft shadow removes."""
    outline = _outline(product)
    alpha = cv2.resize(outline, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 0.6).astype(np.float32)

    base, falloff = GROUNDS[ground]
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    light = 1 - falloff * (0.5 * (x + 1) / 2 + 0.5 * (x * x + y * y) / 2)
    scene: NDArray[np.floating] = np.array(base, np.float32) * light[..., None]
    scene = scene * (1 - shadow * _soft_shadow(alpha)[..., None])

    shade = 0.78 + 0.3 * np.clip(cv2.GaussianBlur(alpha, (0, 0), 40) - 0.3 - 0.25 * x, 0, 1)
    painted = np.clip(np.array(colour, np.float32) * shade[..., None], 0, 255)
    mixed = painted * alpha[..., None] + scene * (1 - alpha[..., None])
    mixed += np.random.default_rng(seed).normal(0, noise, mixed.shape)
    return Photograph(np.rint(np.clip(mixed, 0, 255)).astype(np.uint8), alpha.astype(np.float32))


def half_hidden(product: str, ground: str, *, along: str = "across", lighter: float = 0.0, seed: int = 1) -> Photograph:
    """Return a product whose right half (`along` "across") or lower half ("down") has exactly its ground's colour.

    `lighter` is how much that half differs, in RGB levels. The shadow is that of the whole product.
    """
    taken = photograph(product, ground, noise=0, seed=seed)
    bare, falloff = GROUNDS[ground]
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    scene = np.array(bare, np.float32) * (1 - falloff * (0.5 * (x + 1) / 2 + 0.5 * (x * x + y * y) / 2))[..., None]
    axis, place = (0, x) if along == "across" else (1, y)
    spread = np.flatnonzero((taken.alpha > 0.5).any(axis=axis))
    middle = (spread[0] + spread[-1]) / SIDE - 1
    share = (np.clip((place - middle) * 20, 0, 1) * taken.alpha)[..., None]
    mixed = taken.pixels * (1 - share) + (scene + lighter) * share
    mixed += np.random.default_rng(seed).normal(0, 2, mixed.shape)
    return Photograph(np.rint(np.clip(mixed, 0, 255)).astype(np.uint8), taken.alpha)


def intersection_over_union(found: NDArray[np.uint8], true: NDArray[np.float32]) -> float:
    """Return the IoU of an alpha channel (0 to 255) and a true coverage, both soft: Σmin / Σmax."""
    coverage = found.astype(np.float32) / 255
    return float(np.minimum(coverage, true).sum() / np.maximum(coverage, true).sum())


def _soft_shadow(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the shadow on the table: an ellipse at the product's foot, out of focus."""
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 0.5), np.flatnonzero(alpha.max(axis=0) > 0.5)
    foot, left, right = int(rows[-1]), int(columns[0]), int(columns[-1])
    canvas = np.zeros_like(alpha)
    cv2.ellipse(canvas, ((left + right) // 2 + 20, foot - 6), ((right - left) // 2 + 12, 16), 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(canvas, (0, 0), 12).astype(np.float32)


def _outline(product: str) -> NDArray[np.uint8]:
    big = np.zeros((SIDE * _LARGER, SIDE * _LARGER), np.uint8)

    def at(*points: int) -> tuple[int, ...]:
        return tuple(value * _LARGER for value in points)

    if product == "mug":
        cv2.rectangle(big, at(130, 140), at(300, 370), 255, -1)
        cv2.ellipse(big, at(300, 250), at(70, 80), 0, 0, 360, 255, 22 * _LARGER)
        cv2.rectangle(big, at(130, 140), at(300, 370), 255, -1)
    elif product == "bottle":
        cv2.rectangle(big, at(180, 190), at(300, 420), 255, -1)
        cv2.ellipse(big, at(240, 190), at(60, 60), 0, 180, 360, 255, -1)
        cv2.rectangle(big, at(220, 60), at(260, 150), 255, -1)
    elif product == "ball":
        cv2.circle(big, at(240, 250), 130 * _LARGER, 255, -1)
    elif product == "shoe":
        shape = [(80, 300), (110, 210), (190, 200), (250, 260), (370, 290), (410, 330), (400, 360), (85, 360)]
        cv2.fillPoly(big, [np.array(shape) * _LARGER], 255)
    elif product == "ring":
        cv2.circle(big, at(240, 240), 130 * _LARGER, 255, 40 * _LARGER)
    else:
        cv2.fillPoly(big, [np.array([(110, 160), (330, 130), (380, 340), (140, 390)]) * _LARGER], 255)
    return big
