"""The common part of the Python programs (README.md): the table, and folding one event into packed bytes.

Imports the standard library only, because each program has its own environment.
"""

import json
import os
import struct
import time
from pathlib import Path

BOOTSTRAP = os.environ["BENCH_BOOTSTRAP"]
TOPIC = os.environ["BENCH_TOPIC"]
APP = os.environ["BENCH_APP"]
FOLDER = Path(os.environ["BENCH_FOLDER"])

COHORTS = 12
PRODUCTS_KEPT = 5
NUMBERS = struct.Struct(f"<q{COHORTS}d")
"""The offset and the scores; the products follow."""

_table = json.loads(Path(os.environ["BENCH_TABLE"]).read_bytes())
LANDMARK_MS: int = _table["landmark_ms"]
HALF_LIFE_MS: int = _table["half_life_ms"]
KIND_WEIGHTS: dict[str, float] = _table["kind_weights"]
MEMBERSHIPS: dict[str, tuple[tuple[int, float], ...]] = {
    product_id: tuple((cohort, weight) for cohort, weight in memberships)
    for product_id, memberships in _table["products"].items()
}
_EMPTY = [0, *[0.0] * COHORTS]


def report_first_record() -> None:
    """Print the line that starts the clock. Not with `print`, because Faust redirects standard output to its log."""
    os.write(1, b"first-record %d\n" % (time.time_ns() // 1_000_000))


def fold(packed: bytes | None, product_id: str, kind: str, at: int, offset: int) -> bytes:
    """Return the state after one more event; `at` is its time in milliseconds, None is the state of a new user."""
    if packed is None:
        numbers, products = _EMPTY.copy(), [product_id]
    else:
        numbers = list(NUMBERS.unpack_from(packed))
        products = [*packed[NUMBERS.size :].decode().split("\n")[1 - PRODUCTS_KEPT :], product_id]
    decayed = KIND_WEIGHTS[kind] * 2.0 ** ((at - LANDMARK_MS) / HALF_LIFE_MS)
    for cohort, weight in MEMBERSHIPS[product_id]:
        numbers[cohort + 1] += weight * decayed
    numbers[0] = offset
    return NUMBERS.pack(*numbers) + "\n".join(products).encode()
