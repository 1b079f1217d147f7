"""Metrics against scikit-learn, numbers worked out by hand, and enumeration of pairs."""

import math

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from bal_utils.runtime import stream
from bal_utils.theory.metrics import (
    accuracy,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    ood_auroc,
    reliability_curve,
)

EXACT = 1e-12  # float64 sums of a few hundred terms
BY_HAND_PROBS = torch.tensor(
    [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.8, 0.1, 0.1], [0.5, 0.25, 0.25]], dtype=torch.float64
)
BY_HAND_LABELS = torch.tensor([0, 1, 0, 2])


def predictions(seed, num_inputs=300, num_classes=4):
    logits = 2 * torch.randn(num_inputs, num_classes, generator=stream(seed, "logits"), dtype=torch.float64)
    labels = torch.distributions.Categorical(logits=0.5 * logits).mode
    noise = torch.randint(num_classes, (num_inputs,), generator=stream(seed, "labels"))
    flipped = torch.rand(num_inputs, generator=stream(seed, "flips")) < 0.4
    return logits.log_softmax(dim=1), torch.where(flipped, noise, labels)


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_likelihood_and_brier_equal_scikit_learns(seed):
    log_probs, labels = predictions(seed)
    probs, classes = log_probs.exp().numpy(), list(range(4))
    assert accuracy(log_probs, labels) == accuracy_score(labels, probs.argmax(axis=1))
    assert negative_log_likelihood(log_probs, labels) == pytest.approx(
        log_loss(labels, probs, labels=classes), abs=EXACT
    )
    expected = brier_score_loss(labels, probs, labels=classes, scale_by_half=False)
    assert brier_score(log_probs, labels) == pytest.approx(expected, abs=EXACT)


def test_values_worked_out_by_hand():
    log_probs = BY_HAND_PROBS.log()
    assert accuracy(log_probs, BY_HAND_LABELS) == 0.5
    by_hand = -(math.log(0.7) + math.log(0.3) + math.log(0.8) + math.log(0.25)) / 4
    assert negative_log_likelihood(log_probs, BY_HAND_LABELS) == pytest.approx(by_hand, abs=EXACT)
    by_hand = ((0.09 + 0.04 + 0.01) + (0.01 + 0.49 + 0.36) + (0.04 + 0.01 + 0.01) + (0.25 + 0.0625 + 0.5625)) / 4
    assert brier_score(log_probs, BY_HAND_LABELS) == pytest.approx(by_hand, abs=EXACT)
    # two bins: none below 0.5; confidences 0.7, 0.6, 0.8, 0.5 above, half of them right
    assert expected_calibration_error(log_probs, BY_HAND_LABELS, num_bins=2) == pytest.approx(0.65 - 0.5, abs=EXACT)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32])
def test_small_labels_are_labels(dtype):
    log_probs, labels = BY_HAND_PROBS.log(), BY_HAND_LABELS
    for metric in (accuracy, negative_log_likelihood, brier_score, expected_calibration_error):
        assert metric(log_probs, labels.to(dtype)) == metric(log_probs, labels)


def test_certain_predictions():
    log_probs = torch.eye(3).log()
    right, wrong = torch.tensor([0, 1, 2]), torch.tensor([1, 2, 0])
    assert [f(log_probs, right) for f in (accuracy, negative_log_likelihood, brier_score)] == [1, 0, 0]
    assert [f(log_probs, wrong) for f in (accuracy, negative_log_likelihood, brier_score)] == [0, math.inf, 2]
    assert expected_calibration_error(log_probs, right) == 0
    assert expected_calibration_error(log_probs, wrong) == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("num_bins", [1, 7, 15])
def test_calibration_error_is_the_weighted_gap_of_scikit_learns_curve(seed, num_bins):
    log_probs, labels = predictions(seed)
    confidence, predicted = log_probs.exp().max(dim=1)
    right = (predicted == labels).numpy()
    correct, claimed = calibration_curve(right, confidence.numpy(), n_bins=num_bins)
    counts, _ = np.histogram(confidence.numpy(), bins=num_bins, range=(0, 1))
    expected = np.average(abs(correct - claimed), weights=counts[counts > 0])
    assert expected_calibration_error(log_probs, labels, num_bins=num_bins) == pytest.approx(expected, abs=EXACT)


def test_reliability_curve_worked_out_by_hand():
    curve = reliability_curve(BY_HAND_PROBS.log(), BY_HAND_LABELS, num_bins=4)
    # 0.5 opens the bin [0.5, 0.75), which holds 0.7 (right), 0.6 and 0.5 (wrong); 0.8 is alone and right
    assert curve.count == [3, 1]
    assert curve.confidence == pytest.approx([0.6, 0.8], abs=EXACT)
    assert curve.accuracy == pytest.approx([1 / 3, 1], abs=EXACT)


def test_reliability_curve_of_labels_drawn_from_the_prediction_lies_on_the_diagonal():
    log_probs, _ = predictions(0, num_inputs=200_000)
    generator = stream(0, "true labels")
    labels = torch.multinomial(log_probs.exp(), 1, generator=generator)[:, 0]
    curve = reliability_curve(log_probs, labels, num_bins=10)
    for confidence, correct, count in zip(curve.confidence, curve.accuracy, curve.count, strict=True):
        assert abs(confidence - correct) < 5 * math.sqrt(confidence * (1 - confidence) / count)  # five standard errors


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    generator = stream(0, "scores")
    familiar = torch.randint(6, (40,), generator=generator).float()  # whole numbers, so that there are ties
    strange = torch.randint(2, 9, (30,), generator=generator).float()
    difference = strange[:, None] - familiar
    expected = ((difference > 0).double() + 0.5 * (difference == 0)).mean().item()
    assert ood_auroc(familiar, strange) == pytest.approx(expected, abs=EXACT)
    assert ood_auroc(familiar, familiar + 100) == 1
    assert ood_auroc(familiar, familiar) == pytest.approx(0.5, abs=EXACT)


@pytest.mark.parametrize(
    "metric", [accuracy, negative_log_likelihood, brier_score, expected_calibration_error, reliability_curve]
)
@pytest.mark.parametrize(
    ("log_probs", "labels", "error", "message"),
    [
        (torch.randn(4, 3), BY_HAND_LABELS, ValueError, "log_probs_N_C: expected rows whose probabilities sum to 1"),
        (
            BY_HAND_PROBS.log()[:, None],
            BY_HAND_LABELS,
            ValueError,
            "log_probs_N_C: expected two dimensions",
        ),
        ([[0.0]], BY_HAND_LABELS, TypeError, "log_probs_N_C: .* got a list"),
        (torch.zeros(0, 3), torch.zeros(0).long(), ValueError, "log_probs_N_C: expected at least one input"),
        (BY_HAND_PROBS.log(), BY_HAND_LABELS[:3], ValueError, "labels_N: expected one for each of 4 inputs"),
        (BY_HAND_PROBS.log(), BY_HAND_LABELS + 1, ValueError, "labels_N: expected numbers from 0 to 2, got 1 to 3"),
        (BY_HAND_PROBS.log(), BY_HAND_LABELS - 1, ValueError, "labels_N: expected numbers from 0 to 2, got -1 to 1"),
        (BY_HAND_PROBS.log(), BY_HAND_LABELS.float(), TypeError, "labels_N: .* got torch.float32"),
        (BY_HAND_PROBS.log(), BY_HAND_LABELS.numpy(), TypeError, "labels_N: .* got a ndarray"),
        (BY_HAND_PROBS.log()[:, :1] * 0, BY_HAND_LABELS * 0, ValueError, "log_probs_N_C: .*two classes"),
    ],
)
def test_predictions_and_labels_that_do_not_fit_are_refused(metric, log_probs, labels, error, message):
    with pytest.raises(error, match=message):
        metric(log_probs, labels)


def test_bins_and_scores_out_of_range_are_refused():
    for num_bins in (0, 2.5, True):
        with pytest.raises(ValueError, match="num_bins: expected a whole number"):
            expected_calibration_error(BY_HAND_PROBS.log(), BY_HAND_LABELS, num_bins=num_bins)
    with pytest.raises(ValueError, match="scores_out_N: expected finite numbers"):
        ood_auroc(torch.zeros(3), torch.tensor([1.0, math.nan]))
    with pytest.raises(ValueError, match="scores_in_N: expected finite scores"):
        ood_auroc(torch.zeros(0), torch.zeros(3))
