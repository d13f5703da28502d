"""Forward-decayed sums as plain doubles, which stay in range and do not depend on the order of their terms.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay", ICDE 2009) weighs an event of time t by
g(t - L) = 2^((t - L) / half-life) over a landmark L, so old scores never need an update and late events get exactly
their weight. All scores of a visitor share one landmark: the time of their first event, so that weights start at 1. A
double holds 2^±1022; before an event lies `MAX_HALVINGS` past the landmark, the landmark moves there and every score is
divided accordingly (§III of the paper), which keeps their ratios.

The loss: a score 2^-1000 below the visitor's strongest may round to 0; with a half-life of a week such a taste had no
event for 19 years. All other scores agree within 1e-9, relative, for any order of events.
"""

import numpy as np

MAX_HALVINGS = 500
"""Most half-lives between the landmark and the latest event: 2^500 leaves room for sums, and as much below."""


def decayed(since: int, half_life_ms: int) -> float:
    """Return 2^(since / half-life): the weight of an event `since` milliseconds after the landmark.

    With numpy's `exp2`, as `streams.columnar` does for many events at once: that of `math` differs in the last bit for
    one value in twenty.
    """
    return float(np.exp2(since / half_life_ms))


def beats(challenger: float, holder: float, margin: float) -> bool:
    """Return whether the challenger is at least (1 + margin) times the holder."""
    return challenger >= holder * (1 + margin)
