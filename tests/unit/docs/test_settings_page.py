"""docs/settings.md is what the settings say."""

from pathlib import Path

from bannerstream.settings.reference import settings_reference

PAGE = Path(__file__).parents[3] / "docs/settings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == settings_reference(), "run: .venv/bin/bannerstream config reference > docs/settings.md"


def test_every_setting_says_what_it_means() -> None:
    for line in settings_reference().splitlines():
        if line.startswith("| `"):
            meaning = line.rstrip("|").rsplit("|", 1)[1].strip()
            assert len(meaning) > 10, f"no meaning: {line}"
            assert meaning.endswith((".", "`")), f"not a sentence: {line}"
