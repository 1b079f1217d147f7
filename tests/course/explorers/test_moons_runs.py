"""Runs on many pairs of moons at once: against ensembles trained one by one, and against what a strategy promises."""

import numpy as np
import pytest
import torch

from bal_course.explorers import moons
from bal_course.explorers.moons_runs import choose, committees, follow
from bal_course.explorers.moons_training import LEARNING_RATE, STEPS
from bal_utils.acquisition import bald_scores
from bal_utils.models import MLP
from bal_utils.posteriors import ensemble
from bal_utils.training.fit import FitConfig

SEEDS, NOISE = (3, 4), 0.3
STARTS = [moons.first_labels(NOISE, seed, 6) for seed in SEEDS]
VIEWS = committees(NOISE, SEEDS, STARTS, members=2)


def test_a_committee_is_the_ensemble_trained_alone():
    """Full batches take the same steps; sums in another order move probabilities by little."""
    config = FitConfig(learning_rate=LEARNING_RATE, batch_size=moons.NUM_POOL, max_epochs=STEPS, weight_decay=1e-4)
    for view_P_K_C, seed, known in zip(VIEWS, SEEDS, STARTS, strict=True):
        data = moons.moons(NOISE, seed)
        alone = ensemble.fit_ensemble(
            lambda: MLP(2, 2, hidden=moons.HIDDEN, dropout=0.0),
            data.pool_P_2[list(known)],
            data.labels_P[list(known)],
            num_members=2,
            config=config,
            seed=seed,
        )
        expected = ensemble.sample_log_probs(alone, data.pool_P_2).exp()
        assert (view_P_K_C.exp() - expected).abs().mean() < 1e-3


def test_sets_of_different_sizes_share_a_stack_without_touching_each_other():
    together = committees(NOISE, SEEDS, [STARTS[0], (*STARTS[1], 100, 101)], members=2)
    assert (together[0].exp() - VIEWS[0].exp()).abs().mean() < 1e-3
    assert (together[1].exp() - VIEWS[1].exp()).abs().mean() > 1e-3


def test_the_choice_is_the_best_of_what_is_not_known():
    scores_P = bald_scores(VIEWS[0])
    scores_P[list(STARTS[0])] = -torch.inf
    assert choose("bald", VIEWS[0], STARTS[0], 3, 4) == tuple(scores_P.argsort(descending=True)[:4].tolist())


def test_a_run_reports_what_it_asked_for():
    run = follow("bald", noise=NOISE, seeds=SEEDS, start=6, rounds=2, batch=3, members=2)
    assert run.places.shape == (2, 2, 3, 2)
    assert run.prob.shape == run.noise.shape == run.taught.shape == (2, 2, 3)
    for s, seed in enumerate(SEEDS):
        first = choose("bald", VIEWS[s], STARTS[s], seed, 3)
        np.testing.assert_allclose(run.places[s, 0], moons.moons(NOISE, seed).pool_P_2[list(first)])
        assert len({tuple(place) for place in run.places[s].reshape(-1, 2).tolist()}) == 6  # nothing is asked twice
    mean = run.prob
    doubt = -mean * np.log(mean) - (1 - mean) * np.log(1 - mean)
    np.testing.assert_allclose(doubt, run.noise + run.taught, atol=1e-5)  # the terms add up to the entropy of the mean


def test_more_labels_than_the_pool_has_are_refused():
    with pytest.raises(ValueError, match="^rounds: .*38, got 39"):
        follow("random", noise=NOISE, seeds=SEEDS, start=10, rounds=39, batch=5)
