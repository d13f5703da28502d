"""The recorded session: what examples/README.md says of it is true, and its script still makes it."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

import examples.record_session as recording
from bannerstream.broker.recordings import RecordedEvent, parse_line, read_lines, retimed
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.inputs import decode_event
from bannerstream.contracts.interactions import Interaction
from bannerstream.demo.example_shop import CATALOGUE, SESSION
from bannerstream.settings.input import InputSettings

KNOWN = {json.loads(line)["product_id"] for line in (CATALOGUE / "products.jsonl").read_text().splitlines()}
LIMITS = InputSettings()
NOW = recording.RECORDED_AT + 1000 * recording.DAY
"""A replay long after: times that were not moved would be too old."""
LATE = 5 * recording.MINUTE


@pytest.fixture(scope="module")
def records() -> list[RecordedEvent]:
    lines = enumerate(read_lines(SESSION), start=1)
    return retimed([parse_line(line, number) for number, line in lines], NOW)


def test_the_script_makes_the_recording_that_is_kept() -> None:
    kept = gzip.decompress(SESSION.read_bytes()).decode().splitlines()
    shop = recording.Shop.from_catalogue(CATALOGUE)
    assert recording.record(shop) == kept
    assert recording.record(shop, seed=1) != kept


def test_readme_counts_are_true(records: list[RecordedEvent]) -> None:
    read = [(record, _read(record)) for record in records]
    good = [(record, event) for record, event in read if isinstance(event, Interaction)]
    counted = {
        "records": len(records),
        "good": len(good),
        "visitors": len({event.user_id for _, event in good}),
        "purchases": sum(event.kind == "purchase" for _, event in good),
        "repeated": len(good) - len({event.event_id for _, event in good}),
        "late": sum(record.at is not None and record.at - event.occurred_at > LATE for record, event in good),
        **Counter(event for _, event in read if isinstance(event, str)),
    }
    assert counted == _stated((Path(__file__).parents[3] / "examples/README.md").read_text())


def test_records_come_in_the_order_of_arrival_and_events_do_not(records: list[RecordedEvent]) -> None:
    arrivals = [record.at for record in records if record.at is not None]
    assert len(arrivals) == len(records)
    assert arrivals == sorted(arrivals)
    happened = [event.occurred_at for event in map(_read, records) if isinstance(event, Interaction)]
    assert happened != sorted(happened)


def test_every_record_is_keyed_by_its_visitor(records: list[RecordedEvent]) -> None:
    for record in records:
        event = _read(record)
        if isinstance(event, Interaction):
            assert record.key == event.user_id.encode()


def test_every_format_is_there_and_orders_of_several_products(records: list[RecordedEvent]) -> None:
    good = [record for record in records if isinstance(_read(record), Interaction)]
    formats = Counter(
        "segment" if b'"messageId"' in record.value else "ga4" if b'"events"' in record.value else "native"
        for record in good
    )
    assert set(formats) == {"native", "segment", "ga4"}
    assert min(formats.values()) > 300
    orders = [event for event in map(_read, good) if isinstance(event, Interaction) and event.kind == "purchase"]
    assert any(len(order.product_ids) > 1 for order in orders)


def _read(record: RecordedEvent) -> Interaction | str:
    """Return what a record says, or the code under which it is a dead letter."""
    try:
        event = decode_event(
            record.value,
            record.source,
            "auto",
            received_at=NOW,
            max_future_ms=round(LIMITS.max_future_s * 1000),
            max_age_ms=round(LIMITS.max_age_days * recording.DAY),
        )
    except InvalidRecord as error:
        return error.code
    return event if KNOWN.issuperset(event.product_ids) else "unknown_product"


def _stated(readme: str) -> dict[str, int]:
    table = readme.partition("<!-- counts -->")[2].partition("<!-- /counts -->")[0]
    return {name: int(number.replace(",", "")) for name, number in re.findall(r"\| `(\w+)` \| ([\d,]+) \|", table)}
