"""The runs of notebook 14: what is bought, from where, and what the oracles say."""

import numpy as np
import pytest
import torch

from bal_course import practice
from bal_course.practice import NEEDED, Results, begin, carry_out, drawn, forms, save, start_of
from bal_utils.data import load_images
from bal_utils.training.fit import FitConfig

QUICK = FitConfig(learning_rate=3e-3, max_epochs=5, stop_on="never")
LABELS = load_images("digits").train_labels


@pytest.fixture(scope="module")
def runs():
    kept = {"targets": forms(3, 10), "watched": drawn(3, "watched", 10)}
    return carry_out([begin(name, 3, **kept) for name in practice.SCORES], most=30, step=5, training=QUICK)


def test_a_run_buys_what_it_may_and_nothing_twice(runs):
    for run in runs:
        assert run.labels == [20, 25, 30] and len(set(run.known)) == 30
        bought = set(run.known[20:])
        assert not bought & {*start_of(3), *run.targets, *run.watched} and not bought & set(run.pool)
        assert len(run.pool) == len(LABELS) - 30 - len({*run.targets, *run.watched} - set(start_of(3)))


def test_strategies_share_the_start_and_then_part(runs):
    assert {tuple(run.known[:20]) for run in runs} == {tuple(start_of(3))}
    assert len({tuple(sorted(run.known)) for run in runs}) == len(runs)


def test_what_is_stored_comes_back(tmp_path, runs):
    save(tmp_path / "world.json", runs)
    results = Results(tmp_path / "world.json")
    assert list(results.rows) == list(practice.SCORES) and results.labels_R == [20, 25, 30]
    every, some = results.accuracy(), results.accuracy(NEEDED)
    truth_N = load_images("digits").test_labels
    for run in runs:
        np.testing.assert_allclose(every[run.strategy][0], np.sum(run.right, axis=1) / len(truth_N))
        wanted = torch.isin(truth_N, torch.tensor(NEEDED)).sum().item()
        np.testing.assert_allclose(some[run.strategy][0, -1], sum(run.right[-1][c] for c in NEEDED) / wanted)
        threes = sum(LABELS[place].item() == 3 for place in run.known[20:])
        assert results.bought(lambda seed: LABELS == 3)[run.strategy].tolist() == [threes]


def test_a_step_that_misses_the_end_is_refused():
    with pytest.raises(ValueError, match="step: expected one that leads from 20 labels to 30, got 7"):
        carry_out([begin("Random", 0)], most=30, step=7)


def test_the_first_labels_are_true_whatever_the_oracle_says():
    told_N = (LABELS + 1) % 10
    run = begin("Random", 1, told_N=told_N)
    assert (run.told_N[start_of(1)] == LABELS[start_of(1)]).all() and (run.told_N != LABELS).sum() == len(LABELS) - 20
    assert (told_N != LABELS).all(), "what was given is left as it was"


def test_blind_errors_fall_on_every_image_alike_and_a_majority_has_fewer():
    shares = torch.stack([practice.told_blindly(0, time) != LABELS for time in range(30)]).double().mean(dim=0)
    assert abs(shares.mean() - 0.2) < 0.01 and shares.std() < 1.3 * (0.2 * 0.8 / 30) ** 0.5
    wrong = (practice.told_by_majority(0) != LABELS).double().mean()
    # both wrong alike, or different and the third wrong
    expected = 0.2**2 / 9 + (1 - 0.8**2 - 0.2**2 / 9) * 0.2
    assert abs(wrong - expected) < 4 * (expected * (1 - expected) / len(LABELS)) ** 0.5


def test_the_other_model_repeats_itself_and_errs():
    first_N, second_N = practice.told_by_a_model(0), practice.told_by_a_model(0)
    assert torch.equal(first_N, second_N) and 0.05 < (first_N != LABELS).double().mean() < 0.3


def test_the_forms_hold_what_is_needed():
    assert set(LABELS[forms(0)].tolist()) == set(NEEDED) and not set(forms(0)) & set(start_of(0))
