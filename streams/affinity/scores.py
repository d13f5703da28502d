"""Forward-decayed sums that neither overflow nor depend on the order of their terms.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay", ICDE 2009) weighs an event of time t by
g(t - L) = 2^((t - L) / half-life) over a fixed landmark L, so that old scores never need an update and late events
land exactly where they belong. With L = 0 (1970) and a half-life of a day that is 2^20,000 today, far beyond a double.
So a score carries an integer exponent of its own: value = mantissa · 2^exponent, mantissa in [0.5, 1). The exponent is
found with integer arithmetic, shifts are exact, and each addition rounds once: n terms in any order agree within
n · 2^-52.
"""

from math import frexp, ldexp
from typing import NamedTuple


class Score(NamedTuple):
    """mantissa · 2^exponent. Normalised, so that tuples compare like the numbers that they stand for."""

    exponent: int
    mantissa: float


def weighed(weight: float, at: int, half_life_ms: int) -> Score:
    """Return weight · 2^(at / half-life), for a positive weight."""
    halvings, rest = divmod(at, half_life_ms)
    mantissa, exponent = frexp(weight * 2.0 ** (rest / half_life_ms))
    return Score(exponent + halvings, mantissa)


def add(one: Score, other: Score) -> Score:
    """Return the sum of two scores."""
    high, low = (one, other) if one.exponent >= other.exponent else (other, one)
    mantissa, exponent = frexp(high.mantissa + ldexp(low.mantissa, low.exponent - high.exponent))
    return Score(high.exponent + exponent, mantissa)


def beats(challenger: Score, holder: Score, margin: float) -> bool:
    """Return whether the challenger is at least (1 + margin) times the holder."""
    mantissa, exponent = frexp(holder.mantissa * (1 + margin))
    return challenger >= Score(holder.exponent + exponent, mantissa)


def rescaled(score: Score, at: int, old_half_life_ms: int, new_half_life_ms: int) -> Score:
    """Return the score that means the same at the time `at` under another half-life."""
    old = weighed(1.0, at, old_half_life_ms)
    new = weighed(1.0, at, new_half_life_ms)
    mantissa, exponent = frexp(score.mantissa * new.mantissa / old.mantissa)
    return Score(score.exponent + exponent + new.exponent - old.exponent, mantissa)
