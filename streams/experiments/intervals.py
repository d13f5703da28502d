"""Confidence intervals of click rates."""

from math import sqrt
from typing import NamedTuple

Z_95 = 1.959964
"""Standard normal quantile of 0.975: two-sided 95 %."""


class Interval(NamedTuple):
    """A rate with its confidence interval, all between 0 and 1."""

    rate: float
    low: float
    high: float


def wilson(clicks: int, impressions: int, z: float = Z_95) -> Interval:
    """Return a click rate with its Wilson score interval (Wilson 1927), which is valid for few clicks, too.

    Without impressions the rate is 0 and the interval 0 to 1.

    Raises:
        ValueError: negative counts, or more clicks than impressions.
    """
    if not 0 <= clicks <= impressions:
        raise ValueError(f"{clicks} clicks of {impressions} impressions are not a rate")
    if impressions == 0:
        return Interval(0.0, 0.0, 1.0)
    rate = clicks / impressions
    spread = z * z / impressions
    middle = rate + spread / 2
    reach = z * sqrt((rate * (1 - rate) + spread / 4) / impressions)
    low = 0.0 if clicks == 0 else max(0.0, (middle - reach) / (1 + spread))
    high = 1.0 if clicks == impressions else min(1.0, (middle + reach) / (1 + spread))
    return Interval(rate, low, high)
