"""States in the format of version 1, so that its changelogs can still be read.

Each cohort had a score with its own exponent (mantissa · 2^exponent, over the landmark 1970) and its own products.
"""

from math import frexp, ldexp

import msgspec
from msgspec import Struct

STATE_VERSION = 1


class Decision(Struct, frozen=True, array_like=True):
    """The banner, with its whole key of 64 hex digits; times are epoch milliseconds, here and below."""

    product_id: str
    cohort_id: str
    banner_key: str
    decided_at: int


class Affinity(Struct, array_like=True):
    """One cohort's score and its touched products."""

    exponent: int
    mantissa: float
    touched: dict[str, int]


class UserState(Struct, array_like=True):
    """One visitor's state."""

    half_life_ms: int
    seen_at_ms: int
    epoch: int
    decision: Decision | None
    offsets: dict[str, int]
    cohorts: dict[str, Affinity]
    purchased: dict[str, int]


unpack = msgspec.msgpack.Decoder(UserState).decode


def scores_as_of(landmark: int, state: UserState) -> dict[str, float]:
    """Return the scores over the landmark, which must not lie long before the latest event: scores are doubles.

    Raises:
        OverflowError: no events can lead to such a score.
    """
    halvings, rest = divmod(landmark, state.half_life_ms)
    mantissa, exponent = frexp(2.0 ** (rest / state.half_life_ms))
    return {
        cohort_id: ldexp(affinity.mantissa / mantissa, affinity.exponent - exponent - halvings)
        for cohort_id, affinity in state.cohorts.items()
    }
