"""The posterior of each variant's click rate, and the draw of a decision's variant from it.

Thompson sampling in two levels (HierTS: Hong et al., "Hierarchical Bayesian Bandits", 2022): a variant's rate over all
cohorts is drawn from its posterior, which is then the prior of its rate in one cohort. A cohort with few results thus
borrows from the others, with their uncertainty, and one with many results relies on its own. A variant without results
borrows from those that share its template, headline or scene style. Why not LinUCB: its choice is not random, so all
decisions between two updates are the same; its width needs tuning; and cohorts learn nothing from each other.
`bannerstream evaluate bandit` compares them.

A decision itself draws nothing. When results change, `SLOTS` draws are made per cohort at once, and a decision reads
the slot that its visitor and epoch hash to: the shares are those of Thompson sampling, a replay under the same
posterior chooses the same variant, and a decision costs one hash.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import exp, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from bannerstream.contracts.variants import creative_of
from bannerstream.streams.experiments.tally import Tally, TallyKey

SLOTS = 1024
"""Draws per cohort: shares are exact to 0.1 %."""

PRIOR_CLICKS, PRIOR_IMPRESSIONS = 1.0, 100.0
"""The prior of a shop without results: one click in a hundred."""

VARIANT_STRENGTH = 200.0
"""Weight in impressions of a new variant's prior, which comes from its parts: two clicks' worth of them overrule it."""

LEAST_STRENGTH, MOST_STRENGTH = 50.0, 5_000.0
"""Bounds of the weight in impressions that all cohorts together have for one cohort; the data determine the value."""

_FURTHEST_LOGIT = 7.0
"""Limit of the added effects of parts: a prior rate between 0.1 % and 99.9 %."""

Counts = Mapping[tuple[str, str], tuple[int, int]]
"""By (cohort, variant): impressions and clicks."""

DrawReason = Literal["only", "explored", "believed"]
"""The brand allows one variant only; every variant has an equal chance; drawn from the posterior."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The limits of an experiment."""

    minimum_exploration: float = 0.05
    """Share of decisions in which each variant has an equal chance, whatever its posterior. 0 to 1."""
    of_brands: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Variants by brand; a brand that is not listed allows all."""


class Posterior:
    """The posterior at the time the results were read. Immutable; slots are filled at their first use."""

    def __init__(self, variants: Sequence[str], counts: Counts, guard: Guard) -> None:
        if not variants:
            raise ValueError("an experiment needs at least one variant")
        self.variants = tuple(variants)
        self._counts = counts
        self._guard = guard
        self._explored_slots = round(guard.minimum_exploration * SLOTS)
        self._slots: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}

    def draw(self, cohort_id: str, brand: str | None, key: bytes, epoch: int) -> str:
        """Return the variant of this visitor's decision with this epoch."""
        return self.draw_with_reason(cohort_id, brand, key, epoch)[0]

    def draw_with_reason(self, cohort_id: str, brand: str | None, key: bytes, epoch: int) -> tuple[str, DrawReason]:
        """Return the variant that `draw` returns, and the reason for it."""
        allowed = self._allowed(brand)
        if len(allowed) == 1:
            return allowed[0], "only"
        place = (cohort_id, allowed)
        slots = self._slots.get(place)
        if slots is None:
            slots = self._slots[place] = self._fill(cohort_id, allowed)
        slot = xxh3_64_intdigest(b"%b:%d" % (key, epoch)) % SLOTS
        return slots[slot], "explored" if slot < self._explored_slots else "believed"

    def shares(self, cohort_id: str, brand: str | None = None) -> dict[str, float]:
        """Return each variant's share of this cohort's decisions."""
        allowed = self._allowed(brand)
        slots = self._fill(cohort_id, allowed)
        return {variant: count / len(slots) for variant, count in Counter(slots).items()}

    def expected(self, cohort_id: str) -> dict[str, float]:
        """Return the expected click rate of each variant in this cohort: the posterior's mean."""
        means = self._variant_posterior[0] / self._variant_posterior.sum(axis=0)
        seen, clicked = self._of_cohort(cohort_id)
        rates = (self._strength * means + clicked) / (self._strength + seen)
        return dict(zip(self.variants, map(float, rates), strict=True))

    def _allowed(self, brand: str | None) -> tuple[str, ...]:
        limit = None if brand is None else self._guard.of_brands.get(brand)
        if limit is None:
            return self.variants
        return tuple(variant for variant in self.variants if variant in limit) or self.variants[:1]

    def _fill(self, cohort_id: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """Fill every slot: first those of exploration, each variant in turn, then by Thompson sampling."""
        chosen = [allowed[slot % len(allowed)] for slot in range(self._explored_slots)]
        indices = [self.variants.index(variant) for variant in allowed]
        # Seeded, so that a replay on another worker with the same results chooses the same variant.
        random = np.random.default_rng(xxh3_64_intdigest(cohort_id.encode()))
        rounds = SLOTS - self._explored_slots
        alpha, beta = (parameter[indices] for parameter in self._variant_posterior)
        shared = np.clip(random.beta(alpha, beta, (rounds, len(indices))), 1e-6, 1 - 1e-6)
        seen, clicked = (counts[indices] for counts in self._of_cohort(cohort_id))
        rates = random.beta(self._strength * shared + clicked, self._strength * (1 - shared) + (seen - clicked))
        chosen += [allowed[int(best)] for best in rates.argmax(axis=1)]
        return tuple(chosen)

    def _of_cohort(self, cohort_id: str) -> NDArray[np.float64]:
        """Return impressions and clicks of each variant in one cohort, of shape (2, variants)."""
        found = [_sane(self._counts.get((cohort_id, variant), (0, 0))) for variant in self.variants]
        return np.array(found, dtype=np.float64).T

    @cached_property
    def _of_all(self) -> NDArray[np.float64]:
        """Impressions and clicks of each variant over all cohorts, of shape (2, variants)."""
        totals: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(2))
        for (_, variant), counts in self._counts.items():
            totals[variant] += np.array(_sane(counts), dtype=np.float64)
        return np.array([totals[variant] for variant in self.variants]).T

    @cached_property
    def _variant_posterior(self) -> NDArray[np.float64]:
        """The Beta parameters of each variant's rate over all cohorts, of shape (2, variants)."""
        seen, clicked = self._of_all
        prior = np.array(self._rates_by_parts())
        return np.array([VARIANT_STRENGTH * prior + clicked, VARIANT_STRENGTH * (1 - prior) + (seen - clicked)])

    def _rates_by_parts(self) -> list[float]:
        """Return each variant's expected rate from its parts: the sum of their effects on the log-odds."""
        seen, clicked = self._of_all
        base = (clicked.sum() + PRIOR_CLICKS) / (seen.sum() + PRIOR_IMPRESSIONS)
        parts = [_parts(variant) for variant in self.variants]
        effects: dict[tuple[int, str], float] = {}
        for part in {part for of_one in parts for part in of_one}:
            with_it = [index for index, of_one in enumerate(parts) if part in of_one]
            rate = (clicked[with_it].sum() + VARIANT_STRENGTH * base) / (seen[with_it].sum() + VARIANT_STRENGTH)
            effects[part] = _logit(rate) - _logit(base)
        return [_rate(_logit(base) + sum(effects[part] for part in of_one)) for of_one in parts]

    @cached_property
    def _strength(self) -> float:
        """Weight in impressions of all cohorts together for one: smaller the more cohorts differ beyond chance.

        By the method of moments: rates from a Beta with mean m and strength s have variance m (1 - m) / (s + 1).
        """
        means = self._variant_posterior[0] / self._variant_posterior.sum(axis=0)
        of_variant = dict(zip(self.variants, means, strict=True))
        between, within = 0.0, 0.0
        for (_, variant), counts in self._counts.items():
            seen, clicked = _sane(counts)
            if variant not in of_variant or seen < 2:
                continue
            mean = of_variant[variant]
            chance = mean * (1 - mean)
            between += seen * ((clicked / seen - mean) ** 2 - chance / seen)
            within += seen * chance
        if between <= 0:
            return MOST_STRENGTH
        return min(MOST_STRENGTH, max(LEAST_STRENGTH, within / between - 1))


def fit(variants: Sequence[str], tallies: Iterable[tuple[TallyKey, Tally]], guard: Guard) -> Posterior:
    """Return the posterior given these tallies, of any number of partitions and products.

    Raises:
        ValueError: no variants.
    """
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for key, tally in tallies:
        seen, clicked = sums.get((key.cohort_id, key.variant), (0, 0))
        sums[key.cohort_id, key.variant] = (seen + tally.impressions, clicked + tally.clicks)
    return Posterior(variants, sums, guard)


def _sane(counts: tuple[int, int]) -> tuple[int, int]:
    """Return impressions and clicks, with at least as many impressions as clicks: an impression may arrive late."""
    seen, clicked = counts
    return max(seen, clicked), clicked


def _parts(variant: str) -> tuple[tuple[int, str], ...]:
    """Return template, headline style and scene style of a variant that names them, else nothing."""
    creative = creative_of(variant)
    return () if creative is None else ((0, creative.template), (1, creative.headline), (2, creative.scene))


def _logit(rate: float) -> float:
    return log(rate / (1 - rate))


def _rate(logit: float) -> float:
    return 1 / (1 + exp(-max(-_FURTHEST_LOGIT, min(_FURTHEST_LOGIT, logit))))
