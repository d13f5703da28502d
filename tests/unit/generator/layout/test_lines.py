"""Line breaking and fitting hold for any text."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from generator.layout.fonts import Typeface
from generator.layout.lines import fit, fit_or_shorten, set_line
from generator.layout.text import printable

FACE = Typeface("grotesk", 800)
words = st.lists(st.text("abcdefghijklmnopqrstuvwxyzäöü", min_size=1, max_size=12), min_size=1, max_size=12).map(
    " ".join
)


@settings(deadline=None)
@given(words, st.floats(60, 600), st.floats(20, 200))
def test_what_fits_keeps_every_word_in_order_and_stays_in_its_box(text: str, width: float, height: float) -> None:
    paragraph = fit(text, FACE, width=width, height=height, largest=40, smallest=10, max_lines=3)
    if paragraph is None:
        return
    assert " ".join(line.text for line in paragraph.lines) == text
    assert paragraph.width <= width + 1e-6
    assert paragraph.height <= height + 1e-6
    assert len(paragraph.lines) <= 3


@settings(deadline=None)
@given(words, st.floats(80, 400))
def test_shortening_keeps_the_beginning_and_says_so(text: str, width: float) -> None:
    paragraph = fit_or_shorten(text, FACE, width=width, height=30, largest=20, smallest=14, max_lines=1)
    assert paragraph is not None
    drawn = paragraph.lines[0].text
    assert drawn == text or (drawn.endswith("…") and text.startswith(drawn[:-1].rstrip()))
    assert paragraph.width <= width + 1e-6


@settings(deadline=None)
@given(st.text(max_size=60))
def test_printable_text_has_no_controls_and_is_stable(text: str) -> None:
    clean = printable(text)
    assert printable(clean) == clean
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]", clean)


def test_lines_are_balanced_without_a_lone_last_word() -> None:
    paragraph = fit(
        "one two three four five six seven", FACE, width=200, height=200, largest=24, smallest=24, max_lines=3
    )
    assert paragraph is not None
    widths = [line.width for line in paragraph.lines]
    assert len(widths) > 1
    assert min(widths) > 0.5 * max(widths)


def test_latin_inside_arabic_keeps_its_own_direction_and_place() -> None:
    line = set_line("كوب من Hearth & Clay بسعة 350 مل", FACE, right_to_left=True)
    assert [run.text for run in line.runs if run.text.strip()] == ["مل", "350", "بسعة", "Hearth & Clay", "كوب من"]


def test_a_price_stays_whole_in_a_right_to_left_line() -> None:
    line = set_line("24.90\u00a0€", FACE, right_to_left=True)
    assert "".join(run.text for run in line.runs) == "24.90\u00a0€"


def test_signs_of_another_font_between_arabic_words_are_turned_with_them() -> None:
    line = set_line("غرام · شمع", FACE, right_to_left=True)
    assert [run.text.strip() for run in line.runs if run.text.strip()] == ["شمع", "·", "غرام"]
    sign = next(run for run in line.runs if "·" in run.text)
    assert sign.text == sign.text.strip() or sign.text.startswith(" ")
