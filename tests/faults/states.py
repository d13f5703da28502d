"""What an audit needs to know of a packed state, whatever its shape; and states as earlier versions wrote them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from contracts.keys import banner_key
from streams.affinity import unpack
from streams.affinity.scores import weighed
from tests.unit.streams.shop import COHORTS, PRODUCTS


@dataclass(frozen=True)
class Seen:
    """A visitor's state as the audit sees it."""

    epoch: int
    offsets: Mapping[str, int]
    """Last applied offset per source topic."""
    banner_key: str | None
    """Of the current decision."""
    cohorts: Mapping[str, tuple[int, float]]
    """Exponent and mantissa of each score, as of 1970."""
    half_life_ms: int
    purchased: frozenset[str]

    def scores(self, at: int) -> dict[str, float]:
        """Return the scores as of the time `at`, as plain numbers."""
        unit = weighed(1.0, at, self.half_life_ms)
        return {
            cohort: math.ldexp(mantissa / unit.mantissa, exponent - unit.exponent)
            for cohort, (exponent, mantissa) in self.cohorts.items()
        }


@lru_cache(maxsize=1 << 17)
def read_state(packed: bytes) -> Seen:
    """Return what is in a packed state."""
    state = unpack(packed)
    return Seen(
        epoch=state.epoch,
        offsets=dict(state.offsets),
        banner_key=None if state.decision is None else state.decision.banner_key,
        cohorts={cohort: (each.exponent, each.mantissa) for cohort, each in state.cohorts.items()},
        half_life_ms=state.half_life_ms,
        purchased=frozenset(state.purchased),
    )


def version_1(half_life_ms: int, at: int, weights: Mapping[str, float], *, epoch: int, product_id: str) -> bytes:
    """Return the state of one event at `at` as version 1 packed it: frozen here, whatever becomes of `pack`.

    A first byte of 1, then a MessagePack array: half-life, latest time, epoch, decision, offsets by topic, cohorts
    (exponent, mantissa, touched products), purchases. `weights` holds each cohort's score; the first is the decided.
    """
    halvings, rest = divmod(at, half_life_ms)
    cohorts = {}
    for cohort, weight in weights.items():
        mantissa, exponent = math.frexp(weight * 2.0 ** (rest / half_life_ms))
        cohorts[cohort] = [exponent + halvings, mantissa, {product_id: at}]
    decided = next(iter(weights))
    decision = [product_id, decided, _banner_key(product_id, decided), at]
    return b"\x01" + msgspec.msgpack.encode([half_life_ms, at, epoch, decision, {}, cohorts, {}])


@lru_cache
def _banner_key(product_id: str, cohort_id: str) -> str:
    product = next(each for each in PRODUCTS if each.product_id == product_id)
    cohort = next(each for each in COHORTS if each.cohort_id == cohort_id)
    return banner_key(product, cohort, locale=product.locale, variant="a", creative_revision="1")
