"""Compares the states in a system's changelog with the expected ones."""

import struct
from collections.abc import Callable, KeysView, Mapping

import numpy as np
from numpy.typing import NDArray

from bench.arena.expected import Expected
from bench.arena.shop import COHORTS
from bench.arena.topics import Topics

TOLERANCE = 1e-9
"""Relative: a different order of summation changes a sum by less, a lost event by more."""

NUMBERS = struct.Struct(f"<q{len(COHORTS)}d")


def latest_states(
    topics: Topics, changelog: str, key_of: Callable[[bytes], bytes | None] = bytes
) -> dict[bytes, bytes]:
    """Return each user's last record; `key_of` maps a record's key to the user, or to None for other records."""
    latest = {}
    for partition in range(len(topics.ends(changelog))):
        for message in topics.read(changelog, partition):
            if (user := key_of(message.key())) is not None:
                latest[user] = message.value()
    return latest


def what_differs(states: Mapping[bytes, bytes], expected: Expected) -> str | None:
    """Return what is wrong with states in the encoding of bench/peers/README.md, or None."""
    if (difference := which_users_differ(states.keys(), expected.rows.keys())) is not None:
        return difference
    found = np.empty((len(states), 1 + len(COHORTS)))
    for user, packed in states.items():
        row = expected.rows[user]
        if len(packed or b"") < NUMBERS.size:
            return f"{user!r}: {packed!r} is not a state"
        found[row] = NUMBERS.unpack_from(packed)
        if packed[NUMBERS.size :] != expected.products[row]:
            return f"{user!r}: last products {packed[NUMBERS.size :]!r}, not {expected.products[row]!r}"
    return how_offsets_differ(found[:, 0], expected) or how_scores_differ(found[:, 1:], expected)


def which_users_differ(users: KeysView[bytes], expected: KeysView[bytes]) -> str | None:
    """Return which users are missing or unknown, or None."""
    if users == expected:
        return None
    missing, unknown = expected - users, users - expected
    return f"{len(missing)} users are missing ({next(iter(missing), None)!r}), {len(unknown)} are unknown"


def how_offsets_differ(offsets: NDArray[np.float64], expected: Expected) -> str | None:
    """Return how the last applied offsets differ, or None."""
    wrong = np.flatnonzero(offsets != expected.offsets)
    if not wrong.size:
        return None
    return f"{wrong.size} last offsets are wrong, the first {offsets[wrong[0]]:.0f}, not {expected.offsets[wrong[0]]}"


def how_scores_differ(scores: NDArray[np.float64], expected: Expected) -> str | None:
    """Return how the scores differ beyond the tolerance, or None."""
    wrong = np.argwhere(~(np.abs(scores - expected.scores) <= TOLERANCE * expected.scores))
    if not wrong.size:
        return None
    first = tuple(wrong[0])
    return f"{len(wrong)} scores are wrong, the first {scores[first]!r}, not {expected.scores[first]!r}"
