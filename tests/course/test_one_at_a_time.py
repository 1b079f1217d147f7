"""Pools of fixed features hold what is said of them, and a run that buys one label at a time buys what it may."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from bal_course import one_at_a_time
from bal_course.one_at_a_time import POOL, TARGETS, accuracies, begin, carry_out
from bal_course.practice import SCORES, Results, save
from bal_utils.data import load_images

FIGURES = Path(__file__).parents[2] / "figures"


@pytest.fixture(scope="module")
def texts():
    return one_at_a_time.texts(FIGURES / "texts" / "features.npz")


def test_the_file_holds_texts_of_six_sections_and_principal_components(texts):
    assert len(texts.names) == len(texts.lines) == len(texts.labels_N) == len(texts.features_N_D) == 3604
    assert len(set(texts.names)) == 3604 and all(texts.lines)
    assert texts.class_names == ["games", "graphics", "mail", "science", "sound", "web"]
    assert torch.bincount(texts.labels_N).min() > 200
    numbers, ones = texts.features_N_D.split([32, 1], dim=1)
    assert (ones == 1).all() and abs((numbers**2).sum(dim=1).mean() - 1) < 1e-3
    products = numbers.mT @ numbers / len(numbers)
    assert abs(numbers.mean(dim=0)).max() < 1e-3 and products.fill_diagonal_(0).abs().max() < 1e-3
    assert (numbers.var(dim=0).diff() < 1e-4).all()


def test_neighbours_in_features_stand_in_the_same_section(texts):
    """No shuffled file would pass: the nearest other line has the same label far oftener than chance would have it."""
    apart = torch.cdist(texts.features_N_D, texts.features_N_D).fill_diagonal_(torch.inf)
    same = (texts.labels_N[apart.argmin(dim=1)] == texts.labels_N).double().mean()
    chance = (torch.bincount(texts.labels_N).double() / 3604).square().sum()
    assert same > 0.7 > 3 * chance


def test_the_last_layer_is_scikit_learns(texts):
    known, asked = range(60), texts.features_N_D[200:300]
    theirs = LogisticRegression(C=texts.prior_std**2, fit_intercept=False, tol=1e-10, max_iter=5000)
    theirs.fit(texts.features_N_D[known], texts.labels_N[known])
    expected = torch.from_numpy(theirs.predict_proba(asked))
    found = (asked @ texts.fit(known).mean_C_D.mT).softmax(dim=1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_runs_start_alike_buy_what_they_may_and_never_touch_the_test(texts, tmp_path):
    runs = [carry_out(texts, begin(texts, name, 3), most=16) for name in SCORES]
    assert len({tuple(run.known[:12]) for run in runs}) == 1 and len({tuple(run.known) for run in runs}) == len(runs)
    for run in runs:
        assert run.labels == [12, 13, 14, 15, 16] and len(set(run.known)) == 16
        assert torch.bincount(texts.labels_N[run.known[:12]]).tolist() == [2] * 6
        assert max(run.known) < 3604 - texts.test and not set(run.known) & {*run.pool, *run.targets}
        assert len(run.pool) == POOL - 16 and len(run.targets) == TARGETS
    save(tmp_path / "race.json", runs)
    results = Results(tmp_path / "race.json")
    assert results.rows["BALD"][0]["bought"] == runs[list(SCORES).index("BALD")].known[12:]
    np.testing.assert_allclose(accuracies(results, texts.test)["Margin"], [np.array(runs[1].right) / 1000])


def test_what_is_counted_right_is_the_averaged_prediction(texts):
    run = carry_out(texts, begin(texts, "Random", 0), most=12)
    log_probs_N_K_C = texts.fit(run.known).sample_log_probs(texts.features_N_D[-texts.test :], 400)
    right = (log_probs_N_K_C.exp().mean(dim=1).argmax(dim=1) == texts.labels_N[-texts.test :]).sum().item()
    assert abs(run.right[0] - right) < 40, "fifty draws and four hundred"


def test_the_digits_are_their_components_with_the_test_digits_last():
    data, images = one_at_a_time.digits(), load_images("digits")
    assert torch.equal(data.labels_N[-data.test :], images.test_labels) and data.features_N_D.shape == (1797, 21)
    run = carry_out(data, begin(data, "Margin", 0), most=22)
    assert torch.bincount(data.labels_N[run.known[:20]]).tolist() == [2] * 10 and max(run.known) < len(
        images.train_labels
    )


@pytest.mark.parametrize(("race", "count", "most"), [("texts", 5, 120), ("components", 3, 100)])
def test_the_stored_races_are_those_of_the_command(texts, race, count, most):
    stored = Results(FIGURES / "practice" / f"{race}.json")
    assert len(stored.rows) == count and stored.labels_R[-1] == most
    assert all([row["seed"] for row in rows] == list(range(10)) for rows in stored.rows.values())
    data = texts if race == "texts" else one_at_a_time.digits()
    first, row = stored.labels_R[0], stored.rows["BALD"][0]
    run = carry_out(data, begin(data, "BALD", 0), most=first + 3)
    np.testing.assert_allclose(run.right, row["right"][:4], atol=3)
    assert run.known[first:] == row["bought"][:3]
