import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from bal_course.stars import LAUNCH, drawn_clinic, flights


def test_the_flights_give_the_published_line():
    """Dalal, Fowlkes and Hoadley 1989: log odds 15.043 - 0.2322 t for any distress; seven of 23 flights had some."""
    temperatures_N, labels_N = flights()
    assert (len(temperatures_N), int(labels_N.sum())) == (23, 7)
    line = LogisticRegression(C=1e9, tol=1e-10, max_iter=10_000).fit(temperatures_N[:, None] - 70, labels_N)
    assert line.coef_[0, 0] == pytest.approx(-0.2322, abs=2e-4)
    assert line.intercept_[0] + 70 * 0.2322 == pytest.approx(15.043, abs=0.02)
    assert line.predict_proba([[LAUNCH - 70]])[0, 1] == pytest.approx(0.9996, abs=1e-4)


def test_a_clinic_comes_again_by_its_seed_and_no_patient_is_near_the_star():
    inputs_N_2, labels_N, truth = drawn_clinic(3)
    again_N_2, labels_again_N, truth_again = drawn_clinic(3)
    torch.testing.assert_close(inputs_N_2, again_N_2)
    assert truth == truth_again and (labels_N == labels_again_N).all()
    assert inputs_N_2.shape == (10, 2) and inputs_N_2[:, 1].abs().max() < 3


def test_the_truth_has_the_prior_that_is_said():
    """The star's log odds are N(0, scale² (1 + 64) / 0.1)."""
    log_odds = [np.log(p) - np.log1p(-p) for p in (drawn_clinic(seed, scale=0.1)[2] for seed in range(400))]
    assert np.std(log_odds) == pytest.approx(0.1 * 650**0.5, rel=0.15)


def test_a_scale_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="scale"):
        drawn_clinic(0, scale=0.0)
