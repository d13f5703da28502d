"""Forward-decayed sums as plain doubles that stay in range and do not depend on the order of their terms.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay", ICDE 2009) weighs an event of time t by
g(t - L) = 2^((t - L) / half-life) over a landmark L, so that old scores never need an update and late events land
exactly where they belong. One landmark serves all scores of a visitor: the time of their first event, so that the
weights start at 1. A double holds 2^±1022; before an event lies `MAX_HALVINGS` past the landmark, the landmark is moved
there and every score divided by what that adds (§III of the paper), which keeps their ratios.

What is lost: a score 2^-1000 below the visitor's strongest may round to 0, "nothing": with a half-life of a week that
is a taste of which nothing was heard for 19 years. All others agree within 1e-9, relatively, whatever the order.
"""

from math import exp2

MAX_HALVINGS = 500
"""Half-lives from the landmark to the latest event, at most: 2^500 leaves room for sums, and for as much below."""


def decayed(since: int, half_life_ms: int) -> float:
    """Return 2^(since / half-life): what an event counts that lies `since` milliseconds after the landmark."""
    return exp2(since / half_life_ms)


def beats(challenger: float, holder: float, margin: float) -> bool:
    """Return whether the challenger is at least (1 + margin) times the holder."""
    return challenger >= holder * (1 + margin)
