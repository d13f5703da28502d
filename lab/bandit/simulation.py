"""Simulates visitors with known tastes, to measure a policy's regret: the clicks it loses to the best choice.

Each cohort has a click rate for each variant: the sum, as log-odds, of a base rate, of effects of the variant's
template, headline and scene style that all cohorts share, and of the cohort's own taste. A policy receives results
every `refresh` impressions, like the real one (results come over Kafka), and chooses for each visitor in between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.variants import CREATIVES, creative_of
from bannerstream.streams.experiments.posterior import Guard, Posterior

BASE_RATE = 0.02
"""Clicks per impression of banners on a shop's own pages; advertising elsewhere has a tenth of that."""

SHARED_SPREAD, OWN_SPREAD = 0.25, 0.35
"""Standard deviations of the effects on the log-odds: a part's over all cohorts, and a variant's in one cohort."""

LINUCB_WIDTH = 0.3
"""LinUCB's alpha: the best of 0.1, 0.3 and 1 in this simulation."""


@dataclass(frozen=True, slots=True)
class World:
    """The true click rates, of shape (cohorts, variants)."""

    variants: tuple[str, ...]
    rates: NDArray[np.float64]

    @property
    def cohorts(self) -> list[str]:
        """Return the cohorts' names."""
        return [f"cohort-{number}" for number in range(len(self.rates))]


class Policy(Protocol):
    """Chooses variants and learns from results."""

    def choose(self, cohort: int, visitor: int) -> int:
        """Return the index of the variant that this visitor sees."""
        ...

    def learn(self, seen: NDArray[np.int64], clicked: NDArray[np.int64]) -> None:
        """Learn from all results so far, both of shape (cohorts, variants)."""
        ...


def world(cohorts: int, variants: int, seed: int) -> World:
    """Return a world of these sizes, the same for the same seed.

    Raises:
        ValueError: there are fewer variants than requested.
    """
    if not 1 <= variants <= len(CREATIVES):
        raise ValueError(f"there are {len(CREATIVES)} variants, not {variants}")
    random = np.random.default_rng(seed)
    names = [CREATIVES[int(index)].variant for index in random.permutation(len(CREATIVES))[:variants]]
    effects: dict[tuple[int, str], float] = {}
    shared = np.zeros(variants)
    for index, name in enumerate(names):
        creative = creative_of(name)
        assert creative is not None
        for part in ((0, creative.template), (1, creative.headline), (2, creative.scene)):
            shared[index] += effects.setdefault(part, random.normal(0, SHARED_SPREAD))
    own = random.normal(0, OWN_SPREAD, (cohorts, variants))
    logits = np.log(BASE_RATE / (1 - BASE_RATE)) + shared + own
    return World(tuple(names), 1 / (1 + np.exp(-logits)))


class Uniform:
    """Chooses every variant with equal probability."""

    def __init__(self, truth: World, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._count = len(truth.variants)

    def choose(self, cohort: int, visitor: int) -> int:
        """See `Policy`."""
        del cohort, visitor
        return int(self._random.integers(self._count))

    def learn(self, seen: NDArray[np.int64], clicked: NDArray[np.int64]) -> None:
        """See `Policy`."""


class Oracle:
    """Chooses the truly best variant of each cohort."""

    def __init__(self, truth: World, seed: int) -> None:
        del seed
        self._best = truth.rates.argmax(axis=1)

    def choose(self, cohort: int, visitor: int) -> int:
        """See `Policy`."""
        del visitor
        return int(self._best[cohort])

    def learn(self, seen: NDArray[np.int64], clicked: NDArray[np.int64]) -> None:
        """See `Policy`."""


class LinUcb:
    """LinUCB with disjoint models (Li et al. 2010): one ridge regression per cohort on the variant's parts.

    It breaks ties of the bound at random.
    """

    def __init__(self, truth: World, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        creatives = [creative for name in truth.variants if (creative := creative_of(name)) is not None]
        of_each = [((0, creative.template), (1, creative.headline), (2, creative.scene)) for creative in creatives]
        parts = sorted({part for of_one in of_each for part in of_one})
        variants = len(truth.variants)
        self._features = np.zeros((variants, 1 + len(parts) + variants))
        for index, of_one in enumerate(of_each):
            self._features[index, 0] = 1
            for part in of_one:
                self._features[index, 1 + parts.index(part)] = 1
            self._features[index, 1 + len(parts) + index] = 1
        self._bounds = np.zeros((len(truth.rates), variants))

    def choose(self, cohort: int, visitor: int) -> int:
        """See `Policy`."""
        del visitor
        bounds = self._bounds[cohort]
        return int(self._random.choice(np.flatnonzero(bounds >= bounds.max() - 1e-12)))

    def learn(self, seen: NDArray[np.int64], clicked: NDArray[np.int64]) -> None:
        """See `Policy`."""
        features = self._features
        for cohort in range(len(seen)):
            precision = np.eye(features.shape[1]) + (features.T * seen[cohort]) @ features
            inverse = np.linalg.inv(precision)
            weights = inverse @ (features.T @ clicked[cohort])
            widths = np.sqrt(np.einsum("ij,jk,ik->i", features, inverse, features))
            self._bounds[cohort] = features @ weights + LINUCB_WIDTH * widths


class Thompson:
    """The product's own policy: `streams.experiments.posterior`."""

    def __init__(self, truth: World, seed: int, guard: Guard | None = None) -> None:
        self._truth = truth
        self._guard = guard or Guard()
        self._indices = {name: index for index, name in enumerate(truth.variants)}
        self._cohorts = truth.cohorts
        self._salt = b"%d-" % seed
        self._posterior = Posterior(truth.variants, {}, self._guard)

    def choose(self, cohort: int, visitor: int) -> int:
        """See `Policy`."""
        return self._indices[self._posterior.draw(self._cohorts[cohort], None, self._salt + b"%d" % visitor, 1)]

    def learn(self, seen: NDArray[np.int64], clicked: NDArray[np.int64]) -> None:
        """See `Policy`."""
        counts = {
            (cohort, variant): (int(seen[row, column]), int(clicked[row, column]))
            for row, cohort in enumerate(self._cohorts)
            for column, variant in enumerate(self._truth.variants)
        }
        self._posterior = Posterior(self._truth.variants, counts, self._guard)


POLICIES: Mapping[str, Callable[[World, int], Policy]] = {
    "thompson": Thompson,
    "linucb": LinUcb,
    "uniform": Uniform,
    "oracle": Oracle,
}


def regret(
    truth: World, policy: Policy, *, impressions: int, refresh: int, seed: int, shares: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Return the regret after each refresh, of shape (impressions // refresh,): expected clicks short of the best.

    `shares` are the cohorts' shares of the visits; by default a few large and many small ones (Zipf). Every policy gets
    the same visitors, and a visitor clicks with the same probability.
    """
    cohorts, variants = truth.rates.shape
    random = np.random.default_rng(seed)
    weights = np.array(shares) if shares is not None else 1 / np.arange(1, cohorts + 1)
    visits = random.choice(cohorts, size=impressions, p=weights / weights.sum())
    chances = random.random(impressions)
    best = truth.rates.max(axis=1)
    seen = np.zeros((cohorts, variants), dtype=np.int64)
    clicked = np.zeros((cohorts, variants), dtype=np.int64)
    lost, curve = 0.0, []
    for visitor, (cohort, chance) in enumerate(zip(map(int, visits), chances, strict=True), start=1):
        variant = policy.choose(cohort, visitor)
        rate = truth.rates[cohort, variant]
        seen[cohort, variant] += 1
        clicked[cohort, variant] += chance < rate
        lost += best[cohort] - rate
        if visitor % refresh == 0:
            policy.learn(seen, clicked)
            curve.append(lost)
    return np.array(curve)
