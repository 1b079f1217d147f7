"""The ELBO, its fits and its gradients, against targets whose evidence, optimum and gradients are known in closed form."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.distributions import MultivariateNormal

from bal_utils.runtime import stream
from bal_utils.theory.divergence import gaussian_kl
from bal_utils.theory.linear_regression import log_evidence, posterior
from bal_utils.theory.variational import (
    base_draws,
    elbo,
    fit_gaussian,
    reparametrise,
    reparametrised_gradients,
    score_function_gradients,
)

EXACT = {"atol": 1e-9, "rtol": 1e-9}  # float64; whitened draws leave rounding errors of about 1e-12
LOG_EVIDENCE = -3.7
TARGET = MultivariateNormal(
    torch.tensor([1.0, -2.0, 0.5]).double(),
    torch.tensor([[2.0, 1.2, 0.0], [1.2, 1.0, 0.1], [0.0, 0.1, 0.3]], dtype=torch.float64),
)
START_D = torch.zeros(3, dtype=torch.float64)
BASE_K_D = base_draws(64, 3, stream(0, "base"))


def log_joint(weights_K_D):
    return LOG_EVIDENCE + TARGET.log_prob(weights_K_D)


def test_base_draws_have_mean_zero_and_covariance_one():
    torch.testing.assert_close(BASE_K_D.mean(dim=0), START_D, **EXACT)
    torch.testing.assert_close(BASE_K_D.mT @ BASE_K_D / 64, torch.eye(3, dtype=torch.float64), **EXACT)
    assert torch.equal(BASE_K_D, base_draws(64, 3, stream(0, "base")))


def test_draws_from_q_have_its_mean_and_covariance():
    weights_K_D = reparametrise(TARGET, BASE_K_D)
    torch.testing.assert_close(weights_K_D.mean(dim=0), TARGET.mean, **EXACT)
    torch.testing.assert_close(weights_K_D.mT.cov(correction=0), TARGET.covariance_matrix, **EXACT)


@pytest.mark.parametrize("seed", range(5))
def test_elbo_is_log_evidence_minus_kl(seed):
    generator = stream(seed, "q")
    root_D_D = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    covariance_D_D = root_D_D @ root_D_D.mT + 0.1 * torch.eye(3)
    q = MultivariateNormal(torch.randn(3, generator=generator, dtype=torch.float64), covariance_D_D)
    gap = gaussian_kl(q.mean, covariance_D_D, TARGET.mean, TARGET.covariance_matrix)
    torch.testing.assert_close(elbo(q, log_joint, BASE_K_D), LOG_EVIDENCE - gap, **EXACT)


def test_full_covariance_finds_a_gaussian_posterior():
    q = fit_gaussian(log_joint, START_D, BASE_K_D)
    torch.testing.assert_close(q.mean, TARGET.mean, atol=1e-6, rtol=0)  # L-BFGS stops at gradients of 1e-9
    torch.testing.assert_close(q.covariance_matrix, TARGET.covariance_matrix, atol=1e-6, rtol=0)
    assert math.isclose(elbo(q, log_joint, BASE_K_D).item(), LOG_EVIDENCE, abs_tol=1e-9)


def test_mean_field_keeps_the_mean_and_the_diagonal_of_the_precision():
    q = fit_gaussian(log_joint, START_D, BASE_K_D, mean_field=True)
    precision_D = TARGET.precision_matrix.diagonal()
    torch.testing.assert_close(q.mean, TARGET.mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(q.covariance_matrix, (1 / precision_D).diag(), atol=1e-6, rtol=0)
    gap = (precision_D.log().sum() - TARGET.precision_matrix.logdet()) / 2
    torch.testing.assert_close(elbo(q, log_joint, BASE_K_D), LOG_EVIDENCE - gap, **EXACT)
    assert (q.variance < TARGET.variance).all()


def test_bayesian_linear_regression_is_recovered():
    generator = stream(0, "line")
    features_N_D = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    targets_N = features_N_D @ torch.tensor([1.0, 0.0, -1.0]).double() + torch.randn(20, generator=generator)

    def regression(weights_K_D):
        prior = torch.distributions.Normal(0.0, 2.0).log_prob(weights_K_D).sum(dim=1)
        return prior + torch.distributions.Normal(weights_K_D @ features_N_D.mT, 0.5).log_prob(targets_N).sum(dim=1)

    precisions = {"prior_precision": 0.25, "noise_precision": 4.0}
    q, belief = fit_gaussian(regression, START_D, BASE_K_D), posterior(features_N_D, targets_N, **precisions)
    np.testing.assert_allclose(q.mean, belief.mean_D, atol=1e-6)
    np.testing.assert_allclose(q.covariance_matrix, belief.covariance_D_D, atol=1e-6)
    reached = elbo(q, regression, BASE_K_D).item()
    assert math.isclose(reached, log_evidence(features_N_D, targets_N, **precisions), abs_tol=1e-8)


def test_a_posterior_that_is_no_gaussian_against_quadrature():
    """Three successes in three trials, log odds w ~ N(0, 2²): the optimum by Gauss-Hermite nodes and another optimiser."""
    nodes_Q, weights_Q = np.polynomial.hermite_e.hermegauss(60)

    def negative(parameters):
        w_Q = parameters[0] + np.exp(parameters[1]) * nodes_Q
        values_Q = -(w_Q**2) / 8 - 3 * np.logaddexp(0, -w_Q)
        return -(weights_Q @ values_Q / weights_Q.sum() + parameters[1])

    mean, log_std = minimize(negative, [0.0, 0.0], tol=1e-10).x
    q = fit_gaussian(
        lambda w_K_D: (-w_K_D.square() / 8 + 3 * torch.nn.functional.logsigmoid(w_K_D)).sum(dim=1),
        START_D[:1],
        base_draws(4000, 1, stream(0, "pin")),
    )
    assert abs(q.mean.item() - mean) < 0.02  # 4000 fixed draws: the cubic term has an error of about 2 %
    assert abs(q.stddev.item() - math.exp(log_std)) < 0.02


def test_with_two_peaks_the_start_decides():
    def two_peaks(weights_K_D):
        return torch.logsumexp(torch.stack([-2 * (weights_K_D - 4).square(), -2 * (weights_K_D + 4).square()]), 0).sum(
            1
        )

    base_K_1 = base_draws(200, 1, stream(0, "peaks"))
    for start in (-3.0, 3.0):
        q = fit_gaussian(two_peaks, torch.tensor([start]).double(), base_K_1)
        assert abs(q.mean.item() - math.copysign(4, start)) < 1e-3 and abs(q.stddev.item() - 0.5) < 1e-3


def exponential(weights_K_D):
    """f(w) = sum of exp(w): E f = sum of exp(m + s²/2), with gradients exp(m + s²/2) and s exp(m + s²/2)."""
    return weights_K_D.exp().sum(dim=1)


@pytest.mark.parametrize("estimator", [score_function_gradients, reparametrised_gradients])
def test_gradients_are_unbiased(estimator):
    mean_D, std_D = torch.tensor([0.3, -0.5]).double(), torch.tensor([0.5, 0.8]).double()
    base_K_D = torch.randn(200_000, 2, generator=stream(0, "gradients"), dtype=torch.float64)
    gradients_K_2_D = estimator(exponential, mean_D, std_D, base_K_D)
    by_mean_D = (mean_D + std_D.square() / 2).exp()
    error_2_D = gradients_K_2_D.mean(dim=0) - torch.stack([by_mean_D, std_D * by_mean_D])
    assert (error_2_D.abs() < 4 * gradients_K_2_D.std(dim=0) / math.sqrt(200_000)).all()  # fixed seed


def test_variance_of_the_gradients_by_the_mean():
    """f = -|w|²/2 at mean (1, 0, …, 0): closed forms from the moments of the normal distribution."""
    base_K_D = torch.randn(200_000, 10, generator=stream(0, "variance"), dtype=torch.float64)
    arguments = (
        lambda w_K_D: -w_K_D.square().sum(dim=1) / 2,
        torch.eye(10).double()[0],
        torch.ones(10).double(),
        base_K_D,
    )
    score, path = (estimate(*arguments)[:, 0, 0] for estimate in (score_function_gradients, reparametrised_gradients))
    level = 11.0  # E|w|² = D + 1
    assert math.isclose(score.var().item(), 10 / 2 + 4 + level + level**2 / 4, rel_tol=0.05)  # heavy tails: about 1 %
    assert math.isclose(path.var().item(), 1.0, rel_tol=0.02)


def test_a_constant_added_to_f_moves_only_the_score_function_estimates():
    arguments = torch.zeros(2).double(), torch.ones(2).double(), BASE_K_D[:, :2]
    path, score = reparametrised_gradients(exponential, *arguments), score_function_gradients(exponential, *arguments)
    torch.testing.assert_close(reparametrised_gradients(lambda w: exponential(w) + 9, *arguments), path, **EXACT)
    shift_K_D = (score_function_gradients(lambda w: exponential(w) + 9, *arguments) - score)[:, 0]
    torch.testing.assert_close(shift_K_D, 9 * BASE_K_D[:, :2], **EXACT)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="num_draws: .*at least 4, got 3"):
        base_draws(3, 3, stream(0, "base"))
    with pytest.raises(ValueError, match=r"base_K_D: expected shape \(K, 3\) with K > 3, got \(64, 2\)"):
        fit_gaussian(log_joint, START_D, BASE_K_D[:, :2])
    with pytest.raises(ValueError, match="log_joint: expected finite values"):
        fit_gaussian(lambda w: torch.log(w).sum(dim=1), START_D, BASE_K_D)
