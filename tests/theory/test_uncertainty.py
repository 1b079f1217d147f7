"""Noise and ignorance: against closed forms, torch's own losses, quadrature and brute-force sampling."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bal_utils.theory.uncertainty import (
    gaussian_nll,
    logit_noise_log_probs,
    split_variance,
)


def test_two_parts_of_a_variance_by_hand():
    parts = split_variance(torch.tensor([[1.0, 2.0, 6.0]]), torch.tensor([[0.5, 0.5, 2.0]]))
    assert parts.aleatoric_N.item() == pytest.approx(1.0)
    assert parts.epistemic_N.item() == pytest.approx(14 / 3)  # (4 + 1 + 9) / 3 around the mean of 3
    assert parts.total_N.item() == pytest.approx(1 + 14 / 3)


def test_the_total_is_the_variance_of_sampled_targets():
    generator = torch.Generator().manual_seed(0)
    means_2_K, variances_2_K = torch.tensor([[0.0, 3.0, -1.0], [2.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.2, 4.0]] * 2)
    member_S = torch.randint(3, (400_000,), generator=generator)
    noise_2_S = torch.randn(2, 400_000, generator=generator)
    targets_2_S = means_2_K[:, member_S] + variances_2_K[:, member_S].sqrt() * noise_2_S
    # the fourth moment of these mixtures is below 6 times the squared variance: standard error below 0.4 %
    torch.testing.assert_close(
        split_variance(means_2_K, variances_2_K).total_N, targets_2_S.var(dim=1), rtol=0.015, atol=0
    )


def test_one_sample_has_no_ignorance():
    parts = split_variance(torch.tensor([[5.0], [-1.0]]), torch.tensor([[2.0], [0.0]]))
    assert parts.epistemic_N.tolist() == [0, 0] and parts.total_N.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("means", "variances"),
    [
        (torch.zeros(2, 3), torch.ones(3, 2)),
        (torch.zeros(3), torch.ones(3)),
        (torch.zeros(2, 0), torch.ones(2, 0)),
        (torch.zeros(1, 2), torch.tensor([[1.0, -0.1]])),
        (torch.zeros(1, 2), torch.tensor([[1.0, math.nan]])),
    ],
)
def test_impossible_variances_are_refused(means, variances):
    with pytest.raises(ValueError, match="variances_N_K: expected"):
        split_variance(means, variances)


def test_gaussian_nll_is_that_of_torch():
    generator = torch.Generator().manual_seed(1)
    outputs_N_2 = torch.randn(50, 2, generator=generator, dtype=torch.float64) * 2
    targets_N = torch.randn(50, generator=generator, dtype=torch.float64)
    means_N, variances_N = outputs_N_2[:, 0], outputs_N_2[:, 1].exp()
    ours = gaussian_nll(outputs_N_2, targets_N)
    torch.testing.assert_close(ours, F.gaussian_nll_loss(means_N, targets_N, variances_N, full=True, eps=1e-12))
    torch.testing.assert_close(
        ours, -torch.distributions.Normal(means_N, variances_N.sqrt()).log_prob(targets_N).mean()
    )


def test_gaussian_nll_is_least_at_the_mean_and_the_variance_of_the_data():
    targets_N = torch.tensor([0.0, 1.0, 5.0, 2.0], dtype=torch.float64)
    mean, variance = targets_N.mean(), targets_N.var(correction=0)
    best = torch.stack([mean, variance.log()]).requires_grad_()
    (gradient_2,) = torch.autograd.grad(gaussian_nll(best.expand(4, 2), targets_N), best)
    torch.testing.assert_close(gradient_2, torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("outputs", "targets"), [((4, 3), (4,)), ((4, 2), (4, 1)), ((4, 2), (5,)), ((2,), (2,))])
def test_gaussian_nll_refuses_shapes_that_would_broadcast(outputs, targets):
    with pytest.raises(ValueError, match="outputs_N_2, targets_N"):
        gaussian_nll(torch.zeros(outputs), torch.zeros(targets))


def by_quadrature(margin: float, std: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    return float(weights @ (1 / (1 + np.exp(-(margin + std * nodes)))) / weights.sum())


@pytest.mark.parametrize(
    ("margin", "sigmas"), [(0.0, (1.0, 1.0)), (3.0, (2.0, 2.0)), (-2.0, (0.1, 3.0)), (4.0, (5.0, 1.0))]
)
def test_two_shaken_logits_agree_with_quadrature(margin, sigmas):
    logits_1_2 = torch.tensor([[0.0, margin]], dtype=torch.float64)
    log_variances_1_2 = torch.tensor([sigmas], dtype=torch.float64).square().log()
    probs_2 = logit_noise_log_probs(logits_1_2, log_variances_1_2, 200_000).exp()[0]
    # a mean of 200,000 numbers in [0, 1] has a standard error of at most 0.0011
    assert probs_2[1].item() == pytest.approx(by_quadrature(margin, math.hypot(*sigmas)), abs=0.0045)
    assert probs_2.sum().item() == pytest.approx(1, abs=1e-12)


def test_without_noise_it_is_the_log_softmax():
    logits_N_C = torch.tensor([[1.0, -2.0, 0.5], [800.0, 0.0, 0.0]], dtype=torch.float64)
    still = logit_noise_log_probs(logits_N_C, torch.full((2, 1), -80.0, dtype=torch.float64), 3)
    torch.testing.assert_close(still, logits_N_C.log_softmax(dim=-1), atol=1e-12, rtol=1e-12)
    assert still[1, 1].item() == pytest.approx(-800)  # a plain mean of probabilities would have given log 0


def test_the_average_is_taken_over_probabilities():
    logits_1_C = torch.tensor([[2.0, 0.0, 0.0]])
    args = logits_1_C, torch.zeros(1, 3), 50
    noise = torch.randn(50, 1, 3, generator=torch.Generator().manual_seed(3))
    expected = (logits_1_C + noise).softmax(dim=-1).mean(dim=0).log()
    torch.testing.assert_close(logit_noise_log_probs(*args, generator=torch.Generator().manual_seed(3)), expected)


def test_noise_costs_where_the_label_agrees_and_pays_where_it_does_not():
    log_variance = torch.zeros(1, 1, requires_grad=True)
    for label, sign in ((0, 1), (1, -1)):
        loss = F.nll_loss(logit_noise_log_probs(torch.tensor([[4.0, 0.0]]), log_variance, 2000), torch.tensor([label]))
        (slope,) = torch.autograd.grad(loss, log_variance)
        assert slope.item() * sign > 0


def test_the_default_noise_is_fixed():
    args = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(4, 1), 7
    assert torch.equal(logit_noise_log_probs(*args), logit_noise_log_probs(*args))


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 1), (2,), (1, 3)])
def test_noise_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="log_variances_N_C"):
        logit_noise_log_probs(torch.zeros(2, 3), torch.zeros(shape), 5)


@pytest.mark.parametrize("count", [0, -1, 2.0, True])
def test_an_impossible_number_of_draws_is_refused(count):
    with pytest.raises(ValueError, match="num_samples"):
        logit_noise_log_probs(torch.zeros(2, 3), torch.zeros(2, 3), count)
