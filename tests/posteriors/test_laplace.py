"""Laplace's approximation: exact for Gaussians, known in closed form for two others, and honest about failure."""

import math

import pytest
import torch

from bal_utils.posteriors.laplace import fit_laplace

MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
FACTOR = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-0.5, 0.3, 20.0]], dtype=torch.float64)
START = torch.zeros(3, dtype=torch.float64)


def gaussian(x):
    return -0.5 * torch.linalg.solve_triangular(FACTOR, (x - MEAN)[:, None], upper=False).square().sum() + 7.0


def test_a_gaussian_is_its_own_approximation():
    mean_D, covariance_D_D = fit_laplace(gaussian, START)
    torch.testing.assert_close(mean_D, MEAN, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(covariance_D_D, FACTOR @ FACTOR.T, rtol=1e-9, atol=1e-9)
    assert torch.equal(START, torch.zeros(3, dtype=torch.float64)) and not mean_D.requires_grad


@pytest.mark.parametrize("start", [-3.0, 0.0, 8.0])
def test_the_logarithm_of_a_gamma_variable(start):
    # ax - b exp(x) peaks at ln(a/b), where its second derivative is -a.
    a, b = 5.0, 2.0
    mean_D, covariance_D_D = fit_laplace(lambda x: (a * x - b * x.exp()).sum(), torch.tensor([start]).double())
    assert mean_D.item() == pytest.approx(math.log(a / b), rel=1e-8)
    assert covariance_D_D.item() == pytest.approx(1 / a, rel=1e-8)


def test_a_curved_valley():
    # Rosenbrock's function has its minimum at (1, 1) and the Hessian [[802, -400], [-400, 200]] there.
    def banana(x):
        return -((1 - x[0]) ** 2) - 100 * (x[1] - x[0] ** 2) ** 2

    mean_D, covariance_D_D = fit_laplace(banana, torch.tensor([-1.2, 1.0], dtype=torch.float64))
    torch.testing.assert_close(mean_D, torch.ones(2, dtype=torch.float64), rtol=1e-7, atol=1e-7)
    hessian = torch.tensor([[802.0, -400.0], [-400.0, 200.0]], dtype=torch.float64)
    torch.testing.assert_close(covariance_D_D, hessian.inverse(), rtol=1e-5, atol=1e-7)


def test_single_precision_is_enough_for_a_rough_answer():
    mean_D, covariance_D_D = fit_laplace(lambda x: -((x - 3) ** 2).sum() / 8, torch.zeros(2))
    assert mean_D.dtype == torch.float32
    torch.testing.assert_close(mean_D, torch.full((2,), 3.0), rtol=1e-4, atol=0)
    torch.testing.assert_close(covariance_D_D, 4 * torch.eye(2), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "density",
    [
        lambda x: x.sum(),  # rises for ever
        lambda x: 0 * x.sum(),  # flat
        lambda x: (x**2).sum(),  # starts at a minimum
        lambda x: torch.nn.functional.logsigmoid(x).sum(),  # separable data: rises towards zero for ever
        lambda x: -(x[0] ** 2),  # flat in two directions
    ],
)
def test_no_maximum_is_an_error(density):
    with pytest.raises(ValueError, match="log_density"):
        fit_laplace(density, START)


@pytest.mark.parametrize("start", [torch.zeros(2, 2), torch.tensor([math.inf]), torch.tensor([1])])
def test_unfit_starts(start):
    with pytest.raises(ValueError, match="start_D"):
        fit_laplace(lambda x: -(x**2).sum(), start)
