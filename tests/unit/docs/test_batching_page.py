"""docs/batching.md names what is replaced of Faust and aiokafka, and numbers as they are in the code."""

import re
from pathlib import Path

from bannerstream.streams.batching.__main__ import overrides_table
from bannerstream.streams.batching.app import QUEUED_BATCHES
from bannerstream.streams.batching.checkpointer import FLUSH_SLICE, MAX_WAITING
from bannerstream.streams.batching.compat import PRIVATE_OVERRIDES, TESTED
from bannerstream.streams.batching.records import MAX_BATCH
from bannerstream.streams.batching.rounds import ENCODED_SLICE
from bannerstream.streams.batching.store import MAX_DECODED

PAGE = (Path(__file__).parents[3] / "docs/batching.md").read_text()


def test_the_table_of_replaced_methods_is_up_to_date() -> None:
    table = overrides_table()
    assert len(table.splitlines()) == len(PRIVATE_OVERRIDES) + 2
    assert table in PAGE, (
        f"run: .venv/bin/python -m bannerstream.streams.batching, and put what it prints into the page:\n{table}"
    )


def test_the_page_names_the_tested_versions() -> None:
    for name, tested in TESTED.items():
        assert f"{name} {tested}" in PAGE


def test_constants_have_the_values_that_the_page_says() -> None:
    stated = {name: int(value.replace(",", "")) for name, value in re.findall(r"`([A-Z_]+)` = ([\d,]+)", PAGE)}
    assert stated == {
        "MAX_BATCH": MAX_BATCH,
        "FLUSH_SLICE": FLUSH_SLICE,
        "ENCODED_SLICE": ENCODED_SLICE,
        "MAX_WAITING": MAX_WAITING,
        "MAX_DECODED": MAX_DECODED,
        "QUEUED_BATCHES": QUEUED_BATCHES,
    }
