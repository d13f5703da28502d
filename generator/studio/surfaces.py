"""Surfaces that products stand on: their colour, and their texture in perspective.

A texture is one plane of relative brightness around 0, made flat and then warped into perspective, so that boards,
ripples and veins run away from the camera.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np

from bannerstream.generator.studio.colour import Plane

Texture = Callable[[np.random.Generator, int, int], Plane]


@dataclass(frozen=True, slots=True)
class Surface:
    """A table, floor or ground."""

    near: str
    far: str
    texture: Texture
    strength: float = 0.2
    """Contrast of the texture."""
    gloss: float = 0.0
    """Reflection of what stands behind: 0 (matt) to 1."""
    edge: float = 0.0
    """Brightness of the back edge's rim."""
    fade: float = 0.0
    """Width of the back edge's fade into the distance, in units: sand and snow have no hard edge."""
    warmth: tuple[float, float, float] = (0.8, 1.0, 1.25)
    """Texture contrast per channel, red green blue: wood darkens towards red."""


_TALL, _WIDE = 256, 768
"""Size of a flat texture: as fine as the camera resolves in focus."""


def lay(surface: Surface, seed: int, width: int, depth: int) -> Plane:
    """Return the texture of a surface as the camera sees it, `depth` rows from the back edge to the frame."""
    tall, wide = _TALL, _WIDE
    flat = _flat(surface.texture, seed)
    # The far edge shows a third of the texture's middle per frame width, the near edge less of it: closer is larger.
    far, near = 0.5, 0.29
    source = np.array(
        [[wide * (0.5 - far), 0], [wide * (0.5 + far), 0], [wide * (0.5 + near), tall], [wide * (0.5 - near), tall]],
        np.float32,
    )
    target = np.array([[0, 0], [width, 0], [width, depth], [0, depth]], np.float32)
    return _plane(
        cv2.warpPerspective(
            flat,
            cv2.getPerspectiveTransform(source, target),
            (width, depth),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
    )


@lru_cache(4)
def _flat(texture: Texture, seed: int) -> Plane:
    """Return a texture, cached for the other sizes of its banner."""
    return texture(np.random.default_rng(seed), _TALL, _WIDE)


@cache
def planks(boards: int) -> Texture:
    """Return wood in boards that run across the picture; 1 is one slab."""

    def texture(rng: np.random.Generator, tall: int, wide: int) -> Plane:
        rows = np.linspace(0, boards, tall, dtype=np.float32, endpoint=False)
        board = rows.astype(np.int32)
        warp = noise(rng, tall, wide, (4 * boards, 5)) * 0.9 + noise(rng, tall, wide, (10 * boards, 14)) * 0.25
        offset = rng.uniform(0, 20, boards).astype(np.float32)[board][:, None]
        rings = np.sin((rows[:, None] * 9 + offset + warp * 5) * 2.4)
        fibre = noise(rng, tall, wide, (tall, max(4, wide // 90))) * 0.55
        fine = noise(rng, tall, wide, (tall, max(8, wide // 24))) * 0.3
        tone = rng.uniform(-0.32, 0.32, boards).astype(np.float32)[board][:, None] if boards > 1 else 0.0
        flat = rings * 0.28 + fibre + fine + tone + noise(rng, tall, wide, (2, 6)) * 0.3
        if boards > 1:
            within = rows - board
            seam = np.exp(-((np.minimum(within, 1 - within) * tall / boards / 1.1) ** 2))
            flat = flat - 1.5 * seam[:, None]
        return _plane(flat)

    return texture


def marble(rng: np.random.Generator, tall: int, wide: int) -> Plane:
    """Return stone with a few soft veins."""
    cloud = noise(rng, tall, wide, (3, 5)) + noise(rng, tall, wide, (7, 12)) * 0.5
    across = (
        np.linspace(0, 1, wide, dtype=np.float32)[None, :] * 3 + np.linspace(0, 1.6, tall, dtype=np.float32)[:, None]
    )
    fray = noise(rng, tall, wide, (16, 30)) * 0.35 + noise(rng, tall, wide, (48, 90)) * 0.12
    bend = across + cloud * 0.55 + fray * 0.5
    vein = np.exp(-((np.abs(np.sin(bend * 3.1)) / 0.07) ** 1.2)) * (0.4 + 0.6 * np.clip(cloud + 0.4, 0, 1))
    hair = np.exp(-((np.abs(np.sin(bend * 5.3 + cloud * 2)) / 0.035) ** 1.2)) * 0.4
    return _plane(0.35 * cloud - 1.1 * vein - hair)


def terrazzo(rng: np.random.Generator, tall: int, wide: int) -> Plane:
    """Return fine, even stone: concrete, slate, plaster."""
    speck = noise(rng, tall, wide, (tall, wide)) * 0.35
    return _plane(noise(rng, tall, wide, (4, 8)) * 0.7 + noise(rng, tall, wide, (20, 40)) * 0.35 + speck)


def sand(rng: np.random.Generator, tall: int, wide: int) -> Plane:
    """Return wind ripples over dunes, with grain."""
    dunes = noise(rng, tall, wide, (3, 4))
    rows = np.linspace(0, 1, tall, dtype=np.float32)[:, None]
    bend = noise(rng, tall, wide, (5, 9)) * 0.075 + noise(rng, tall, wide, (12, 26)) * 0.018
    ripples = np.sin((rows + bend) * 2 * np.pi * 13)
    grain = noise(rng, tall, wide, (tall, wide)) * 0.5
    return _plane(dunes * 0.7 + ripples * (0.30 + 0.22 * noise(rng, tall, wide, (4, 6))) + grain)


def snow(rng: np.random.Generator, tall: int, wide: int) -> Plane:
    """Return drifts with a glitter of crystals."""
    drift = (
        noise(rng, tall, wide, (4, 5))
        + 0.4 * noise(rng, tall, wide, (12, 18))
        + 0.16 * noise(rng, tall, wide, (50, 90))
    )
    glitter = (rng.random((tall, wide), np.float32) > 0.9965).astype(np.float32) * 2.6
    return _plane(drift * 0.8 + cv2.GaussianBlur(glitter, (0, 0), 0.7) + 0.12 * noise(rng, tall, wide, (tall, wide)))


def linen(rng: np.random.Generator, tall: int, wide: int) -> Plane:
    """Return a woven cloth with slubs and a few soft folds."""
    warp = noise(rng, tall, wide, (max(2, tall // 10), wide))
    weft = noise(rng, tall, wide, (tall, max(2, wide // 14)))
    rows = np.linspace(0, 1, tall, dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, wide, dtype=np.float32)[None, :]
    folds = np.sin((columns * 2.2 + rows * 0.8 + noise(rng, tall, wide, (2, 4)) * 0.35) * 2 * np.pi)
    return _plane(warp * 0.36 + weft * 0.42 + np.maximum(folds - 0.35, 0) * 0.8 - np.maximum(-folds - 0.5, 0) * 0.8)


def turf(rng: np.random.Generator, tall: int, wide: int) -> Plane:
    """Return short grass: blades in clumps."""
    blades = noise(rng, tall, wide, (max(2, tall // 3), wide))
    clumps = noise(rng, tall, wide, (18, 40))
    return _plane(blades * 0.75 + clumps * 0.5 + noise(rng, tall, wide, (4, 6)) * 0.4)


def earth(rng: np.random.Generator, tall: int, wide: int) -> Plane:
    """Return a path of packed soil, leaf litter and small stones."""
    stones = np.clip(noise(rng, tall, wide, (max(2, tall // 5), max(2, wide // 7))) - 0.55, 0, 1) * 2.2
    soil = (
        noise(rng, tall, wide, (10, 16)) * 0.6 + noise(rng, tall, wide, (max(2, tall // 2), max(2, wide // 2))) * 0.45
    )
    return _plane(soil + stones - np.roll(stones, 2, axis=0) * 0.8)


def smooth(rng: np.random.Generator, tall: int, wide: int) -> Plane:
    """Return painted board: hardly any texture, so that it is not perfectly flat."""
    return _plane(noise(rng, tall, wide, (3, 6)) * 0.6 + noise(rng, tall, wide, (tall, wide)) * 0.18)


def noise(rng: np.random.Generator, tall: int, wide: int, cells: tuple[int, int]) -> Plane:
    """Return smooth noise of about -1..1 with a number of cells down and across."""
    down, across = min(cells[0], tall), min(cells[1], wide)
    seed = rng.standard_normal((max(down, 1) + 1, max(across, 1) + 1), np.float32) * 0.5
    return _plane(cv2.resize(seed, (wide, tall), interpolation=cv2.INTER_CUBIC))


def _plane(array: object) -> Plane:
    return np.asarray(array, np.float32)
