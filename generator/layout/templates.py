"""The templates' geometry on each shape of banner: boxes as fractions of width and height (x, y, width, height)."""

from dataclasses import dataclass
from typing import Literal

from bannerstream.contracts.variants import Template as Look

Proportions = Literal["strip", "wide", "compact", "square"]
"""A family of proportions."""
Arrangement = Literal["column", "row", "split", "flank"]
Edge = Literal["straight", "slanted", "round"]
Fractions = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Template:
    """One look on one shape."""

    look: Look
    shape: Proportions
    arrangement: Arrangement
    """column: everything in one stack; row: words, then the button beside them; split: words on top, button below;
    flank: words on one side of the product, price and button (`aside`) on the other."""
    text: Fractions
    product: Fractions | None
    ground_y: float
    ground: Fractions | None = None
    """The field or pane that carries the words."""
    edge: Edge = "straight"
    """Shape of the field's edge where it meets the picture."""
    aside: Fractions | None = None
    centred: bool = False
    mirrors: bool = True
    """Whether a left-to-right banner may use it mirrored."""
    text_share: float = 1.0
    """With `split`: the share of the text box's height that the words may take."""
    action_share: float = 1.0
    """With `split`: the share of its width that the button may take."""


_BESIDE = (0.054, 0.08, 0.46, 0.84)
_ROW = (0.033, 0.1, 0.73, 0.8)
_AT_ROW_END = (0.785, 0.04, 0.19, 0.88)
_AROUND = (0.067, 0.08, 0.866, 0.84)
_CORNER = (0.475, 0.44, 0.485, 0.48)

WITH_PRODUCT: tuple[Template, ...] = (
    Template("open", "wide", "column", _BESIDE, (0.57, 0.07, 0.375, 0.8), 0.87),
    Template("panel", "wide", "column", (0.05, 0.08, 0.365, 0.84), (0.53, 0.07, 0.4, 0.8), 0.87, (0, 0, 0.455, 1)),
    Template(
        "frost", "wide", "column", (0.068, 0.15, 0.385, 0.7), (0.56, 0.07, 0.38, 0.8), 0.87, (0.0309, 0.08, 0.46, 0.84)
    ),
    Template("spot", "wide", "column", _BESIDE, (0.59, 0.08, 0.34, 0.79), 0.87),
    Template(
        "centre",
        "wide",
        "flank",
        (0.05, 0.08, 0.345, 0.84),
        (0.41, 0.06, 0.27, 0.82),
        0.88,
        aside=(0.7, 0.12, 0.255, 0.76),
    ),
    Template(
        "diagonal",
        "wide",
        "column",
        (0.05, 0.08, 0.375, 0.84),
        (0.485, 0.05, 0.42, 0.84),
        0.89,
        (0, 0, 0.5, 1),
        edge="slanted",
    ),
    Template(
        "arc", "wide", "column", (0.05, 0.08, 0.39, 0.84), (0.55, 0.06, 0.4, 0.82), 0.88, (0, 0, 0.5, 1), edge="round"
    ),
    Template("open", "strip", "row", _ROW, _AT_ROW_END, 0.92),
    Template("panel", "strip", "row", (0.033, 0.1, 0.70, 0.8), (0.79, 0.04, 0.19, 0.88), 0.92, (0, 0, 0.765, 1)),
    Template("spot", "strip", "row", _ROW, _AT_ROW_END, 0.92),
    Template(
        "centre",
        "strip",
        "flank",
        (0.033, 0.1, 0.47, 0.8),
        (0.52, 0.04, 0.19, 0.88),
        0.92,
        aside=(0.73, 0.1, 0.237, 0.8),
    ),
    Template(
        "diagonal",
        "strip",
        "row",
        (0.033, 0.1, 0.70, 0.8),
        (0.775, 0.04, 0.2, 0.88),
        0.92,
        (0, 0, 0.775, 1),
        edge="slanted",
    ),
    Template(
        "arc", "strip", "row", (0.033, 0.1, 0.70, 0.8), (0.795, 0.04, 0.19, 0.88), 0.92, (0, 0, 0.78, 1), edge="round"
    ),
    Template("open", "compact", "split", _AROUND, _CORNER, 0.92, text_share=0.39, action_share=0.45),
    Template(
        "panel",
        "compact",
        "split",
        (0.067, 0.585, 0.866, 0.355),
        (0.13, 0.05, 0.74, 0.46),
        0.51,
        (0, 0.53, 1, 0.47),
        text_share=0.6,
        mirrors=False,
    ),
    Template("spot", "compact", "split", _AROUND, _CORNER, 0.92, text_share=0.39, action_share=0.45),
    Template(
        "centre",
        "compact",
        "split",
        (0.067, 0.065, 0.866, 0.875),
        (0.16, 0.335, 0.68, 0.42),
        0.755,
        centred=True,
        mirrors=False,
        text_share=0.25,
    ),
    Template(
        "diagonal",
        "compact",
        "column",
        (0.06, 0.07, 0.455, 0.86),
        (0.545, 0.3, 0.435, 0.62),
        0.92,
        (0, 0, 0.6, 1),
        edge="slanted",
    ),
    Template(
        "arc",
        "compact",
        "split",
        (0.067, 0.63, 0.866, 0.31),
        (0.13, 0.04, 0.74, 0.48),
        0.52,
        (0, 0.55, 1, 0.45),
        edge="round",
        mirrors=False,
        text_share=0.57,
    ),
    Template("open", "square", "split", (0.075, 0.075, 0.85, 0.86), (0.1, 0.375, 0.8, 0.43), 0.805, text_share=0.295),
    Template(
        "panel",
        "square",
        "split",
        (0.075, 0.655, 0.85, 0.285),
        (0.1, 0.07, 0.8, 0.51),
        0.58,
        (0, 0.6, 1, 0.4),
        text_share=0.62,
        mirrors=False,
    ),
    Template(
        "frost",
        "square",
        "split",
        (0.105, 0.62, 0.79, 0.285),
        (0.1, 0.05, 0.8, 0.485),
        0.535,
        (0.05, 0.572, 0.9, 0.378),
        text_share=0.64,
        mirrors=False,
    ),
    Template(
        "spot", "square", "column", (0.09, 0.06, 0.82, 0.355), (0.14, 0.43, 0.72, 0.49), 0.92, centred=True,
        mirrors=False,
    ),
    Template(
        "centre",
        "square",
        "split",
        (0.09, 0.07, 0.82, 0.865),
        (0.12, 0.345, 0.76, 0.43),
        0.775,
        centred=True,
        mirrors=False,
        text_share=0.25,
    ),
    Template(
        "diagonal",
        "square",
        "column",
        (0.085, 0.065, 0.83, 0.345),
        (0.12, 0.42, 0.76, 0.5),
        0.92,
        (0, 0, 1, 0.5),
        edge="slanted",
    ),
    Template(
        "arc",
        "square",
        "column",
        (0.1, 0.06, 0.8, 0.345),
        (0.12, 0.44, 0.76, 0.48),
        0.92,
        (0, 0, 1, 0.5),
        edge="round",
        centred=True,
        mirrors=False,
    ),
)  # fmt: skip

WORDS_ONLY: tuple[Template, ...] = (
    Template("centre", "wide", "column", (0.14, 0.12, 0.72, 0.76), None, 0.8, centred=True, mirrors=False),
    Template("open", "wide", "column", (0.054, 0.12, 0.62, 0.76), None, 0.8),
    Template(
        "frost",
        "wide",
        "column",
        (0.19, 0.17, 0.62, 0.66),
        None,
        0.8,
        (0.15, 0.09, 0.7, 0.82),
        centred=True,
        mirrors=False,
    ),
    Template("centre", "strip", "row", (0.033, 0.1, 0.934, 0.8), None, 0.8, mirrors=False),
    Template("centre", "compact", "column", (0.09, 0.1, 0.82, 0.8), None, 0.8, centred=True, mirrors=False),
    Template("open", "compact", "column", (0.08, 0.1, 0.84, 0.8), None, 0.8, mirrors=False),
    Template(
        "frost",
        "compact",
        "column",
        (0.12, 0.15, 0.76, 0.7),
        None,
        0.8,
        (0.05, 0.06, 0.9, 0.88),
        centred=True,
        mirrors=False,
    ),
    Template("centre", "square", "column", (0.1, 0.12, 0.8, 0.76), None, 0.8, centred=True, mirrors=False),
    Template("open", "square", "column", (0.085, 0.12, 0.8, 0.76), None, 0.8, mirrors=False),
    Template(
        "frost",
        "square",
        "column",
        (0.15, 0.2, 0.7, 0.6),
        None,
        0.8,
        (0.08, 0.13, 0.84, 0.74),
        centred=True,
        mirrors=False,
    ),
)
