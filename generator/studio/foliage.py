"""Plants: leaves, branches, pots, trees, flowers. Feet on (x, y); sizes are pixels."""

import math
from random import Random

from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.shapes import d, disc, line, lit, lit_disc, path
from bannerstream.generator.studio.tones import Tones


def leaf(x: float, y: float, angle: float, length: float, width: float, colour: str) -> str:
    """Return one pointed leaf from its stem, `angle` in radians from the x axis."""
    end_x, end_y = x + math.cos(angle) * length, y + math.sin(angle) * length
    side_x, side_y = -math.sin(angle) * width, math.cos(angle) * width
    mid_x, mid_y = x + (end_x - x) * 0.42, y + (end_y - y) * 0.42
    # Formatted directly instead of through `d`: a picture holds hundreds.
    return path(
        f"M {x:.1f} {y:.1f} Q {mid_x + side_x:.1f} {mid_y + side_y:.1f} {end_x:.1f} {end_y:.1f} "
        f"Q {mid_x - side_x:.1f} {mid_y - side_y:.1f} {x:.1f} {y:.1f}",
        colour,
    )


def branch(
    x: float, y: float, angle: float, length: float, tones: Tones, rng: Random, *, shade: str | None = None
) -> str:
    """Return a bending twig with leaves in pairs: eucalyptus or olive. `shade` draws all of it in one colour."""
    marks, steps = "", 9
    bend = rng.uniform(-0.09, 0.09)
    at_x, at_y = x, y
    for step in range(steps):
        next_x, next_y = at_x + math.cos(angle) * length / steps, at_y + math.sin(angle) * length / steps
        marks += line(d("M", at_x, at_y, "L", next_x, next_y), shade or tones.leaf(0.8), length * 0.012)
        size = length * 0.26 * (1 - 0.55 * step / steps) * rng.uniform(0.8, 1.15)
        for side in (-1, 1):
            marks += leaf(
                next_x,
                next_y,
                angle + side * rng.uniform(0.5, 0.95),
                size,
                size * 0.30,
                shade or tones.leaf(rng.uniform(0.15, 0.8)),
            )
        at_x, at_y, angle = next_x, next_y, angle + bend
    return marks + leaf(at_x, at_y, angle, length * 0.16, length * 0.04, shade or tones.leaf(0.3))


def palm(x: float, y: float, angle: float, length: float, colour: str, rng: Random) -> str:
    """Return one palm frond, drooping."""
    marks, steps, at_x, at_y = "", 26, x, y
    droop = 1.0 if math.cos(angle) > 0 else -1.0
    for step in range(steps):
        share = step / steps
        next_x, next_y = at_x + math.cos(angle) * length / steps, at_y + math.sin(angle) * length / steps
        marks += line(d("M", at_x, at_y, "L", next_x, next_y), colour, length * 0.014)
        size = length * 0.42 * math.sin(math.pi * min(0.15 + share * 0.85, 0.97)) ** 0.7
        for side in (-1, 1):
            marks += leaf(
                next_x, next_y, angle + side * (0.95 - 0.45 * share) * rng.uniform(0.9, 1.1), size, size * 0.085, colour
            )
        at_x, at_y, angle = next_x, next_y, angle + droop * 0.035
    return marks


def potted(x: float, y: float, tall: float, pot: str, tones: Tones, rng: Random) -> str:
    """Return a leafy plant in a pot, of one of three habits."""
    crown_y = y - tall * 0.34
    habit = rng.choice(("arching", "upright", "branching"))
    marks = ""
    if habit == "branching":
        for _ in range(5):
            marks += branch(
                x, crown_y, -math.pi / 2 + rng.uniform(-0.7, 0.7), tall * rng.uniform(0.5, 0.75), tones, rng
            )
    else:
        spread, breadth = (1.25, 0.10) if habit == "arching" else (0.5, 0.085)
        for _ in range(22):
            angle = -math.pi / 2 + rng.uniform(-spread, spread)
            length = tall * rng.uniform(0.4, 0.72)
            marks += leaf(
                x, crown_y + tall * 0.03, angle, length, length * breadth * 1.6, tones.leaf(rng.uniform(0.1, 0.85))
            )
    half = tall * 0.19
    body = d("M", x - half, y - tall * 0.38, "H", x + half, "L", x + half * 0.74, y, "H", x - half * 0.74, "Z")
    return marks + lit(body, pot)


def bush(x: float, y: float, wide: float, tall: float, tones: Tones, rng: Random, depth: float = 0.5) -> str:
    """Return a mass of foliage: overlapping clumps, lighter towards the top."""
    marks = ""
    for _ in range(26):
        across, up = rng.gauss(0, 0.32), rng.random()
        radius = wide * rng.uniform(0.07, 0.16)
        colour = tones.leaf(min(max(depth + 0.35 - 0.6 * up + rng.uniform(-0.15, 0.15), 0), 1))
        marks += disc(x + across * wide * (1.1 - 0.5 * up), y - up * tall, radius, colour, squash=rng.uniform(0.7, 1.0))
    return marks


def blossoms(x: float, y: float, wide: float, tall: float, colour: str, rng: Random) -> str:
    """Return the blossom of a bush of this size: clusters over its upper part, like hydrangeas."""
    marks = ""
    for _ in range(22):
        across, up = rng.gauss(0, 0.32), rng.uniform(0.25, 1.05)
        radius = wide * rng.uniform(0.04, 0.09)
        marks += disc(
            x + across * wide * (1.1 - 0.5 * up),
            y - up * tall,
            radius,
            shift(colour, rng.uniform(-0.06, 0.10)),
            0.9,
            rng.uniform(0.7, 1.0),
        )
    return marks


def flower(x: float, y: float, radius: float, colour: str, heart: str, rng: Random) -> str:
    """Return an open flower seen from the front."""
    turn, petals = rng.uniform(0, 6.28), rng.choice((5, 6, 8))
    marks = ""
    for petal in range(petals):
        angle = turn + petal * 2 * math.pi / petals
        marks += disc(
            x + math.cos(angle) * radius * 0.58,
            y + math.sin(angle) * radius * 0.5,
            radius * 0.5,
            shift(colour, rng.uniform(-0.04, 0.05)),
        )
    return marks + disc(x, y, radius * 0.3, heart)


def stems(x: float, y: float, tall: float, colour: str, tones: Tones, rng: Random, count: int = 7) -> str:
    """Return flowers on their stems, growing from (x, y)."""
    marks = ""
    for _ in range(count):
        lean, high = rng.uniform(-0.32, 0.32) * tall, tall * rng.uniform(0.55, 1.0)
        marks += line(
            d("M", x, y, "Q", x, y - high * 0.6, x + lean, y - high),
            tones.leaf(0.6),
            tall * 0.022,
        )
        marks += leaf(
            x + lean * 0.3, y - high * 0.45, -1.57 + rng.uniform(-0.9, 0.9), tall * 0.3, tall * 0.05, tones.leaf(0.4)
        )
        marks += flower(x + lean, y - high, tall * rng.uniform(0.09, 0.15), colour, mix(colour, "#f7d774", 0.7), rng)
    return marks


def pine(x: float, y: float, tall: float, colour: str, snow: str | None, rng: Random, tiers: int = 15) -> str:
    """Return a fir: drooping boughs of uneven length, under snow if its colour is given.

    A fir far off needs fewer `tiers`.
    """
    trunk = d("M", x - tall * 0.018, y, "L", x, y - tall, "L", x + tall * 0.018, y, "Z")
    marks = path(trunk, shift(colour, -0.08))
    for tier in range(tiers):
        root = y - tall * (0.12 + 0.86 * tier / tiers)
        thick = tall * 1.05 / tiers
        reach = tall * 0.25 * (1 - tier / (tiers + 0.8)) ** 0.9
        for side in (-1, 1):
            long, drop = side * reach * rng.uniform(0.72, 1.18), tall * rng.uniform(0.035, 0.075)
            tip_x, tip_y = x + long, root + drop
            bough = d(
                "M", x, root - thick, "Q", x + long * 0.45, root - tall * 0.01, tip_x, tip_y,
                "Q", x + long * 0.6, root + drop * 1.1, x + long * 0.3, root + drop * 0.75, "L", x, root + drop, "Z",
            )  # fmt: skip
            marks += path(bough, shift(colour, rng.uniform(-0.035, 0.035)))
            if snow is not None:
                marks += path(
                    d("M", x + long * 0.12, root - tall * 0.035, "Q", x + long * 0.5, root - tall * 0.012, tip_x, tip_y,
                      "Q", x + long * 0.5, root + tall * 0.018, x + long * 0.12, root - tall * 0.035, "Z"),
                    snow,
                    rng.uniform(0.5, 0.9),
                )  # fmt: skip
    return marks


def dried(x: float, y: float, tall: float, colour: str, rng: Random) -> str:
    """Return plumes of dried pampas grass."""
    marks = ""
    for _ in range(6):
        lean, high = rng.uniform(-0.42, 0.42) * tall, tall * rng.uniform(0.7, 1.0)
        marks += line(
            d("M", x, y, "Q", x, y - high * 0.5, x + lean, y - high),
            shift(colour, -0.1),
            tall * 0.012,
        )
        for part in range(7):
            share = 0.62 + part * 0.055
            marks += lit_disc(
                x + lean * share**2,
                y - high * share - tall * 0.04,
                tall * 0.05 * (1.15 - abs(part - 3) * 0.17),
                shift(colour, rng.uniform(-0.03, 0.04)),
                1.5,
            )
    return marks
