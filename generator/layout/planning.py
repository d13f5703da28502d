"""Where things go: the looks, and their geometry on each shape of banner.

A look is a way to make words readable beside a picture; a shape is a family of proportions. One banner keeps one look
over all its sizes where that look exists there, so that a visitor who meets it twice recognises it.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from contracts.sizes import BannerSize
from generator.ports import Box, Composition

Look = Literal["open", "panel", "frost", "spot", "statement"]
Shape = Literal["strip", "wide", "compact", "square"]
Arrangement = Literal["column", "row", "split"]

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "sd", "ug", "dv", "ckb"})


@dataclass(frozen=True, slots=True)
class Template:
    """One look on one shape. Boxes are fractions of width and height: x, y, width, height."""

    look: Look
    shape: Shape
    arrangement: Arrangement
    """column: everything in one stack; row: words, then the button beside them; split: words on top, button below."""
    text: tuple[float, float, float, float]
    product: tuple[float, float, float, float] | None
    ground_y: float
    ground: tuple[float, float, float, float] | None = None
    """The panel or card that carries the words."""
    centred: bool = False
    mirrors: bool = True
    """Whether a left-to-right banner may have it the other way round too."""
    head: float = 1.0
    """With `split`: the share of the text box's height that the words may take."""
    foot: float = 1.0
    """With `split`: the share of its width that the button may take."""


_WITH_PRODUCT: tuple[Template, ...] = (
    Template("open", "wide", "column", (0.054, 0.08, 0.46, 0.84), (0.57, 0.07, 0.375, 0.8), 0.87),
    Template("panel", "wide", "column", (0.05, 0.08, 0.365, 0.84), (0.53, 0.07, 0.4, 0.8), 0.87, (0, 0, 0.455, 1)),
    Template(
        "frost", "wide", "column", (0.068, 0.15, 0.385, 0.7), (0.56, 0.07, 0.38, 0.8), 0.87, (0.0309, 0.08, 0.46, 0.84)
    ),
    Template("spot", "wide", "column", (0.054, 0.08, 0.46, 0.84), (0.59, 0.08, 0.34, 0.79), 0.87),
    Template("open", "strip", "row", (0.033, 0.1, 0.73, 0.8), (0.785, 0.04, 0.19, 0.88), 0.92),
    Template("panel", "strip", "row", (0.033, 0.1, 0.70, 0.8), (0.79, 0.04, 0.19, 0.88), 0.92, (0, 0, 0.765, 1)),
    Template("spot", "strip", "row", (0.033, 0.1, 0.73, 0.8), (0.785, 0.04, 0.19, 0.88), 0.92),
    Template(
        "open", "compact", "split", (0.067, 0.08, 0.866, 0.84), (0.475, 0.44, 0.485, 0.48), 0.92, head=0.39, foot=0.45
    ),
    Template(
        "panel",
        "compact",
        "split",
        (0.067, 0.585, 0.866, 0.355),
        (0.13, 0.05, 0.74, 0.46),
        0.51,
        (0, 0.53, 1, 0.47),
        head=0.6,
        mirrors=False,
    ),
    Template(
        "spot", "compact", "split", (0.067, 0.08, 0.866, 0.84), (0.475, 0.44, 0.485, 0.48), 0.92, head=0.39, foot=0.45
    ),
    Template("open", "square", "split", (0.075, 0.075, 0.85, 0.86), (0.1, 0.375, 0.8, 0.43), 0.805, head=0.295),
    Template(
        "panel",
        "square",
        "split",
        (0.075, 0.655, 0.85, 0.285),
        (0.1, 0.07, 0.8, 0.51),
        0.58,
        (0, 0.6, 1, 0.4),
        head=0.62,
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
        head=0.64,
        mirrors=False,
    ),
    Template(
        "spot",
        "square",
        "column",
        (0.09, 0.06, 0.82, 0.355),
        (0.14, 0.43, 0.72, 0.49),
        0.92,
        centred=True,
        mirrors=False,
    ),
)

_WORDS_ONLY: tuple[Template, ...] = (
    Template("statement", "wide", "column", (0.14, 0.12, 0.72, 0.76), None, 0.8, centred=True, mirrors=False),
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
    Template("statement", "strip", "row", (0.033, 0.1, 0.934, 0.8), None, 0.8, mirrors=False),
    Template("statement", "compact", "column", (0.09, 0.1, 0.82, 0.8), None, 0.8, centred=True, mirrors=False),
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
    Template("statement", "square", "column", (0.1, 0.12, 0.8, 0.76), None, 0.8, centred=True, mirrors=False),
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

_BY_NAME = {
    f"{template.look}-{template.shape}-{side}{'' if template.product else '-words'}": template
    for template in (*_WITH_PRODUCT, *_WORDS_ONLY)
    for side in ("start", "end")
}


def plan(size: BannerSize, *, variant: str, seed: int, has_product: bool, locale: str = "en") -> Composition:
    """Return where words and product go on one size.

    The look follows from variant and seed alone, so all sizes of a banner share it where their shape has it.
    Right-to-left locales get every template the other way round.
    """
    shape = shape_of(size)
    choices = [template for template in (_WITH_PRODUCT if has_product else _WORDS_ONLY) if template.shape == shape]
    digest = hashlib.sha256(f"{variant}:{seed}".encode()).digest()
    order = sorted(choices, key=lambda template: digest[_LOOKS.index(template.look)])
    template = order[0]
    right_to_left = locale.split("-", maxsplit=1)[0] in _RIGHT_TO_LEFT
    at_end = right_to_left ^ (template.mirrors and digest[31] % 3 == 0)
    side = "end" if at_end and template.mirrors else "start"
    name = f"{template.look}-{template.shape}-{side}{'' if template.product else '-words'}"
    return Composition(
        template=name,
        size=size,
        text=_box(template.text, size, mirrored=side == "end"),
        product=_box(template.product, size, mirrored=side == "end") if template.product else None,
        ground_y=template.ground_y * size.height,
        right_to_left=right_to_left,
    )


_LOOKS: tuple[Look, ...] = ("open", "panel", "frost", "spot", "statement")


def template_of(composition: Composition) -> Template:
    """Return the template that a composition was planned with."""
    return _BY_NAME[composition.template]


def template_names() -> tuple[str, ...]:
    """Return the name of every template that `plan` may choose."""
    return tuple(_BY_NAME)


def is_mirrored(composition: Composition) -> bool:
    """Whether the words stand on the right."""
    return "-end" in composition.template


def ground_box(composition: Composition) -> Box | None:
    """Return the panel or card under the words, None where the look has none."""
    ground = template_of(composition).ground
    return _box(ground, composition.size, mirrored=is_mirrored(composition)) if ground else None


def shape_of(size: BannerSize) -> Shape:
    """Return the family of proportions that a size belongs to."""
    ratio = size.width / size.height
    if ratio >= 4.5:
        return "strip"
    if ratio >= 1.9:
        return "wide"
    return "compact" if size.width * size.height < 250_000 else "square"


def _box(fractions: tuple[float, float, float, float], size: BannerSize, *, mirrored: bool) -> Box:
    x, y, width, height = fractions
    start = 1 - x - width if mirrored else x
    return Box(start * size.width, y * size.height, width * size.width, height * size.height)
