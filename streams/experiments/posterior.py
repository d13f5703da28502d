"""What is believed of each variant's click rate, and the variant that a decision shows because of it.

Thompson sampling in two levels (HierTS: Hong et al., "Hierarchical Bayesian Bandits", 2022): a variant's rate over all
cohorts is drawn from its posterior, and from that, as a prior, its rate in one cohort. A cohort of which little is
known thus borrows from the others, with their uncertainty, and one of which much is known goes its own way. A variant
of which nothing is known borrows from those that share its template, its headline or its scene style. DrawReason not LinUCB:
its choice is not random, so that the decisions between two updates are all alike, it needs a width to be tuned, and
cohorts learn nothing from each other; `bannerstream evaluate bandit` compares them.

Nothing is drawn when a decision is taken. When results change, `SLOTS` draws are made of each cohort at once, and a
decision looks into the slot that its visitor and epoch hash to: the shares are those of Thompson sampling, a replay
under the same posterior chooses alike, and a decision costs one hash.
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
"""Draws of each cohort: shares are exact to 0.1 %."""

PRIOR_CLICKS, PRIOR_IMPRESSIONS = 1.0, 100.0
"""What is believed of a shop of which nothing is known: a click in a hundred."""

VARIANT_STRENGTH = 200.0
"""Impressions that the belief in a new variant, from its parts, is worth: overruled after two clicks' worth of them."""

LEAST_STRENGTH, MOST_STRENGTH = 50.0, 5_000.0
"""Between these is what all cohorts together are worth to one of them, in impressions; how much, the data say."""

_FURTHEST_LOGIT = 7.0
"""Added effects of parts reach no further: a rate of 0.1 % or 99.9 % before anything of the variant is known."""

Counts = Mapping[tuple[str, str], tuple[int, int]]
"""By (cohort, variant): impressions, clicks."""

DrawReason = Literal["only", "explored", "believed"]
"""The brand allows no other; each has an equal chance; drawn by what is believed."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Within what an experiment stays."""

    minimum_exploration: float = 0.05
    """Share of decisions in which each variant has an equal chance, whatever is believed of it. 0 to 1."""
    of_brands: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The variants that a brand allows; a brand that is not named allows all."""


class Posterior:
    """The posterior when the results were read. Immutable; slots are filled when they are first asked for."""

    def __init__(self, variants: Sequence[str], counts: Counts, guard: Guard) -> None:
        if not variants:
            raise ValueError("an experiment needs at least one variant")
        self.variants = tuple(variants)
        self._counts = counts
        self._guard = guard
        self._explored_slots = round(guard.minimum_exploration * SLOTS)
        self._slots: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}

    def draw(self, cohort_id: str, brand: str | None, key: bytes, epoch: int) -> str:
        """Return the variant that this visitor's decision of this number shows."""
        return self.draw_with_reason(cohort_id, brand, key, epoch)[0]

    def draw_with_reason(self, cohort_id: str, brand: str | None, key: bytes, epoch: int) -> tuple[str, DrawReason]:
        """Return what `draw` does, and why it was drawn."""
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
        """Return the share of this cohort's decisions that each variant gets."""
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
        return tuple(each for each in self.variants if each in limit) or self.variants[:1]

    def _fill(self, cohort_id: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """Draw every slot: first those of exploration, each variant in turn, then by Thompson sampling."""
        chosen = [allowed[slot % len(allowed)] for slot in range(self._explored_slots)]
        places = [self.variants.index(each) for each in allowed]
        # The same slots for the same results on every worker, so that a replay elsewhere chooses alike.
        random = np.random.default_rng(xxh3_64_intdigest(cohort_id.encode()))
        rounds = SLOTS - self._explored_slots
        alpha, beta = (each[places] for each in self._variant_posterior)
        shared = np.clip(random.beta(alpha, beta, (rounds, len(places))), 1e-6, 1 - 1e-6)
        seen, clicked = (each[places] for each in self._of_cohort(cohort_id))
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
        """Return what each variant's parts let expect of it: their effects on the log-odds, added up."""
        seen, clicked = self._of_all
        base = (clicked.sum() + PRIOR_CLICKS) / (seen.sum() + PRIOR_IMPRESSIONS)
        parts = [_parts(variant) for variant in self.variants]
        effects: dict[tuple[int, str], float] = {}
        for part in {each for of_one in parts for each in of_one}:
            with_it = [number for number, of_one in enumerate(parts) if part in of_one]
            rate = (clicked[with_it].sum() + VARIANT_STRENGTH * base) / (seen[with_it].sum() + VARIANT_STRENGTH)
            effects[part] = _logit(rate) - _logit(base)
        return [_rate(_logit(base) + sum(effects[part] for part in of_one)) for of_one in parts]

    @cached_property
    def _strength(self) -> float:
        """What all cohorts together are worth to one, in impressions: by how much cohorts differ, beyond chance.

        The method of moments: of a Beta of mean m and strength s, rates vary by m (1 - m) / (s + 1).
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
    """Return what these tallies, of any number of partitions and products, let fit.

    Raises:
        ValueError: no variants.
    """
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for place, tally in tallies:
        seen, clicked = sums.get((place.cohort_id, place.variant), (0, 0))
        sums[place.cohort_id, place.variant] = (seen + tally.impressions, clicked + tally.clicks)
    return Posterior(variants, sums, guard)


def _sane(counts: tuple[int, int]) -> tuple[int, int]:
    """Return impressions and clicks with no more clicks than impressions: a click whose impression is not here yet."""
    seen, clicked = counts
    return max(seen, clicked), clicked


def _parts(variant: str) -> tuple[tuple[int, str], ...]:
    """Return template, headline style and scene style of a variant that names them; of another, nothing."""
    creative = creative_of(variant)
    return () if creative is None else ((0, creative.template), (1, creative.headline), (2, creative.scene))


def _logit(rate: float) -> float:
    return log(rate / (1 - rate))


def _rate(logit: float) -> float:
    return 1 / (1 + exp(-max(-_FURTHEST_LOGIT, min(_FURTHEST_LOGIT, logit))))
