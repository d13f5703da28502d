"""The site that `make docs` builds: every page is in its navigation, and the glossary stays short."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]


def pages(entry: object) -> list[str]:
    """Return the files that an entry of the navigation leads to."""
    if isinstance(entry, str):
        return [entry]
    entries = entry.values() if isinstance(entry, dict) else entry
    return [page for inner in entries for page in pages(inner)]  # type: ignore[attr-defined]  # a list or a table


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(pages(SITE["nav"])) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_the_glossary_has_at_most_35_terms_in_order() -> None:
    terms = re.findall(r"(?m)^\| ([a-z][a-z ]*) \|", (ROOT / "docs/glossary.md").read_text())[1:]
    assert terms == sorted(terms)
    assert len(terms) <= 35
