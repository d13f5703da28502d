"""The recorded session: what examples/README.md says of it is true, and its script still makes it."""

import base64
import gzip
import json
import re
from collections import Counter

import pytest

import examples.record_session as recording
from contracts.errors import InvalidRecord
from contracts.inputs import Source, decode_event
from contracts.interactions import Interaction
from settings.model import InputSettings

CATALOGUE = recording.FOLDER / "catalogue"
LIMITS = InputSettings()
KNOWN = {json.loads(line)["product_id"] for line in (CATALOGUE / "products.jsonl").read_text().splitlines()}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return gzip.decompress(recording.RECORDING.read_bytes()).decode().splitlines()


@pytest.fixture(scope="module")
def records(lines: list[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines[1:]]


def test_the_script_makes_the_recording_that_is_kept(lines: list[str]) -> None:
    assert recording.record(recording.Shop.from_catalogue(CATALOGUE)) == lines


def test_another_seed_makes_another_session(lines: list[str]) -> None:
    assert recording.record(recording.Shop.from_catalogue(CATALOGUE), seed=1) != lines


def test_header_says_when_it_was_recorded(lines: list[str]) -> None:
    assert json.loads(lines[0]) == {
        "recording": 1,
        "recorded_at": recording.RECORDED_AT,
        "seed": recording.SEED,
    }


def test_readme_counts_are_true(records: list[dict[str, object]]) -> None:
    read = [_read(record) for record in records]
    good = [each for each in read if isinstance(each, Interaction)]
    bad = Counter(each for each in read if isinstance(each, str))
    counted = {
        "records": len(records),
        "good": len(good),
        "visitors": len({each.user_id for each in good}),
        "purchases": sum(each.kind == "purchase" for each in good),
        "repeated": len(good) - len({each.event_id for each in good}),
        "late": sum(record.get("note") == "late" for record in records),
        **bad,
    }
    assert counted == _stated((recording.FOLDER / "README.md").read_text())


def test_late_means_older_than_what_came_before(records: list[dict[str, object]]) -> None:
    newest = 0
    for record in records:
        event = _read(record)
        if isinstance(event, Interaction):
            if record.get("note") is None:
                assert event.occurred_at > newest - 2 * recording.MINUTE
                newest = max(newest, event.occurred_at)
            elif record["note"] == "late":
                assert event.occurred_at <= newest - 2 * recording.MINUTE


def test_every_format_and_kind_is_there(records: list[dict[str, object]]) -> None:
    shapes = Counter(
        "segment" if "messageId" in value else "ga4" if "events" in value else "native"
        for record in records
        if isinstance(value := record.get("value"), dict)
    )
    assert min(shapes.values()) > 300
    assert set(shapes) == {"native", "segment", "ga4"}
    orders = [each for each in map(_read, records) if isinstance(each, Interaction) and each.kind == "purchase"]
    assert any(len(order.product_ids) > 1 for order in orders)


def _read(record: dict[str, object]) -> Interaction | str:
    """Return what a record says, or the code under which it is a dead letter."""
    raw = record.get("raw_b64")
    payload = base64.b64decode(raw) if isinstance(raw, str) else json.dumps(record["value"]).encode()
    source: Source = "purchases" if record["topic"] == "purchases" else "clicks"
    try:
        event = decode_event(
            payload,
            source,
            "auto",
            received_at=recording.RECORDED_AT,
            max_future_ms=round(LIMITS.max_future_s * 1000),
            max_age_ms=round(LIMITS.max_age_days * recording.DAY),
        )
    except InvalidRecord as error:
        return error.code
    return event if KNOWN.issuperset(event.product_ids) else "unknown_product"


def _stated(readme: str) -> dict[str, int]:
    table = readme.partition("<!-- counts -->")[2].partition("<!-- /counts -->")[0]
    return {name: int(number.replace(",", "")) for name, number in re.findall(r"\| `(\w+)` \| ([\d,]+) \|", table)}
