"""The expected states, computed from the topic with numpy; shares only the table with the measured systems."""

import json
from array import array
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.arena.topics import Topics

PRODUCTS_KEPT = 5


class _Event(msgspec.Struct, gc=False):
    product_id: str
    kind: str
    time: int


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected states, one row per user."""

    rows: dict[bytes, int]
    """Row of each user, by id."""
    landmark_ms: int
    offsets: NDArray[np.int64]
    scores: NDArray[np.float64]
    """(users, cohorts), as of the landmark."""
    products: list[bytes]
    """Per user, the last products, oldest first, joined by line feeds."""


def expected_states(topics: Topics, topic: str, table: Path) -> Expected:
    """Return the states that result from a topic's events."""
    facts = json.loads(table.read_bytes())
    product_ids = list(facts["products"])
    numbers = {product_id: number for number, product_id in enumerate(product_ids)}
    rows: dict[bytes, int] = {}
    # All events of a user are in one partition, so reading the partitions in turn keeps each user's order.
    row, product, time, offset, kind_weight = (array(code) for code in "qqqqd")
    decode = msgspec.json.Decoder(_Event).decode
    for partition in range(len(topics.ends(topic))):
        for message in topics.read(topic, partition):
            try:
                event = decode(message.value())
            except msgspec.DecodeError:
                continue  # a bad record changes no state
            row.append(rows.setdefault(message.key(), len(rows)))
            product.append(numbers[event.product_id])
            kind_weight.append(facts["kind_weights"][event.kind])
            time.append(event.time)
            offset.append(message.offset())
    users, products = np.asarray(row), np.asarray(product)
    decayed = np.asarray(kind_weight) * 2.0 ** ((np.asarray(time) - facts["landmark_ms"]) / facts["half_life_ms"])
    order = np.argsort(users, kind="stable")
    ends = np.cumsum(np.bincount(users, minlength=len(rows)))
    return Expected(
        rows=rows,
        landmark_ms=facts["landmark_ms"],
        offsets=np.asarray(offset)[order][ends - 1],
        scores=_scores(users, products, decayed, _weights(facts), len(rows)),
        products=_last_products(products[order], ends, product_ids),
    )


def _weights(facts: dict[str, dict[str, list[tuple[int, float]]]]) -> NDArray[np.float64]:
    weights = np.zeros((len(facts["products"]), len(facts["cohorts"])))
    for number, memberships in enumerate(facts["products"].values()):
        for cohort, weight in memberships:
            weights[number, cohort] = weight
    return weights


def _scores(
    users: NDArray[np.int64],
    products: NDArray[np.int64],
    decayed: NDArray[np.float64],
    weights: NDArray[np.float64],
    count: int,
) -> NDArray[np.float64]:
    columns = [np.bincount(users, decayed * weights[products, cohort], count) for cohort in range(weights.shape[1])]
    return np.stack(columns, axis=1)


def _last_products(products: NDArray[np.int64], ends: NDArray[np.int64], product_ids: list[str]) -> list[bytes]:
    starts = np.concatenate([[0], ends[:-1]])
    firsts = np.maximum(starts, ends - PRODUCTS_KEPT)
    names = [product_ids[number] for number in products.tolist()]
    return ["\n".join(names[a:b]).encode() for a, b in zip(firsts.tolist(), ends.tolist(), strict=True)]
