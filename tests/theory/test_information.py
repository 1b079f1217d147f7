"""Entropies against SciPy, and identities that hold for any prediction."""

import math
import re

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from bal_utils.runtime import stream
from bal_utils.theory import information
from bal_utils.theory.information import (
    check_log_probs,
    entropy,
    expected_entropy,
    log_mean_exp,
    mutual_information,
    predictive_entropy,
)

EXACT = {"rtol": 1e-12, "atol": 1e-12}  # float64 sums of a few terms


def random_log_probs(seed, shape=(7, 5, 4), sharpness=3.0):
    logits = sharpness * torch.randn(*shape, generator=stream(seed, "logits"), dtype=torch.float64)
    return logits.log_softmax(dim=-1)


@pytest.mark.parametrize("seed", range(5))
def test_entropies_equal_scipys(seed):
    log_probs = random_log_probs(seed)
    probs = log_probs.exp().numpy()
    np.testing.assert_allclose(predictive_entropy(log_probs), scipy_entropy(probs.mean(axis=1), axis=-1), **EXACT)
    np.testing.assert_allclose(expected_entropy(log_probs), scipy_entropy(probs, axis=-1).mean(axis=1), **EXACT)


@pytest.mark.parametrize("seed", range(5))
def test_mutual_information_is_the_mean_divergence_from_the_mean(seed):
    log_probs = random_log_probs(seed)
    probs = log_probs.exp().numpy()
    divergence = scipy_entropy(probs, probs.mean(axis=1, keepdims=True), axis=-1).mean(axis=1)
    np.testing.assert_allclose(mutual_information(log_probs), divergence, **EXACT)


def test_mutual_information_lies_between_zero_and_log_min_of_classes_and_samples():
    certain_and_apart = torch.eye(4, dtype=torch.float64).log()[None]  # 4 samples, each sure of another class
    torch.testing.assert_close(mutual_information(certain_and_apart), torch.tensor([math.log(4)], dtype=torch.float64))
    two_samples = certain_and_apart[:, :2]
    torch.testing.assert_close(mutual_information(two_samples), torch.tensor([math.log(2)], dtype=torch.float64))
    agreeing = certain_and_apart[:, :1].expand(1, 4, 4)
    assert mutual_information(agreeing).item() == 0.0


def test_zero_probabilities_stay_finite():
    log_probs = torch.tensor([[[0.0, -math.inf], [-math.inf, 0.0]]])
    assert entropy(log_probs).tolist() == [[0.0, 0.0]]
    torch.testing.assert_close(predictive_entropy(log_probs), torch.tensor([math.log(2)]))


def test_log_mean_exp_neither_overflows_nor_underflows():
    values = torch.tensor([[1000.0, 1000.0], [-1000.0, -1000.0], [-math.inf, 0.0]])
    torch.testing.assert_close(log_mean_exp(values, dim=1), torch.tensor([1000.0, -1000.0, -math.log(2)]))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([[0.5]], TypeError, "got a list"),
        (torch.zeros(1, 1, 1, dtype=torch.int64), TypeError, "got torch.int64"),
        (torch.zeros(2, 3, 1), ValueError, "at least two classes, got one"),
        (torch.full((1, 1, 2), 0.5).log().bfloat16(), TypeError, "got torch.bfloat16"),
        (np.zeros((1, 1, 2)), TypeError, "got a ndarray"),
        (torch.full((1, 1, 2), 0.5).log().to_sparse(), TypeError, "torch.sparse_coo"),
        (torch.zeros(2, 3), ValueError, r"three dimensions .* got shape \(2, 3\)"),
        (torch.zeros(0, 3, 2), ValueError, r"at least one input.* got shape \(0, 3, 2\)"),
        (torch.full((1, 1, 2), math.nan), ValueError, "got NaN"),
        (torch.tensor([[[math.inf, 0.0]]]), ValueError, "plus infinity"),
        (torch.tensor([[[-math.inf, -math.inf]]]), ValueError, "sum to 1"),
        (torch.tensor([[[2.0, 1.0]]]), ValueError, "apply log_softmax to logits"),
        (torch.tensor([[[0.5, 0.5]]]), ValueError, "apply log_softmax to logits"),
    ],
)
def test_bad_input_is_refused_by_name(value, error, message):
    with pytest.raises(error, match="log_probs_N_K_C: .*" + message):
        check_log_probs(value)


@pytest.mark.parametrize("checked_at_once", [1, 2**19])
@pytest.mark.parametrize("position", [(0, 0), (3, 2), (6, 4)])
def test_one_row_that_does_not_sum_to_one_is_found_wherever_it_is(position, checked_at_once, monkeypatch):
    monkeypatch.setattr(information, "CHECKED_AT_ONCE", checked_at_once)
    for log_total in (-0.0011, 0.0011, -0.2, 0.2, 800.0):
        log_probs = random_log_probs(0)
        log_probs[position] += log_total
        with pytest.raises(ValueError, match=r"^here: .* got a row that sums to exp\(" + re.escape(f"{log_total:.3g}")):
            check_log_probs(log_probs, "here")
    for log_total in (-0.0009, 0.0, 0.0009):
        log_probs = random_log_probs(0)
        log_probs[position] += log_total
        check_log_probs(log_probs)
