"""Typeset words: placed lines, pieces of several lines, and the block of all of them."""

from dataclasses import dataclass, replace
from typing import Literal

from bannerstream.generator.layout.fonts import Typeface
from bannerstream.generator.layout.lines import SetLine
from bannerstream.generator.pipeline.ports import Box

Role = Literal["eyebrow", "headline", "line", "price", "former_price", "saving", "call_to_action"]


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """One line at its position."""

    role: Role
    line: SetLine
    typeface: Typeface
    font_size: float
    x: float
    baseline: float

    @property
    def width(self) -> float:
        """Advance width in pixels."""
        return self.line.width * self.font_size

    @property
    def ink(self) -> Box:
        """The box around all ink of the line, with a pixel of margin for anti-aliasing."""
        first = self.line.runs[0]
        x = self.x - first.left * self.font_size
        top = self.baseline - self.line.rise * self.font_size
        height = (self.line.rise + self.line.drop) * self.font_size
        return Box(x - 1, top - 1, self.width + first.left * self.font_size + 2, height + 2)

    def moved(self, dx: float, dy: float) -> "PlacedLine":
        """Return it elsewhere."""
        return replace(self, x=self.x + dx, baseline=self.baseline + dy)


@dataclass(frozen=True, slots=True)
class Block:
    """All words of a banner at their positions, and the button's shape."""

    placed: tuple[PlacedLine, ...]
    button: Box
    button_radius: float
    badge: Box | None = None
    """The square around the round badge that holds the saving."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines placed relative to their own top left corner, not yet on the banner."""

    placed: tuple[PlacedLine, ...]
    width: float
    height: float
    button: Box | None = None

    def moved(self, dx: float, dy: float) -> "Piece":
        """Return it elsewhere."""
        button = (
            Box(self.button.x + dx, self.button.y + dy, self.button.width, self.button.height) if self.button else None
        )
        return replace(self, placed=tuple(item.moved(dx, dy) for item in self.placed), button=button)
