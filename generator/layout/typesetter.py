"""Sets the words of a banner inside their box: sizes, line breaks, positions.

Sizes are fractions of the banner's height, so that all proportions share one scale. Vertical distances run from
baseline to cap height, as the eye compares them, not between font boxes. If not everything fits, the brand is dropped
first, then the line; headline and button always stay, shortened if necessary.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import BannerCopy
from bannerstream.generator.layout.blocks import Block, Piece, PlacedLine, Role
from bannerstream.generator.layout.fonts import Typeface, drawable
from bannerstream.generator.layout.lines import Paragraph, fewer_facts, fit, fit_or_shorten
from bannerstream.generator.layout.planner import is_mirrored, template_of
from bannerstream.generator.layout.scales import scale_of
from bannerstream.generator.layout.text import printable
from bannerstream.generator.pipeline.ports import Box, Composition

Align = Literal["left", "centre", "right"]


_BADGE_RADIUS = 1.62
"""Radius in font sizes of the saving: `−100%` fits with some margin."""
_BADGE_SHARE = 0.1
"""Largest share of the product's box that a badge may cover; on a strip it would hide a third of the product."""
_PILL_HEIGHT = 2.4
_PILL_PADDING = 1.15
"""In font sizes of the button."""
_EYEBROW_TRACKING = 0.06
_BUTTON_TRACKING = 0.005


def typeset(words: BannerCopy, composition: Composition, cohort: Cohort, language: str) -> Block:
    """Return the words set into the composition's text box.

    Raises:
        NoFontForScript: a letter of the words has no font on this system.
    """
    badged = bool(words.saving) and composition.creative.headline == "offer" and composition.product is not None
    if badged:
        typesetter = _Typesetter(words, composition, cohort, language, badged=True)
        placed, button = _set(typesetter, composition)
        badge = typesetter.badge(placed, button)
        if badge is not None:
            saving, box = badge
            return Block((*placed, saving), button, typesetter.radius(button), box)
    typesetter = _Typesetter(words, composition, cohort, language)
    placed, button = _set(typesetter, composition)
    return Block(placed, button, typesetter.radius(button))


def _set(typesetter: "_Typesetter", composition: Composition) -> tuple[tuple[PlacedLine, ...], Box]:
    """Return words and button, positioned by the template's arrangement."""
    template = template_of(composition)
    if template.arrangement == "row":
        pieces = typesetter.row()
    elif template.arrangement == "split":
        pieces = typesetter.split(template.text_share, template.action_share)
    elif template.arrangement == "flank" and composition.aside is not None:
        pieces = typesetter.flank(composition.aside)
    else:
        pieces = typesetter.column()
    button = next(piece.button for piece in pieces if piece.button)
    return tuple(item for piece in pieces for item in piece.placed), button


class _Typesetter:
    """Words, box, typefaces and scale of one banner size, and the arrangements built from them."""

    def __init__(
        self, words: BannerCopy, composition: Composition, cohort: Cohort, language: str, *, badged: bool = False
    ) -> None:
        template = template_of(composition)
        self.composition, self.badged, self.serif = composition, badged, cohort.typeface == "serif"
        self.style = composition.creative.headline
        self.box = composition.text
        self.unit = (
            composition.size.height
            if template.shape != "square"
            else min(composition.size.height, composition.size.width)
        )
        self.scale = scale_of(template.shape, self.style)
        self.rtl = composition.right_to_left
        self.mirrored = is_mirrored(composition)
        self.align: Align = "centre" if template.centred else "right" if self.rtl else "left"
        self.display = Typeface(cohort.typeface, 500 if self.style == "light" else 800, language)
        text = "grotesk" if cohort.typeface == "serif" else cohort.typeface
        self.strong = Typeface(text, 700, language)
        self.plain = Typeface(text, 500, language)
        self.gap = self.scale.gap * self.unit
        self.words: dict[Role, str] = {
            "eyebrow": self._clean(words.eyebrow, self.strong),
            "headline": self._clean(words.headline, self.display) or self._clean(words.call_to_action, self.display),
            "line": self._clean(words.line, self.plain),
            "price": self._clean(words.price, self.strong),
            "former_price": self._clean(words.former_price, self.plain),
            "saving": self._clean(words.saving, self.strong),
            "call_to_action": self._clean(words.call_to_action, self.strong) or "→",
        }

    def column(self) -> list[Piece]:
        """Stack words, then price and button, centred in the box."""
        action_block = self._action_block(self.box.width)
        space = 1.75 * self.gap
        text_block = self._text_block(self.box.width, self.box.height - action_block.height - space)
        top = self.box.y + (self.box.height - text_block.height - space - action_block.height) / 2
        return [
            self._in_box(text_block, self.box, top),
            self._in_box(action_block, self.box, top + text_block.height + space),
        ]

    def split(self, text_share: float, action_share: float) -> list[Piece]:
        """Put words at the top of the box, price and button at its bottom."""
        action_block = self._action_block(self.box.width * action_share)
        room = self.box.height - action_block.height - 1.5 * self.gap if action_share == 1 else self.box.height
        text_block = self._text_block(self.box.width, min(self.box.height * text_share, room))
        width = self.box.width * action_share
        at_end = self.mirrored if action_share < 1 else self.rtl
        action_box = replace(self.box, x=self.box.x + self.box.width - width if at_end else self.box.x, width=width)
        outward = _shift(
            "centre" if self.align == "centre" else "right" if at_end else "left", width, action_block.width
        )
        return [
            self._in_box(text_block, self.box, self.box.y),
            action_block.moved(action_box.x + outward, self.box.y + self.box.height - action_block.height),
        ]

    def row(self) -> list[Piece]:
        """Put words at the start, price over button at the end, both vertically centred."""
        action_block = self._action_block(self.box.width * 0.36, stacked=True)
        space = 0.3 * self.unit
        width = self.box.width - action_block.width - space
        text_block = self._text_block(width, self.box.height)
        middle = self.box.y + self.box.height / 2
        text_x, action_x = (
            (self.box.x + self.box.width - text_block.width, self.box.x)
            if self.rtl
            else (self.box.x, self.box.x + self.box.width - action_block.width)
        )
        return [
            text_block.moved(text_x, middle - text_block.height / 2),
            action_block.moved(action_x, middle - action_block.height / 2),
        ]

    def flank(self, aside: Box) -> list[Piece]:
        """Put words in the box, price over button in the box on the product's other side, all on one middle line."""
        action_block = self._action_block(aside.width, stacked=True)
        text_block = self._text_block(self.box.width, self.box.height)
        middle = self.box.y + self.box.height / 2
        return [
            self._in_box(text_block, self.box, middle - text_block.height / 2),
            action_block.moved(aside.x + (aside.width - action_block.width) / 2, middle - action_block.height / 2),
        ]

    def badge(self, placed: tuple[PlacedLine, ...], button: Box) -> tuple[PlacedLine, Box] | None:
        """Return the saving in a round badge at the product's shoulder; None if it covers words or too much product."""
        product, size = self.composition.product, self.composition.size
        label = self._small("saving", self.strong, self.unit)
        if product is None or label is None:
            return None
        radius = _BADGE_RADIUS * label.font_size
        margin = 0.03 * self.unit
        away = product.x + product.width / 2 >= self.box.x + self.box.width / 2
        x = product.x + product.width - radius if away else product.x + radius
        x = min(max(x, radius + margin), size.width - radius - margin)
        y = max(product.y + 0.8 * radius, radius + margin)
        box = Box(x - radius, y - radius, 2 * radius, 2 * radius)
        hides_words = any(_overlap(box, other) for other in (button, *(item.ink for item in placed)))
        if hides_words or box.width * box.height > _BADGE_SHARE * product.width * product.height:
            return None
        baseline = y + (label.rise - label.drop) / 2
        line = label.lines[0]
        left = x - line.width * label.font_size / 2
        return PlacedLine("saving", line, label.typeface, label.font_size, left, baseline), box

    def radius(self, button: Box) -> float:
        """Return the radius of the button's corners; smaller for serif faces."""
        return button.height * (0.18 if self.serif else 0.5)

    def _text_block(self, width: float, height: float) -> Piece:
        """Set brand, headline and line at the largest headline that fits; drop brand and line where they do not."""
        for parts in _with_less(self.words):
            eyebrow = self._small("eyebrow", self.strong, width) if "eyebrow" in parts else None
            found = [
                (headline, line)
                for line in (self._lines(width) if "line" in parts else (None,))
                if (headline := self._headline(width, height - self._beside_headline(eyebrow, line))) is not None
                and (not line or line.font_size <= headline.font_size * 0.8)
            ]
            if found:
                best = max(headline.font_size for headline, _ in found)
                # A second row of facts does not justify a clearly smaller headline.
                chosen = next(pair for pair in found if pair[0].font_size >= 0.87 * best)
                return self._stacked(eyebrow, *chosen)
        headline = fit_or_shorten(
            self.words["headline"],
            self.display,
            width=width,
            height=height,
            largest=self.scale.headline[1] * self.unit,
            smallest=self.scale.headline[1] * self.unit * 0.8,
            max_lines=self.scale.headline_lines,
            right_to_left=self.rtl,
        )
        return self._stacked(None, headline, None) if headline else Piece((), 0, 0)

    def _headline(self, width: float, height: float) -> Paragraph | None:
        return fit(
            self.words["headline"],
            self.display,
            width=width,
            height=height,
            largest=self.scale.headline[0] * self.unit,
            smallest=self.scale.headline[1] * self.unit,
            max_lines=self.scale.headline_lines,
            tracking=self._display_tracking,
            right_to_left=self.rtl,
        )

    def _beside_headline(self, eyebrow: Paragraph | None, line: Paragraph | None) -> float:
        return (eyebrow.height + 1.05 * self.gap if eyebrow else 0) + (line.height + 1.5 * self.gap if line else 0)

    def _stacked(self, eyebrow: Paragraph | None, headline: Paragraph, line: Paragraph | None) -> Piece:
        paragraphs: list[tuple[Role, Paragraph, float]] = []
        if eyebrow:
            paragraphs.append(("eyebrow", eyebrow, 1.05 * self.gap))
        paragraphs.append(("headline", headline, 1.5 * self.gap))
        if line:
            paragraphs.append(("line", line, 0.0))
        width = max(paragraph.width for _, paragraph, _ in paragraphs)
        placed: list[PlacedLine] = []
        y = bottom = 0.0
        for role, paragraph, gap in paragraphs:
            placed += self._lines_at(role, paragraph, width, y)
            bottom = y + paragraph.height
            y = bottom + gap
        return Piece(tuple(placed), width, bottom)

    def _action_block(self, width: float, *, stacked: bool = False) -> Piece:
        """Set the button with the price beside it, or above it if the width is short."""
        button = self._button(width)
        space = 0.9 * self.gap + 0.03 * self.unit
        # Beside the button the former price may not fit; above it everything does.
        price = (None if stacked else self._price(width - button.width - space)) or self._price(width)
        if price is None:
            return button
        if not stacked and button.width + space + price.width <= width:
            total = button.width + space + price.width
            middle = (button.height - price.height) / 2
            start, end = (button.moved(0, 0), price.moved(button.width + space, middle))
            if self.rtl:
                start, end = button.moved(total - button.width, 0), price.moved(0, middle)
            return Piece(start.placed + end.placed, total, button.height, start.button)
        total = max(button.width, price.width)
        above = 1.0 * self.gap
        align: Align = "centre" if stacked else self.align
        over = price.moved(_shift(align, total, price.width), 0)
        under = button.moved(_shift(align, total, button.width), price.height + above)
        return Piece(over.placed + under.placed, total, price.height + above + button.height, under.button)

    def _button(self, width: float) -> Piece:
        size = self.scale.button * self.unit
        label = fit_or_shorten(
            self.words["call_to_action"],
            self.strong,
            width=width - 2 * _PILL_PADDING * size,
            height=size * 2,
            largest=size,
            smallest=size * 0.82,
            max_lines=1,
            right_to_left=self.rtl,
        )
        if label is None:
            return Piece((), width, size * _PILL_HEIGHT, Box(0, 0, width, size * _PILL_HEIGHT))
        padding = _PILL_PADDING * label.font_size
        box = Box(0, 0, label.width + 2 * padding, size * _PILL_HEIGHT)
        baseline = (box.height + label.rise - label.drop) / 2
        placed = PlacedLine("call_to_action", label.lines[0], label.typeface, label.font_size, padding, baseline)
        return Piece((placed,), box.width, box.height, box)

    def _price(self, width: float) -> Piece | None:
        """Set price, struck-through former price and saving on one baseline; the last ones are dropped if too long."""
        if not self.words["price"]:
            return None
        size = self.scale.price * self.unit
        former = size * (0.62 if self.style == "offer" else 0.74)
        parts: tuple[tuple[Role, Typeface, float], ...] = (
            ("price", self.strong, size),
            ("former_price", self.plain, former),
            *(() if self.badged else (("saving", self.strong, former),)),
        )
        placed: list[PlacedLine] = []
        x = height = 0.0
        for role, typeface, part_size in parts:
            if not self.words[role]:
                continue
            set_text = fit(
                self.words[role],
                typeface,
                width=width - x,
                height=size * 2,
                largest=part_size,
                smallest=part_size * 0.8,
                max_lines=1,
                right_to_left=self.rtl,
            )
            if set_text is None:
                break
            height = max(height, set_text.rise)
            placed.append(PlacedLine(role, set_text.lines[0], set_text.typeface, set_text.font_size, x, 0))
            x += set_text.width + size * 0.42
        if not placed:
            return None
        total = x - size * 0.42
        if self.rtl:
            placed = [replace(item, x=total - item.x - item.width) for item in placed]
        return Piece(tuple(item.moved(0, height) for item in placed), total, height)

    def _lines(self, width: float) -> tuple[Paragraph | None, ...]:
        """Return the line in as many rows as the scale allows, and in fewer rows where that differs."""
        rows = [self._line(width, count) for count in range(self.scale.line_lines, 0, -1)]
        return tuple(rows[:1] + [row for row in rows[1:] if row and rows[0] and len(row.lines) < len(rows[0].lines)])

    def _line(self, width: float, max_lines: int) -> Paragraph | None:
        """Return the line with as many facts as fit; a single fact that does not fit is shortened."""
        largest, smallest = (part * self.unit for part in self.scale.line)
        for facts in fewer_facts(self.words["line"]):
            found = fit(
                facts,
                self.plain,
                width=width,
                height=self.unit,
                largest=largest,
                smallest=smallest,
                max_lines=max_lines,
                right_to_left=self.rtl,
            )
            if found is not None:
                return found
        return fit_or_shorten(
            next(fewer_facts(self.words["line"])),
            self.plain,
            width=width,
            height=self.unit,
            largest=largest,
            smallest=smallest,
            max_lines=max_lines,
            right_to_left=self.rtl,
        )

    def _small(self, role: Role, typeface: Typeface, width: float) -> Paragraph | None:
        size = (0.72 * self.scale.price if role == "saving" else self.scale.eyebrow) * self.unit
        return fit(
            self.words[role],
            typeface,
            width=width,
            height=self.unit,
            largest=size,
            smallest=size * 0.9,
            max_lines=1,
            tracking=0.0 if role == "saving" else _EYEBROW_TRACKING,
            right_to_left=self.rtl,
        )

    @property
    def _display_tracking(self) -> float:
        """Tracking of the headline: large grotesque letters are set tighter, as type designers advise."""
        return -0.018 if self.display.name == "grotesk" else -0.008

    def _lines_at(self, role: Role, paragraph: Paragraph, width: float, top: float) -> Iterator[PlacedLine]:
        for number, line in enumerate(paragraph.lines):
            line_width = line.width * paragraph.font_size
            yield PlacedLine(
                role,
                line,
                paragraph.typeface,
                paragraph.font_size,
                _shift(self.align, width, line_width),
                top + paragraph.rise + number * paragraph.leading,
            )

    def _in_box(self, piece: Piece, box: Box, top: float) -> Piece:
        return piece.moved(box.x + _shift(self.align, box.width, piece.width), top)

    @staticmethod
    def _clean(text: str, typeface: Typeface) -> str:
        return printable(drawable(printable(text), typeface))


def _overlap(a: Box, b: Box) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def _with_less(words: dict[Role, str]) -> Iterator[frozenset[Role]]:
    """Yield which of brand and line to show, most first."""
    parts: tuple[tuple[Role, ...], ...] = (("eyebrow", "line"), ("line",), ("eyebrow",), ())
    seen: set[frozenset[Role]] = set()
    for wanted in parts:
        present = frozenset(role for role in wanted if words[role])
        if present not in seen:
            seen.add(present)
            yield present


def _shift(align: Align, outer: float, inner: float) -> float:
    return {"left": 0.0, "centre": (outer - inner) / 2, "right": outer - inner}[align]
