"""Blocked words are found however they are encoded, and inside of no other word."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.gates.words import BlockedWords, normalised

WORDS = BlockedWords(["ass", "Knife Fight", "ﬁre", "pístola", "銃", "बम"])


@pytest.mark.parametrize(
    "text",
    [
        "an ASS on it",
        "ass",
        "(ass)",
        "ass-shaped",
        "ａｓｓ",  # full width
        "a\u200bs\u00ads",  # zero-width space and soft hyphen inside
        "\u202eass\u202c",  # bidi override around
        "Knife \n fight",
        "fire and FIRE",
        "pi\u0301stola",  # decomposed
        "水銃セット",
        "बम!",
    ],
)
def test_found(text: str) -> None:
    assert WORDS.found(["nothing here", text]) is not None


@pytest.mark.parametrize("text", ["glass", "assembly", "ass_1", "knife", "fires", "pistola", "बमा", "", "Straße"])
def test_not_found(text: str) -> None:
    assert WORDS.found([text]) is None


def test_the_word_is_told_as_the_list_has_it() -> None:
    assert WORDS.found(["KNIFE   FIGHT"]) == "knife fight"


def test_an_empty_list_blocks_nothing() -> None:
    assert BlockedWords(["", "\u200b"]).found(["", "anything"]) is None


@given(st.text(min_size=1).filter(normalised), st.text(), st.text())
def test_every_word_blocks_itself_wherever_it_stands_alone(word: str, before: str, after: str) -> None:
    alone = f"{before} . {word} . {after}"
    assert BlockedWords([word]).found([alone]) == normalised(word)


@given(st.text())
def test_the_normal_form_is_one(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_a_list_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "blocked.txt"
    path.write_text("# not these\n\n  knife fight \ngun\n", "utf-8")
    words = BlockedWords.read(path)
    assert words.found(["a gun"]) == "gun"
    assert words.found(["not these"]) is None


@pytest.mark.parametrize("content", [b"# only a comment\n", b"\xff\xfe"])
def test_a_list_that_says_nothing_stops_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "blocked.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"generator\.gates\.blocked_words"):
        BlockedWords.read(path)


def test_a_list_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        BlockedWords.read(tmp_path / "none.txt")
