"""The regret of each policy in worlds with known click rates."""

import numpy as np
import pytest

from bannerstream.lab.bandit.evaluation import evaluate
from bannerstream.lab.bandit.simulation import Oracle, Uniform, regret, world


def test_the_best_choice_costs_nothing_and_chance_costs_what_it_must():
    truth = world(3, 4, seed=1)
    best = regret(truth, Oracle(truth, 1), impressions=2_000, refresh=500, seed=2)
    assert best == pytest.approx(0)
    uniform = regret(truth, Uniform(truth, 1), impressions=20_000, refresh=5_000, seed=2, shares=[1, 0, 0])
    assert uniform[-1] == pytest.approx(20_000 * (truth.rates[0].max() - truth.rates[0].mean()), rel=0.1)


def test_learning_beats_chance_by_far():
    found = {
        evaluation.policy: evaluation
        for evaluation in evaluate(cohorts=3, variants=6, impressions=20_000, refresh=500, seeds=[3, 4])
    }
    assert found["thompson"].final < 0.6 * found["uniform"].final
    assert found["linucb"].final < found["uniform"].final
    assert all(np.all(np.diff(each.curves) >= 0) for each in found.values())


def test_the_same_seed_makes_the_same_world():
    assert np.array_equal(world(3, 4, 5).rates, world(3, 4, 5).rates)
    assert world(3, 4, 5).variants == world(3, 4, 5).variants


def test_more_variants_than_there_are_choices_are_refused():
    with pytest.raises(ValueError, match="there are"):
        world(2, 1_000, 0)
