"""The regret of each policy over several simulated worlds, for `bannerstream evaluate bandit`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bannerstream.lab.bandit.simulation import POLICIES, regret, world

CURVE_POINTS = 100


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The regret of one policy, in clicks short of the best choice; `curves` of shape (worlds, points)."""

    policy: str
    impressions: NDArray[np.int64]
    """The number of impressions at each point."""
    curves: NDArray[np.float64]

    @property
    def final(self) -> float:
        """Return the regret at the end: the mean over worlds."""
        return float(self.curves[:, -1].mean())

    @property
    def spread(self) -> float:
        """Return the standard error of that mean; 0 for a single world."""
        ends = self.curves[:, -1]
        return float(ends.std(ddof=1) / np.sqrt(len(ends))) if len(ends) > 1 else 0.0


def evaluate(
    *,
    cohorts: int,
    variants: int,
    impressions: int,
    refresh: int,
    seeds: Sequence[int],
    on_progress: Callable[[str], None] = lambda _: None,
) -> list[Evaluation]:
    """Run every policy on the same visitors of the same worlds.

    Raises:
        ValueError: too many variants, no seeds, or fewer impressions than one refresh.
    """
    if not seeds or impressions < refresh:
        raise ValueError("evaluation needs at least one seed, and at least as many impressions as one refresh")
    curves: dict[str, list[NDArray[np.float64]]] = {name: [] for name in POLICIES}
    for number, seed in enumerate(seeds, start=1):
        truth = world(cohorts, variants, seed)
        for name, make in POLICIES.items():
            on_progress(f"world {number} of {len(seeds)}: {name}")
            policy = make(truth, seed)
            curves[name].append(regret(truth, policy, impressions=impressions, refresh=refresh, seed=seed + 1))
    points = refresh * np.arange(1, impressions // refresh + 1)
    thinned = np.unique(np.linspace(0, len(points) - 1, min(CURVE_POINTS, len(points))).astype(int))
    return [Evaluation(name, points[thinned], np.array(of_policy)[:, thinned]) for name, of_policy in curves.items()]
