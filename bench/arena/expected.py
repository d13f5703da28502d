"""What the states must be: computed from the topic, by columns, sharing nothing with the systems but the table."""

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
    """The right states, one row per user."""

    rows: dict[bytes, int]
    """A user's row, by id."""
    landmark_ms: int
    offsets: NDArray[np.int64]
    scores: NDArray[np.float64]
    """(users, cohorts), as of the landmark."""
    products: list[bytes]
    """The last products, oldest first, joined by line feeds."""


def expected_states(topics: Topics, topic: str, table: Path) -> Expected:
    """Return the states that a topic's events lead to."""
    facts = json.loads(table.read_bytes())
    product_ids = list(facts["products"])
    numbers = {each: number for number, each in enumerate(product_ids)}
    rows: dict[bytes, int] = {}
    # A user lives in one partition, so that reading one after the other keeps each user's order.
    row, product, time, offset, kind_weight = (array(code) for code in "qqqqd")
    decode = msgspec.json.Decoder(_Event).decode
    for partition in range(len(topics.ends(topic))):
        for message in topics.read(topic, partition):
            try:
                event = decode(message.value())
            except msgspec.DecodeError:
                continue  # poison: it changes no state
            row.append(rows.setdefault(message.key(), len(rows)))
            product.append(numbers[event.product_id])
            kind_weight.append(facts["kind_weights"][event.kind])
            time.append(event.time)
            offset.append(message.offset())
    users, goods = np.asarray(row), np.asarray(product)
    decayed = np.asarray(kind_weight) * 2.0 ** ((np.asarray(time) - facts["landmark_ms"]) / facts["half_life_ms"])
    order = np.argsort(users, kind="stable")
    ends = np.cumsum(np.bincount(users, minlength=len(rows)))
    return Expected(
        rows=rows,
        landmark_ms=facts["landmark_ms"],
        offsets=np.asarray(offset)[order][ends - 1],
        scores=_scores(users, goods, decayed, _weights(facts), len(rows)),
        products=_last_products(goods[order], ends, product_ids),
    )


def _weights(facts: dict[str, dict[str, list[tuple[int, float]]]]) -> NDArray[np.float64]:
    weights = np.zeros((len(facts["products"]), len(facts["cohorts"])))
    for number, memberships in enumerate(facts["products"].values()):
        for cohort, weight in memberships:
            weights[number, cohort] = weight
    return weights


def _scores(
    users: NDArray[np.int64],
    goods: NDArray[np.int64],
    decayed: NDArray[np.float64],
    weights: NDArray[np.float64],
    count: int,
) -> NDArray[np.float64]:
    columns = [np.bincount(users, decayed * weights[goods, each], count) for each in range(weights.shape[1])]
    return np.stack(columns, axis=1)


def _last_products(goods: NDArray[np.int64], ends: NDArray[np.int64], product_ids: list[str]) -> list[bytes]:
    starts = np.concatenate([[0], ends[:-1]])
    firsts = np.maximum(starts, ends - PRODUCTS_KEPT)
    names = [product_ids[each] for each in goods.tolist()]
    return ["\n".join(names[a:b]).encode() for a, b in zip(firsts.tolist(), ends.tolist(), strict=True)]
