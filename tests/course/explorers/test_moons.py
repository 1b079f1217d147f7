"""The computation behind TwoMoons, without a browser: sampling, scores, batches, and what labels are worth."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bal_course.explorers import moons
from bal_course.explorers.moons import MEMBERS, NUM_POOL, POSTERIORS, Setting
from bal_course.explorers.moons_training import LEARNING_RATE, STEPS
from bal_utils.acquisition import ACQUISITIONS, epig_scores, expected_error_reduction_scores
from bal_utils.models import MLP
from bal_utils.runtime import stream_seed
from bal_utils.training.fit import FitConfig, fit, initialised

KNOWN = tuple(sorted(moons.first_labels(0.2, 3, 8)))


def setting(posterior="MC-dropout", dropout=0.2, known=KNOWN, noise=0.2):
    return Setting(noise, 3, known, posterior, dropout)


def test_the_first_labels_hold_both_classes_and_grow_in_order():
    labels = moons.moons(0.2, 3).labels_P
    assert {int(labels[index]) for index in moons.first_labels(0.2, 3, 2)} == {0, 1}
    assert moons.first_labels(0.2, 3, 12)[:5] == moons.first_labels(0.2, 3, 5)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_every_posterior_gives_normalised_predictions_everywhere(posterior):
    samples = moons.sample(setting(posterior, 0.2 if posterior == "MC-dropout" else 0.0))
    counts = {"MC-dropout": 100, "ensemble": MEMBERS, "Laplace": 100, "one network": 1}
    for part, places in ((samples.grid_G_K_C, moons.ROWS * moons.COLUMNS), (samples.pool_P_K_C, NUM_POOL)):
        assert part.shape == (places, counts[posterior], 2)
        torch.testing.assert_close(part.exp().sum(dim=-1), torch.ones(part.shape[:2]))
    assert samples.first(3).pool_P_K_C.shape[1] == min(3, counts[posterior])
    assert moons.accuracy(samples, 0.2, 3) > 0.7


def test_without_labels_there_is_a_sentence():
    with pytest.raises(ValueError, match="Nothing is labelled"):
        moons.sample(setting(known=()))


def test_the_map_of_bald_is_all_doubt_less_noise():
    samples = moons.sample(setting()).first(7)
    probs = samples.grid_G_K_C.exp().double().numpy()
    mean = probs.mean(axis=1)
    doubt = -(mean * np.log(mean)).sum(axis=-1)
    noise = -np.where(probs > 0, probs * np.log(np.where(probs > 0, probs, 1)), 0).sum(axis=-1).mean(axis=1)
    np.testing.assert_allclose(moons.surface("bald", samples, KNOWN).ravel(), doubt - noise, atol=1e-5)


@pytest.mark.parametrize("strategy", ACQUISITIONS)
def test_every_strategy_has_a_map_and_asks_for_new_points(strategy):
    samples = moons.sample(setting()).first(10)
    assert np.isfinite(moons.surface(strategy, samples, KNOWN)).all()
    batch = moons.next_batch(strategy, samples, KNOWN, 5, seed=3)
    assert len(set(batch.indices)) == 5 and not set(batch.indices) & set(KNOWN)
    assert moons.next_batch(strategy, samples, KNOWN, 5, seed=3) == batch


@pytest.mark.parametrize("strategy", sorted(set(ACQUISITIONS) - {"random"}))
def test_the_map_and_the_batch_go_by_one_score(strategy):
    """A map over the pool's own points is the score of the pool: its highest unlabelled place is what is asked first."""
    samples = moons.sample(setting()).first(10)
    of_pool = replace(samples, grid_G_K_C=samples.pool_P_K_C, grid_features_G_F=samples.pool_features_P_F)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moons, "ROWS", 1)
        patch.setattr(moons, "COLUMNS", NUM_POOL)
        score_P = moons.surface(strategy, of_pool, KNOWN, seed=3)[0]
    score_P[list(KNOWN)] = -np.inf
    batch = moons.next_batch(strategy, samples, KNOWN, 1, seed=3)
    if not strategy.startswith(("power", "softmax")):  # they draw
        assert score_P[batch.indices[0]] == pytest.approx(score_P.max(), abs=1e-6)
    assert batch.scores[0] == pytest.approx(score_P[batch.indices[0]], abs=1e-6)


@pytest.mark.parametrize(
    ("strategy", "score"), [("epig", epig_scores), ("error_reduction", expected_error_reduction_scores)]
)
def test_the_map_s_targets_are_the_unlabelled_points(strategy, score):
    samples = moons.sample(setting()).first(10)
    left = [index for index in range(NUM_POOL) if index not in KNOWN]
    expected = score(samples.grid_G_K_C, samples.pool_P_K_C[left])
    np.testing.assert_allclose(moons.surface(strategy, samples, KNOWN, seed=3).ravel(), expected, atol=1e-5)
    assert np.isfinite(moons.surface(strategy, samples, tuple(range(NUM_POOL)))).all()  # nothing is left


def test_bald_asks_where_its_score_is_highest_among_the_unlabelled():
    samples = moons.sample(setting()).first(20)
    probs = samples.pool_P_K_C.exp().double()
    mean = probs.mean(dim=1)
    scores = torch.special.entr(mean).sum(-1) - torch.special.entr(probs).sum(-1).mean(-1)
    scores[list(KNOWN)] = -math.inf
    assert moons.next_batch("bald", samples, KNOWN, 3, seed=3).indices == scores.argsort(descending=True)[:3].tolist()


def test_a_batch_ends_with_the_pool():
    nearly_all = tuple(range(NUM_POOL - 2))
    samples = moons.sample(setting(known=nearly_all))
    assert sorted(moons.next_batch("entropy", samples, nearly_all, 20, seed=3).indices) == [NUM_POOL - 2, NUM_POOL - 1]
    assert moons.next_batch("entropy", samples, tuple(range(NUM_POOL)), 20, seed=3).indices == []


def test_worth_is_what_networks_trained_one_by_one_reach():
    """The stack of padded sets against `training.fit`, whose full batches take the same steps; two points may differ."""
    data = moons.moons(0.2, 3)
    config = FitConfig(learning_rate=LEARNING_RATE, batch_size=NUM_POOL, max_epochs=STEPS, weight_decay=1e-4)
    probs = []
    for r in range(moons.RULERS):
        model = initialised(lambda: MLP(2, 2, hidden=moons.HIDDEN, dropout=0.0), stream_seed(3, "worth", r))
        fit(model, data.pool_P_2[list(KNOWN)], data.labels_P[list(KNOWN)], config=config, seed=0)
        probs.append(model(data.test_E_2).softmax(dim=-1).detach())
    alone = (torch.stack(probs).mean(dim=0).argmax(dim=-1) == data.test_labels_E).double().mean().item()
    longer = tuple(sorted({*KNOWN, 5, 6, 7, 8, 9}))
    together = moons.worths(0.2, 3, (KNOWN, longer))
    assert together[0] == pytest.approx(alone, abs=2 / moons.NUM_TEST + 1e-9)
    assert moons.worth(0.2, 3, KNOWN) == pytest.approx(together[0], abs=2 / moons.NUM_TEST + 1e-9)


def test_random_runs_start_alike_and_part():
    worths = moons.random_band(0.2, 3, KNOWN, (0, 10), runs=3)
    assert worths.shape == (3, 2) and len(set(worths[:, 0])) == 1 and len(set(worths[:, 1])) > 1


def test_nothing_moves_the_global_random_state():
    before = torch.random.get_rng_state()
    moons.sample.__wrapped__(setting("ensemble", 0.0))
    moons.worths(0.2, 3, (tuple(range(9)),))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("data", moons.DATA)
def test_every_data_set_has_two_classes_that_networks_can_learn_and_fits_the_plane(data):
    found = moons.moons(0.1, 3, data)
    assert found.pool_P_2.shape == (NUM_POOL, 2) and found.test_labels_E.shape == (moons.NUM_TEST,)
    assert 0.4 < found.labels_P.double().mean() < 0.6
    for axis, (low, high) in enumerate(moons.PLANE.values()):
        assert low < found.pool_P_2[:, axis].min() and found.pool_P_2[:, axis].max() < high
    everything = tuple(range(NUM_POOL))
    assert moons.worth(0.1, 3, everything, data) > 0.95
    again = moons.moons.__wrapped__(0.1, 3, data)
    torch.testing.assert_close(again.pool_P_2, found.pool_P_2, rtol=0, atol=0)


def test_the_oracle_errs_at_one_of_the_first_labels_and_nowhere_else():
    right, wrong = moons.moons(0.2, 3).labels_P, moons.moons(0.2, 3, moons.WRONG).labels_P
    (erring,) = (right != wrong).nonzero().flatten().tolist()
    assert erring in moons.first_labels(0.2, 3, 2, moons.WRONG) == moons.first_labels(0.2, 3, 2)
    torch.testing.assert_close(moons.moons(0.2, 3).test_labels_E, moons.moons(0.2, 3, moons.WRONG).test_labels_E)


def test_a_set_is_worth_the_same_whatever_is_measured_beside_it():
    moons.KNOWN_WORTHS.clear()
    alone = moons.worth(0.2, 3, KNOWN)
    moons.KNOWN_WORTHS.clear()
    assert moons.worths(0.2, 3, [tuple(range(k)) for k in range(2, 9)] + [KNOWN])[-1] == alone


def test_what_was_measured_is_not_measured_again(monkeypatch):
    first = moons.worth(0.2, 3, KNOWN)
    monkeypatch.setattr(moons, "train", lambda *_: pytest.fail("trained again"))
    assert moons.worths(0.2, 3, (KNOWN, KNOWN)) == (first, first)


def test_the_terms_of_the_pool_are_those_of_the_map():
    samples = moons.sample(setting())
    of_pool = replace(samples, grid_G_K_C=samples.pool_P_K_C, grid_features_G_F=samples.pool_features_P_F)
    noise_P, taught_P, prob_P = moons.pool_terms(setting(), 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moons, "ROWS", 1)
        patch.setattr(moons, "COLUMNS", NUM_POOL)
        np.testing.assert_allclose(taught_P, moons.surface("bald", of_pool, KNOWN)[0], atol=1e-5)
        np.testing.assert_allclose(noise_P + taught_P, moons.surface("entropy", of_pool, KNOWN)[0], atol=1e-5)
    np.testing.assert_allclose(prob_P, samples.pool_P_K_C[..., 1].exp().mean(dim=1), atol=1e-6)
