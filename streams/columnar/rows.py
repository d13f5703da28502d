"""From rows to states of the pure core, and back. A state that no row can hold stays in long form."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bannerstream.streams.affinity import Decision, UserState
from bannerstream.streams.affinity.state import FINGERPRINT_BYTES
from bannerstream.streams.columnar.layout import NO_PRODUCT, Columns, Products

Rows = npt.NDArray[np.void]

NO_OFFSET = -1
_TIME_LIMIT = 1 << 39
"""Times in 40 bits, signed."""


def times_in(rows: Rows, name: str) -> npt.NDArray[np.int64]:
    """Return the times in the columns `name`, milliseconds since the landmark."""
    times: npt.NDArray[np.int64] = (rows[f"{name}_high"].astype(np.int64) << 32) | rows[f"{name}_low"]
    return times


def set_times(rows: Rows, name: str, times: npt.NDArray[np.int64]) -> None:
    """Store times, which must fit into 40 bits."""
    rows[f"{name}_low"] = times & 0xFFFFFFFF
    rows[f"{name}_high"] = times >> 32


def store(rows: Rows, numbers: npt.NDArray[np.integer[Any]] | slice, values: Rows) -> None:
    """Copy `values` into these rows, as bytes: numpy copies structured rows field by field, 20 times as slowly.

    To read rows, `rows.take(numbers)` is as fast; `rows[numbers]` is not.
    """
    as_bytes = f"V{rows.dtype.itemsize}"
    rows.view(as_bytes)[numbers] = values.view(as_bytes)


def new_rows(columns: Columns, count: int) -> Rows:
    """Return rows of visitors without any event."""
    rows = np.zeros(count, columns.dtype)
    rows["offsets"] = NO_OFFSET
    return rows


def states_of(rows: Rows, columns: Columns, products: Products) -> list[UserState]:
    """Return the states in these rows."""
    shape, ids = columns.shape, products.ids
    recent = np.ascontiguousarray(rows["marks"][:, ::-1]).astype(">u8").tobytes()
    recent_bytes = shape.marks * FINGERPRINT_BYTES
    empty = bytes(FINGERPRINT_BYTES)
    transfers = rows["transfers"].astype(">u8").tobytes()
    transfer_bytes = shape.transfers * FINGERPRINT_BYTES
    states = []
    for number, (
        landmark, fingerprint, offsets, scores, touched, touched_ms, bought, bought_ms,
        seen, decided, epoch, product, cohort, locale, variant, half_life,
    ) in enumerate(
        zip(
            *(rows[name].tolist() for name in ("landmark", "fingerprint", "offsets", "scores", "touched")),
            times_in(rows, "touched").tolist(), rows["bought"].tolist(), times_in(rows, "bought").tolist(),
            times_in(rows, "seen").tolist(), times_in(rows, "decided").tolist(),
            *(rows[name].tolist() for name in ("epoch", "product", "cohort", "locale", "variant", "half_life")),
            strict=True,
        )
    ):  # fmt: skip
        marks = recent[number * recent_bytes : (number + 1) * recent_bytes]
        taken = transfers[number * transfer_bytes : (number + 1) * transfer_bytes]
        states.append(
            UserState(
                shape.half_lives_ms[half_life],
                landmark,
                seen,
                epoch,
                Decision(ids[product], shape.cohorts[cohort], fingerprint, decided, shape.variants[variant])
                if product != NO_PRODUCT
                else None,
                {topic: offset for topic, offset in zip(shape.topics, offsets, strict=True) if offset != NO_OFFSET},
                {cohort_id: score for cohort_id, score in zip(shape.cohorts, scores, strict=True) if score},
                {ids[one]: at for one, at in zip(reversed(touched), reversed(touched_ms), strict=True) if one},
                {ids[one]: until for one, until in zip(bought, bought_ms, strict=True) if one},
                _without(empty, marks) if marks.startswith(empty) else marks,
                shape.locales[locale],
                _without(empty, taken) if empty in taken else taken,
            )
        )
    return states


def _without(empty: bytes, marks: bytes) -> bytes:
    size = len(empty)
    parts = (marks[start : start + size] for start in range(0, len(marks), size))
    return b"".join(part for part in parts if part != empty)


def rows_of(states: Sequence[UserState], columns: Columns, products: Products) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """Return a row of each state, without its key, and whether the row holds all of the state."""
    rows = new_rows(columns, len(states))
    fits = np.zeros(len(states), np.bool_)
    for index, state in enumerate(states):
        values = _values(state, columns, products)
        if values is not None:
            fits[index] = True
            for name, value in values:
                if value:
                    rows[name][index, : len(value)] = value
    held = np.flatnonzero(fits)
    if len(held):
        _set_single_values(rows, held, [states[index] for index in held.tolist()], columns, products)
    return rows, fits


def _set_single_values(
    rows: Rows, held: npt.NDArray[np.int64], states: list[UserState], columns: Columns, products: Products
) -> None:
    rows["landmark"][held] = [state.landmark_ms for state in states]
    rows["epoch"][held] = [state.epoch for state in states]
    rows["half_life"][held] = [columns.half_life_numbers[state.half_life_ms] for state in states]
    rows["locale"][held] = [columns.locale_numbers[state.locale] for state in states]
    decisions = [state.decision for state in states]
    rows["fingerprint"][held] = [0 if decision is None else decision.banner_fingerprint for decision in decisions]
    rows["product"][held] = [0 if decision is None else products.number(decision.product_id) for decision in decisions]
    rows["cohort"][held] = [
        0 if decision is None else columns.cohort_numbers[decision.cohort_id] for decision in decisions
    ]
    rows["variant"][held] = [
        0 if decision is None else columns.variant_numbers[decision.variant] for decision in decisions
    ]
    for name, times in (
        ("seen", [state.seen_ms for state in states]),
        ("decided", [0 if decision is None else decision.decided_ms for decision in decisions]),
    ):
        packed = np.array(times, np.int64)
        rows[f"{name}_low"][held] = packed & 0xFFFFFFFF
        rows[f"{name}_high"][held] = packed >> 32


def _values(  # noqa: PLR0911  (a reason each)
    state: UserState, columns: Columns, products: Products
) -> Iterator[tuple[str, list[Any]]] | None:
    """Return the values of the columns that hold several, or None if the state does not fit into a row."""
    shape, decision = columns.shape, state.decision
    if (
        state.half_life_ms not in columns.half_life_numbers
        or state.locale not in columns.locale_numbers
        or len(state.touched) > shape.touched
        or len(state.purchased) > shape.bought
        or len(state.recent) > shape.marks * FINGERPRINT_BYTES
        or len(state.transfers) > shape.transfers * FINGERPRINT_BYTES
        or state.epoch >= 1 << 32
        or not min(state.scores.values(), default=1.0) > 0.0
    ):
        return None
    if decision is not None and (
        decision.cohort_id not in columns.cohort_numbers
        or decision.variant not in columns.variant_numbers
        or products.number(decision.product_id) == NO_PRODUCT
        or abs(decision.decided_ms) >= _TIME_LIMIT
    ):
        return None
    touched_ms, until_ms = [*reversed(state.touched.values())], [*state.purchased.values()]
    touched = [products.number(product_id) for product_id in reversed(state.touched)]
    bought = [products.number(product_id) for product_id in state.purchased]
    marks = _fingerprints(state.recent)[::-1]
    transfers = _fingerprints(state.transfers)
    if 0 in touched or 0 in bought or 0 in marks or 0 in transfers:
        return None
    if max(map(abs, (state.seen_ms, *touched_ms, *until_ms))) >= _TIME_LIMIT:
        return None
    scores, offsets = [0.0] * len(shape.cohorts), [NO_OFFSET] * len(shape.topics)
    try:
        for cohort_id, score in state.scores.items():
            scores[columns.cohort_numbers[cohort_id]] = score
        for topic, offset in state.offsets.items():
            offsets[columns.topic_numbers[topic]] = offset
    except KeyError:
        return None
    if min(state.offsets.values(), default=0) < 0:
        return None
    return iter(
        (
            ("scores", scores),
            ("offsets", offsets),
            ("marks", marks),
            ("transfers", transfers),
            ("touched", touched),
            ("touched_low", [at & 0xFFFFFFFF for at in touched_ms]),
            ("touched_high", [at >> 32 for at in touched_ms]),
            ("bought", bought),
            ("bought_low", [until & 0xFFFFFFFF for until in until_ms]),
            ("bought_high", [until >> 32 for until in until_ms]),
        )
    )


def _fingerprints(packed: bytes) -> list[int]:
    return np.frombuffer(packed, ">u8").tolist()  # type: ignore[no-any-return]


def converted(rows: Rows, old: Columns, new: Columns) -> Rows:
    """Return rows of the shape `old` as rows of `new`, which includes it."""
    into = new_rows(new, len(rows))
    for name in old.dtype.names or ():
        if rows[name].ndim == 1:
            into[name] = rows[name]
    for name in (
        "key", "transfers", "marks", "touched", "touched_low", "touched_high", "bought", "bought_low", "bought_high",
    ):  # fmt: skip
        into[name][:, : rows[name].shape[1]] = rows[name]
    for name, names, numbers in (
        ("scores", old.shape.cohorts, new.cohort_numbers),
        ("offsets", old.shape.topics, new.topic_numbers),
    ):
        for number, what in enumerate(names):
            into[name][:, numbers[what]] = rows[name][:, number]
    for name, names, numbers in (
        ("cohort", old.shape.cohorts, new.cohort_numbers),
        ("variant", old.shape.variants, new.variant_numbers),
    ):
        if names:  # the others extend their names at the end
            into[name] = np.array([numbers[what] for what in names])[np.minimum(rows[name], len(names) - 1)]
    for name, values, numbers_of in (
        ("half_life", old.shape.half_lives_ms, new.half_life_numbers),
        ("locale", old.shape.locales, new.locale_numbers),
    ):
        into[name] = np.array([numbers_of[value] for value in values])[rows[name]]  # type: ignore[index]
    return into
