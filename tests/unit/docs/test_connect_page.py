"""The examples of docs/connect.md are what the code reads."""

import json
import re
from pathlib import Path

import pytest

from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.inputs import decode_event, read_connect
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.settings import load_settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/connect.md").read_text()
EXAMPLE = ROOT / "examples/connect.toml"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def events(*, mapped: bool = False) -> list[str]:
    """Return each JSON document of the page's examples, as it stands there: those that need a file, or the others."""
    found = []
    for block in blocks("json"):
        if ('"sku"' in block) is not mapped:
            continue
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
    assert len(events(mapped=True)) == 1


def test_the_mapping_is_the_example_file_and_reads_the_event_beside_it() -> None:
    (shown,) = (each for each in blocks("toml") if "[clicks]" in each)
    assert shown == EXAMPLE.read_text()
    (event,) = events(mapped=True)
    interaction = decode_event(
        event.encode(),
        "clicks",
        read_connect(shown)["clicks"],
        received_at=1_795_256_100_000,
        max_future_ms=0,
        max_age_ms=0,
    )
    assert (interaction.user_id, interaction.kind) == ("u-42", "view")
    assert interaction.product_ids == ("mug-stoneware-terracotta",)


def test_the_settings_file_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings,) = (each for each in blocks("toml") if "[kafka]" in each)
    (tmp_path / "bannerstream.toml").write_text(settings)
    for name in re.findall(r"BANNERSTREAM_[A-Z_]+", PAGE):
        monkeypatch.setenv(name, "a secret of more than 16 bytes")
    loaded = load_settings(tmp_path / "bannerstream.toml")
    assert loaded.environment == "production"
    assert loaded.kafka.topic_table().purchases.name == "shop.orders"
