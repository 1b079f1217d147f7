"""Expected gradient length against automatic differentiation; expected error reduction against Bayes' rule by loops."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bal_utils import acquisition
from bal_utils.acquisition import expected_error_reduction_scores, expected_gradient_length_scores
from bal_utils.models import MLP, last_linear, penultimate
from bal_utils.runtime import stream


def random_log_probs(seed, shape):
    return (2 * torch.randn(*shape, generator=stream(seed, "logits"), dtype=torch.float64)).log_softmax(dim=-1)


def test_gradient_length_is_the_gradient_of_the_last_layer():
    model = MLP(4, 3, hidden=(6, 5), dropout=0.0).double()
    inputs = torch.randn(8, 4, generator=stream(0, "inputs"), dtype=torch.float64)
    last = model.get_submodule(last_linear(model, inputs))
    expected = []
    for one in inputs:
        probs = model(one[None]).softmax(dim=-1)[0]
        total = 0.0
        for label in range(3):
            loss = F.cross_entropy(model(one[None]), torch.tensor([label]))
            gradients = torch.autograd.grad(loss, [last.weight, last.bias])
            total += probs[label].item() * math.sqrt(sum(part.square().sum().item() for part in gradients))
        expected.append(total)
    log_probs = model(inputs).log_softmax(dim=-1)[:, None].detach()
    scores = expected_gradient_length_scores(log_probs, penultimate(model, inputs))
    np.testing.assert_allclose(scores, expected, rtol=1e-10)


def by_loops(probs, target_probs):
    """The definition: for each possible label, weigh the samples by Bayes' rule and predict the targets again."""
    num_inputs, _, num_classes = probs.shape
    now = 1 - target_probs.mean(axis=1).max(axis=1)
    scores = []
    for n in range(num_inputs):
        later = 0.0
        for y in range(num_classes):
            chance = probs[n, :, y].mean()
            posterior = probs[n, :, y] / probs[n, :, y].sum()
            predictions = np.einsum("k,tkc->tc", posterior, target_probs)
            later += chance * (1 - predictions.max(axis=1)).mean()
        scores.append(now.mean() - later)
    return scores


@pytest.mark.parametrize("chunk", [1, 2**21])
def test_error_reduction_is_bayes_rule_over_the_samples(chunk, monkeypatch):
    monkeypatch.setattr(acquisition.scores, "PAIRS_AT_ONCE", chunk)
    pool, targets = random_log_probs(0, (7, 5, 3)), random_log_probs(1, (11, 5, 3))
    scores = expected_error_reduction_scores(pool, targets)
    np.testing.assert_allclose(scores, by_loops(pool.exp().numpy(), targets.exp().numpy()), rtol=1e-10, atol=1e-12)
    assert (scores >= -1e-12).all() and (scores <= 2 / 3).all()


def test_a_label_that_settles_which_sample_is_right_removes_all_error():
    certain = torch.eye(2, dtype=torch.float64)[torch.tensor([[0, 1]])].log()  # two samples, sure and opposed
    agreed = torch.tensor([[[0.5, 0.5], [0.5, 0.5]]], dtype=torch.float64).log()
    pool = torch.cat([certain, agreed])
    np.testing.assert_allclose(expected_error_reduction_scores(pool, certain), [0.5, 0.0], atol=1e-12)


def test_what_does_not_fit_is_refused():
    pool = random_log_probs(0, (4, 3, 2))
    with pytest.raises(ValueError, match=r"features_N_F: expected \(4, F\)"):
        expected_gradient_length_scores(pool, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="target_log_probs_T_K_C: expected K and C as in"):
        expected_error_reduction_scores(pool, random_log_probs(0, (4, 2, 2)))
    with pytest.raises(ValueError, match="target_log_probs_T_K_C: expected"):
        expected_error_reduction_scores(pool, pool * 2)


@pytest.mark.parametrize("first", [torch.float32, torch.float64])
def test_precisions_may_differ(first):
    second = torch.float64 if first == torch.float32 else torch.float32
    pool, targets = random_log_probs(0, (7, 5, 3)), random_log_probs(1, (11, 5, 3))
    features = torch.randn(7, 4, generator=stream(0, "features"), dtype=torch.float64)
    mixed = expected_error_reduction_scores(pool.to(first), targets.to(second))
    assert mixed.dtype == torch.float64
    np.testing.assert_allclose(mixed, expected_error_reduction_scores(pool, targets), atol=1e-6)
    mixed = expected_gradient_length_scores(pool.to(first), features.to(second))
    np.testing.assert_allclose(mixed, expected_gradient_length_scores(pool, features), rtol=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_no_numbers_are_refused(bad):
    pool, features = random_log_probs(0, (4, 3, 2)), torch.zeros(4, 5)
    features[1, 2] = bad
    with pytest.raises(ValueError, match="^features_N_F: "):
        expected_gradient_length_scores(pool, features)
    with pytest.raises(ValueError, match="^features_N_F: .*float32"):
        expected_gradient_length_scores(pool.float(), torch.full((4, 5), 1e30))  # its square is beyond float32
    for other in (features.half(), features.long(), features.numpy()):
        with pytest.raises(TypeError, match="^features_N_F: "):
            expected_gradient_length_scores(pool, other)


@pytest.mark.parametrize("doubt", [1e-3, 1e-6, 1e-12])
def test_the_length_of_a_nearly_certain_prediction_does_not_cancel(doubt):
    """Two classes, p = (1 - d, d): Σ_y p_y ‖p - e_y‖ = (1 - d) d √2 + d (1 - d) √2. Without features φ the bias remains."""
    log_probs = torch.tensor([[[math.log1p(-doubt), math.log(doubt)]]])
    scores = expected_gradient_length_scores(log_probs, torch.zeros(1, 2))
    assert scores.item() == pytest.approx(2 * math.sqrt(2) * doubt * (1 - doubt), rel=1e-5)
