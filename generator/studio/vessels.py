"""Vessels and small goods on shelves and counters. Each stands with its foot on (x, y); sizes are pixels."""

from random import Random

from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.shapes import d, disc, line, lit, lit_disc, lit_rect, rect
from bannerstream.generator.studio.tones import Tones


def jar(x: float, y: float, tall: float, colour: str, lid: str) -> str:
    """Return a storage jar with a lid."""
    wide = tall * 0.62
    return lit_rect(x - wide / 2, y - tall * 0.86, wide, tall * 0.86, colour, wide * 0.16) + lit_rect(
        x - wide * 0.42, y - tall, wide * 0.84, tall * 0.16, lid, wide * 0.06
    )


def bottle(x: float, y: float, tall: float, colour: str) -> str:
    """Return a bottle with a slender neck."""
    half = tall * 0.16
    return lit(
        d(
            "M",
            x - half,
            y,
            "V",
            y - tall * 0.55,
            "Q",
            x - half,
            y - tall * 0.68,
            x - half * 0.36,
            y - tall * 0.74,
            "V",
            y - tall,
            "H",
            x + half * 0.36,
            "V",
            y - tall * 0.74,
            "Q",
            x + half,
            y - tall * 0.68,
            x + half,
            y - tall * 0.55,
            "V",
            y,
            "Z",
        ),
        colour,
    )


def vase(x: float, y: float, tall: float, colour: str) -> str:
    """Return a round-bellied vase."""
    half = tall * 0.38
    return lit(
        d(
            "M",
            x - half * 0.5,
            y,
            "C",
            x - half * 1.5,
            y - tall * 0.35,
            x - half * 1.1,
            y - tall * 0.72,
            x - half * 0.38,
            y - tall * 0.82,
            "L",
            x - half * 0.45,
            y - tall,
            "H",
            x + half * 0.45,
            "L",
            x + half * 0.38,
            y - tall * 0.82,
            "C",
            x + half * 1.1,
            y - tall * 0.72,
            x + half * 1.5,
            y - tall * 0.35,
            x + half * 0.5,
            y,
            "Z",
        ),
        colour,
    )


def bowl(x: float, y: float, tall: float, colour: str, fruit: str | None, rng: Random) -> str:
    """Return a bowl, with fruit in it when a colour is given."""
    half = tall * 0.95
    heap = ""
    if fruit is not None:
        for _ in range(6):
            heap += lit_disc(
                x + rng.uniform(-0.55, 0.55) * half,
                y - tall * rng.uniform(0.9, 1.25),
                tall * 0.36,
                shift(fruit, rng.uniform(-0.05, 0.06), hue=rng.uniform(-14, 14)),
            )
    return heap + lit(
        d(
            "M",
            x - half,
            y - tall,
            "C",
            x - half * 0.9,
            y - tall * 0.2,
            x - half * 0.5,
            y,
            x - half * 0.3,
            y,
            "H",
            x + half * 0.3,
            "C",
            x + half * 0.5,
            y,
            x + half * 0.9,
            y - tall * 0.2,
            x + half,
            y - tall,
            "Z",
        ),
        colour,
    )


def candle(x: float, y: float, tall: float, colour: str) -> str:
    """Return a pillar candle, unlit; `flame` goes into a glowing layer."""
    return lit_rect(x - tall * 0.2, y - tall, tall * 0.4, tall, colour, tall * 0.05)


def flame(x: float, y: float, tall: float, unit: float) -> str:
    """Return the flame of a candle of that height, with the light around it."""
    return disc(x, y - tall - 0.04 * unit, 0.11 * unit, "url(#halo)") + disc(
        x, y - tall - 0.04 * unit, 0.019 * unit, "#ffd28a", 1.0, 2.1
    )


def books(x: float, y: float, tall: float, tones: Tones, rng: Random) -> str:
    """Return a pile of three to five books lying down."""
    pile, top = "", y
    for _ in range(rng.randint(3, 5)):
        thick, wide = tall * rng.uniform(0.14, 0.24), tall * rng.uniform(1.15, 1.5)
        cover = rng.choice((*tones.accents, tones.pale, mix(tones.wall_deep, tones.dark, 0.3)))
        left = x - wide / 2 + rng.uniform(-0.06, 0.06) * tall
        pile += lit_rect(left, top - thick, wide, thick, cover, thick * 0.12)
        pile += rect(left + wide * 0.97, top - thick * 0.86, wide * 0.03, thick * 0.72, tones.pale)
        top -= thick
    return pile


def spines(x: float, y: float, wide: float, tall: float, tones: Tones, rng: Random) -> str:
    """Return a row of standing books, `wide` long."""
    row, left = "", x
    while left < x + wide:
        thick, high = tall * rng.uniform(0.10, 0.2), tall * rng.uniform(0.75, 1.0)
        row += lit_rect(left, y - high, thick * 0.94, high, rng.choice((*tones.accents, tones.pale, tones.wall_deep)))
        left += thick
    return row


def box(x: float, y: float, wide: float, tall: float, paper: str, ribbon: str) -> str:
    """Return a wrapped present."""
    bow = "".join(
        line(
            d(
                "M",
                x,
                y - tall,
                "q",
                side * wide * 0.30,
                -wide * 0.32,
                side * wide * 0.34,
                -wide * 0.06,
                "q",
                -side * wide * 0.05,
                wide * 0.08,
                -side * wide * 0.34,
                wide * 0.06,
            ),
            ribbon,
            wide * 0.07,
        )
        for side in (-1, 1)
    )
    return (
        lit_rect(x - wide / 2, y - tall, wide, tall, paper)
        + rect(x - wide * 0.07, y - tall, wide * 0.14, tall, ribbon)
        + lit_rect(x - wide * 0.53, y - tall, wide * 1.06, tall * 0.2, shift(paper, 0.03))
        + rect(x - wide * 0.07, y - tall, wide * 0.14, tall * 0.2, ribbon)
        + bow
    )


def board(x: float, y: float, tall: float, wood: str) -> str:
    """Return a cutting board leaning on the wall."""
    wide = tall * 0.62
    return lit_rect(x - wide / 2, y - tall * 0.82, wide, tall * 0.82, wood, wide * 0.18) + lit_rect(
        x - wide * 0.1, y - tall, wide * 0.2, tall * 0.24, wood, wide * 0.08
    )


def utensils(x: float, y: float, tall: float, pot: str, wood: str, rng: Random) -> str:
    """Return a crock of wooden spoons."""
    spoons = ""
    for _ in range(5):
        lean = rng.uniform(-0.26, 0.26) * tall
        top = y - tall * rng.uniform(0.82, 1.05)
        spoons += line(d("M", x + lean * 0.2, y - tall * 0.4, "L", x + lean, top), wood, tall * 0.035)
        spoons += disc(x + lean, top, tall * 0.065, wood, squash=1.5)
    return spoons + lit_rect(x - tall * 0.21, y - tall * 0.5, tall * 0.42, tall * 0.5, pot, tall * 0.06)
