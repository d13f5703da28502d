"""The contents of a packed state that an audit needs, whatever its version; and states written by earlier versions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import msgspec

from bannerstream.contracts.keys import banner_key
from bannerstream.streams.affinity import unpack
from tests.support.shop import COHORTS, PRODUCTS


@dataclass(frozen=True)
class Seen:
    """A visitor's state as the audit sees it."""

    epoch: int
    offsets: Mapping[str, int]
    """Last applied offset per source topic."""
    banner: str | None
    """First 16 digits of the current decision's banner key; a state does not contain more."""
    landmark: int
    half_life_ms: int
    weighed: Mapping[str, float]
    """Scores as of the landmark."""

    def scores(self, at: int) -> dict[str, Fraction]:
        """Return the scores as of the time `at`."""
        decay = Fraction(2.0 ** ((self.landmark - at) / self.half_life_ms))
        return {cohort: Fraction(score) * decay for cohort, score in self.weighed.items()}


@lru_cache(maxsize=1 << 17)
def read_state(packed: bytes) -> Seen:
    """Return the contents of a packed state, of this version or of one that is still supported."""
    state = unpack(packed)
    return Seen(
        epoch=state.epoch,
        offsets=state.offsets,
        banner=None if state.decision is None else f"{state.decision.banner_fingerprint:016x}",
        landmark=state.landmark_ms,
        half_life_ms=state.half_life_ms,
        weighed=state.scores,
    )


def version_1(half_life_ms: int, at: int, weights: Mapping[str, float], *, epoch: int, product_id: str) -> bytes:
    """Return the state after one event at `at` as version 1 packed it; independent of the current `pack`.

    A first byte of 1, then a MessagePack array: half-life, latest time, epoch, decision, offsets by topic, cohorts
    (exponent, mantissa, touched products), purchases. `weights` has each cohort's score; the first is the decided one.
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
