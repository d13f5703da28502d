"""The examples of docs/connect.md are what the code reads."""

import json
import re
from pathlib import Path

import pytest

from catalog.files import read_catalogue
from contracts.inputs import decode_event
from demo.example import CATALOGUE
from settings import load_settings

PAGE = (Path(__file__).parents[3] / "docs/connect.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def events() -> list[str]:
    """Return each JSON document of the page's examples, as it is written there."""
    found = []
    for block in blocks("json"):
        rest = block.strip()
        while rest:
            _, end = json.JSONDecoder().raw_decode(rest)
            found.append(rest[:end])
            rest = rest[end:].strip()
    return found


@pytest.mark.parametrize("event", events())
def test_each_event_can_be_used_and_names_products_of_the_example_shop(event: str) -> None:
    at = 1_795_256_100_000
    interaction = decode_event(
        event.encode(), "clicks", "auto", received_at=at, max_future_ms=300_000, max_age_ms=86_400_000
    )
    assert interaction.user_id == "u-42"
    assert set(interaction.product_ids) <= {each.product_id for each in read_catalogue(CATALOGUE).products}


def test_the_page_shows_every_format() -> None:
    assert len(events()) >= 4


def test_the_settings_file_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings,) = blocks("toml")
    (tmp_path / "bannerstream.toml").write_text(settings)
    for name in re.findall(r"BANNERSTREAM_[A-Z_]+", PAGE):
        monkeypatch.setenv(name, "a secret of more than 16 bytes")
    loaded = load_settings(tmp_path / "bannerstream.toml")
    assert loaded.environment == "production"
    assert loaded.kafka.topic_table().purchases.name == "shop.orders"
