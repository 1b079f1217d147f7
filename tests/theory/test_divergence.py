"""KL divergences against torch.distributions, numerical integration, and what must hold for any two Gaussians."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm, uniform
from torch.distributions import MultivariateNormal, kl_divergence

from bal_utils.runtime import stream
from bal_utils.theory.divergence import diagonal_gaussian_kl, gaussian_kl, monte_carlo_kl

EXACT = {"atol": 1e-10, "rtol": 1e-10}  # float64, a dozen operations on numbers of order one


def random_gaussian(dims, *purpose):
    generator = stream(0, "gaussian", dims, *purpose)
    root_D_D = torch.randn(dims, dims, generator=generator, dtype=torch.float64)
    mean_D = torch.randn(dims, generator=generator, dtype=torch.float64)
    return mean_D, root_D_D @ root_D_D.mT + 0.3 * torch.eye(dims, dtype=torch.float64)


@pytest.mark.parametrize("dims", [1, 2, 5])
def test_full_covariance_agrees_with_torch_distributions(dims):
    q, p = random_gaussian(dims, "q"), random_gaussian(dims, "p")
    torch.testing.assert_close(
        gaussian_kl(*q, *p), kl_divergence(MultivariateNormal(*q), MultivariateNormal(*p)), **EXACT
    )
    assert gaussian_kl(*q, *p) > 0
    torch.testing.assert_close(gaussian_kl(*q, *q), torch.zeros((), dtype=torch.float64), **EXACT)


def test_diagonal_is_a_special_case_of_full():
    mean_q_D, mean_p_D = torch.tensor([0.5, -1.0, 2.0]).double(), torch.tensor([0.0, 1.0, 2.0]).double()
    std_q_D, std_p_D = torch.tensor([0.3, 1.0, 2.0]).double(), torch.tensor([1.0, 0.7, 2.0]).double()
    full = gaussian_kl(mean_q_D, std_q_D.square().diag(), mean_p_D, std_p_D.square().diag())
    torch.testing.assert_close(diagonal_gaussian_kl(mean_q_D, std_q_D, mean_p_D, std_p_D), full, **EXACT)


def test_one_dimension_against_numerical_integration():
    q, p = norm(0.5, 0.8), norm(-0.3, 1.7)
    integral, _ = quad(lambda w: q.pdf(w) * (q.logpdf(w) - p.logpdf(w)), -12, 12, epsabs=1e-12)
    ours = diagonal_gaussian_kl(*torch.tensor([[0.5], [0.8], [-0.3], [1.7]], dtype=torch.float64))
    assert math.isclose(ours.item(), integral, abs_tol=1e-9)  # quad's own error is below 1e-10


def test_leading_dimensions_broadcast():
    mean_q_B_D, std_D = torch.tensor([[0.0, 0.0], [1.0, 2.0]]), torch.ones(2)
    kl_B = diagonal_gaussian_kl(mean_q_B_D, std_D, torch.zeros(2), std_D)
    torch.testing.assert_close(kl_B, torch.tensor([0.0, 2.5]))  # half the squared distance of the means
    torch.testing.assert_close(gaussian_kl(mean_q_B_D, torch.eye(2), torch.zeros(2), torch.eye(2)), kl_B)


def test_monte_carlo_is_within_four_standard_errors_and_the_error_is_right():
    q, p = (MultivariateNormal(*random_gaussian(3, name)) for name in "qp")
    base_K_D = torch.randn(40_000, 3, generator=stream(0, "draws"), dtype=torch.float64)
    draws_K_D = q.mean + base_K_D @ q.scale_tril.mT
    log_q_K, log_p_K = q.log_prob(draws_K_D), p.log_prob(draws_K_D)
    estimate, exact = monte_carlo_kl(log_q_K, log_p_K), kl_divergence(q, p)
    assert abs(estimate.value - exact) < 4 * estimate.standard_error  # fixed seed; 4 s.e. fail once in 16,000 seeds
    means_R = (log_q_K - log_p_K).reshape(400, 100).mean(dim=1)  # 400 estimates of 100 draws each
    spread = monte_carlo_kl(log_q_K[:100], log_p_K[:100]).standard_error
    assert 0.6 < means_R.std() / spread < 1.6  # the std of 100 draws is itself uncertain by about a fifth


def test_mass_where_p_has_none_is_infinite_and_the_other_way_round_is_not():
    box, bell = uniform(0, 1), norm(0, 1)
    draws = bell.rvs(100, random_state=0)
    assert monte_carlo_kl(torch.from_numpy(bell.logpdf(draws)), torch.from_numpy(box.logpdf(draws))).value == math.inf
    draws = box.rvs(20_000, random_state=0)
    estimate = monte_carlo_kl(torch.from_numpy(box.logpdf(draws)), torch.from_numpy(bell.logpdf(draws)))
    assert abs(estimate.value - (0.5 * math.log(2 * math.pi) + 1 / 6)) < 4 * estimate.standard_error


@pytest.mark.parametrize("std", [0.0, -1.0, math.nan])
def test_standard_deviations_must_be_positive(std):
    one, bad = torch.ones(1), torch.tensor([std])
    with pytest.raises(ValueError, match="std_q_D: expected standard deviations above 0"):
        diagonal_gaussian_kl(one, bad, one, one)
    with pytest.raises(ValueError, match="std_p_D"):
        diagonal_gaussian_kl(one, one, one, bad)


@pytest.mark.parametrize("matrix", [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.5], [0.0, 1.0]]])
def test_covariances_must_be_symmetric_and_positive_definite(matrix):
    with pytest.raises(ValueError, match="covariance_p_D_D: expected a symmetric positive definite matrix"):
        gaussian_kl(torch.zeros(2), torch.eye(2), torch.zeros(2), torch.tensor(matrix))


def test_bad_draws_are_refused():
    with pytest.raises(ValueError, match="K >= 2"):
        monte_carlo_kl(torch.zeros(1), torch.zeros(1))
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        monte_carlo_kl(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="log_q_K: expected finite"):
        monte_carlo_kl(torch.tensor([-math.inf, 0.0]), torch.zeros(2))
