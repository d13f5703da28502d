"""Line breaking and fitting work for any text."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.generator.layout.fonts import Typeface
from bannerstream.generator.layout.lines import fewer_facts, fit, fit_or_shorten, set_line
from bannerstream.generator.layout.text import printable

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
    line = set_line("غرام † شمع", FACE, right_to_left=True)
    assert [run.text.strip() for run in line.runs if run.text.strip()] == ["شمع", "†", "غرام"]
    sign = next(run for run in line.runs if "†" in run.text)
    assert sign.text == sign.text.strip() or sign.text.startswith(" ")


@settings(deadline=None)
@given(st.lists(words, min_size=2, max_size=5), st.sampled_from([" · ", " – ", " | "]), st.floats(80, 400))
def test_no_line_begins_or_ends_with_a_separator(facts: list[str], separator: str, width: float) -> None:
    paragraph = fit(separator.join(facts), FACE, width=width, height=400, largest=20, smallest=10, max_lines=6)
    if paragraph is None:
        return
    for line in paragraph.lines:
        assert line.text[0] not in "·–|"
        assert line.text[-1] not in "·–|"
    assert " ".join(line.text for line in paragraph.lines).replace(separator, " ") == " ".join(facts)


def test_a_separator_at_the_very_end_stays() -> None:
    paragraph = fit("Made for –", FACE, width=400, height=100, largest=20, smallest=10, max_lines=1)
    assert paragraph is not None
    assert paragraph.lines[0].text == "Made for –"


def test_a_number_stays_with_what_it_counts() -> None:
    for width in range(60, 400, 4):
        paragraph = fit(
            "Towels 70 × 140 cm for 40 hours", FACE, width=width, height=400, largest=20, smallest=20, max_lines=6
        )
        for line in paragraph.lines if paragraph else ():
            assert not re.search(r"(\d|×)$", line.text)


def test_short_words_are_not_parted_at_their_hyphen() -> None:
    for width in range(60, 300, 4):
        paragraph = fit(
            "Wireless Over-Ear Headphones", FACE, width=width, height=400, largest=20, smallest=20, max_lines=6
        )
        assert all(not line.text.endswith("-") for line in (paragraph.lines if paragraph else ()))


def test_facts_are_left_out_whole() -> None:
    assert list(fewer_facts("a b · c · d")) == ["a b · c · d", "a b · c", "a b"]


def test_an_opening_mark_is_set_in_the_font_of_its_word() -> None:
    runs = [run for run in set_line("«نور» بالعنبر", FACE, right_to_left=True).runs if run.text.strip()]
    assert len({run.face for run in runs}) == 1
