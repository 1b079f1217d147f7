"""Bayesian logistic regression against scikit-learn, scipy's quadrature, autograd and statements provable on paper."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from bal_utils.posteriors.laplace import fit_laplace
from bal_utils.runtime import stream
from bal_utils.theory.logistic_regression import (
    average_probability,
    fit_map,
    grid_posterior,
    log_joint,
    log_likelihood,
    log_prior,
    moderated_probability,
    two_groups,
)

INPUTS, LABELS = two_groups(4, distance=1.5, spread=0.8, seed=3)


def draw(*shape, purpose="test"):
    return torch.randn(*shape, generator=stream(0, purpose), dtype=torch.float64)


def test_groups_have_the_centres_and_the_spread_asked_for():
    inputs_N_2, labels_N = two_groups(20_000, distance=3.0, spread=0.5, seed=1)
    for label, centre in ((0, -1.5), (1, 1.5)):
        group_N_2 = inputs_N_2[labels_N == label]
        # standard errors: 0.5 / sqrt(20000) = 0.0035 for a mean, 0.0025 for a standard deviation
        torch.testing.assert_close(group_N_2.mean(0), torch.tensor([centre, 0.0]).double(), atol=0.016, rtol=0)
        torch.testing.assert_close(group_N_2.std(0), torch.full((2,), 0.5).double(), atol=0.011, rtol=0)


def test_more_points_keep_the_first_ones():
    assert torch.equal(two_groups(9, seed=2)[0][:8], two_groups(4, seed=2)[0])
    assert not torch.equal(two_groups(4, seed=2)[0], two_groups(4, seed=3)[0])


def test_likelihood_is_a_product_of_bernoullis():
    weights_K_D = draw(5, 2)
    expected_K = torch.distributions.Bernoulli(logits=weights_K_D @ INPUTS.T).log_prob(LABELS.double()).sum(-1)
    torch.testing.assert_close(log_likelihood(weights_K_D, INPUTS, LABELS), expected_K, rtol=1e-12, atol=1e-12)
    assert log_likelihood(weights_K_D[0], INPUTS, LABELS).ndim == 0


def test_likelihood_is_finite_for_the_surest_weights():
    value = log_likelihood(torch.tensor([1e4, 0.0]).double(), torch.tensor([[1.0, 0.0]]).double(), torch.tensor([0]))
    assert value.item() == pytest.approx(-1e4)


def test_prior_is_normalised():
    weights_D = torch.tensor([0.3, -2.0], dtype=torch.float64)
    expected = norm.logpdf(weights_D.numpy(), scale=1 / math.sqrt(0.4)).sum()
    assert log_prior(weights_D, 0.4).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("separable", [False, True])
def test_map_agrees_with_scikit_learn_and_autograd(alpha, separable):
    inputs_N_D, labels_N = two_groups(30, distance=6.0 if separable else 1.0, spread=0.7, seed=0)
    mean_D, covariance_D_D = fit_map(inputs_N_D, labels_N, alpha)
    theirs = LogisticRegression(C=1 / alpha, fit_intercept=False, tol=1e-10, solver="newton-cholesky")
    theirs.fit(inputs_N_D.numpy(), labels_N.numpy())
    np.testing.assert_allclose(mean_D.numpy(), theirs.coef_[0], rtol=1e-5, atol=1e-6)
    general = fit_laplace(lambda w: log_joint(w, inputs_N_D, labels_N, alpha), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close((mean_D, covariance_D_D), general, rtol=1e-5, atol=1e-7)


def test_map_survives_inputs_on_which_plain_newton_steps_overshoot():
    inputs_N_D = torch.tensor([[40.0, 3.0], [-0.1, 30.0], [25.0, -30.0], [-3.0, 0.2]], dtype=torch.float64)
    labels_N = torch.tensor([1, 0, 1, 1])
    mean_D, _ = fit_map(inputs_N_D, labels_N, 1e-4)
    weights_D = mean_D.clone().requires_grad_()
    log_joint(weights_D, inputs_N_D, labels_N, 1e-4).backward()
    assert weights_D.grad.abs().max() < 1e-4


def test_grid_agrees_with_quadrature():
    posterior = grid_posterior(INPUTS, LABELS, 0.5)
    # Gauss-Legendre on a fixed box: another rule, other places
    nodes, heaviness = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(120))
    weights_G_2 = 12 * torch.cartesian_prod(nodes, nodes)
    mass_G = (
        log_joint(weights_G_2, INPUTS, LABELS, 0.5).exp() * 144 * torch.cartesian_prod(heaviness, heaviness).prod(1)
    )
    # both rules are exponentially accurate on smooth densities: only the cut-off tails remain
    assert posterior.log_evidence == pytest.approx(math.log(mass_G.sum()), abs=1e-7)
    torch.testing.assert_close(posterior.mean_D, mass_G @ weights_G_2 / mass_G.sum(), atol=1e-7, rtol=0)
    assert posterior.shares_G.sum().item() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("num_each", [1, 5, 60])
def test_grid_holds_the_whole_posterior(alpha, num_each):
    inputs_N_2, labels_N = two_groups(num_each, spread=0.5 if num_each < 60 else 1.0, seed=4)
    posterior = grid_posterior(inputs_N_2, labels_N, alpha)
    shares_C_C = posterior.shares_G.reshape(201, 201)
    edges = shares_C_C[[0, -1]].sum() + shares_C_C[:, [0, -1]].sum()
    assert edges < 1e-7
    assert shares_C_C.max() < 0.05  # many cells across: the grid is not too coarse
    finer = grid_posterior(inputs_N_2, labels_N, alpha, cells=401)
    # wide priors make sigmoids as steep as a cell is wide; elsewhere the agreement is to eight digits
    torch.testing.assert_close(posterior.covariance_D_D, finer.covariance_D_D, rtol=5e-4, atol=1e-6)


def test_one_label_by_symmetry():
    # One point at (x, 0): the second weight keeps its prior, and the evidence is one half.
    posterior = grid_posterior(torch.tensor([[2.0, 0.0]]).double(), torch.tensor([1]), 0.25)
    assert posterior.log_evidence == pytest.approx(math.log(0.5), abs=1e-7)
    assert posterior.covariance_D_D[1, 1].item() == pytest.approx(4.0, rel=1e-6)
    assert posterior.mean_D[1].item() == pytest.approx(0.0, abs=1e-9)


def test_trimmed_keeps_the_heavy_cells():
    posterior = grid_posterior(INPUTS, LABELS, 0.5)
    small = posterior.trimmed(1e-3)
    assert len(small.shares_G) < len(posterior.shares_G) / 5
    assert small.shares_G.sum().item() == pytest.approx(1.0, abs=1e-12)
    far = torch.tensor([[1.0, 8.0], [-3.0, 0.5]], dtype=torch.float64)
    whole_N = average_probability(posterior.weights_G_2, far, posterior.shares_G)
    # a probability moves by no more than the share that was dropped
    torch.testing.assert_close(average_probability(small.weights_G_2, far, small.shares_G), whole_N, atol=1e-3, rtol=0)


def test_draws_follow_the_shares():
    posterior = grid_posterior(INPUTS, LABELS, 0.5)
    weights_K_2 = posterior.draw(20_000, stream(0, "draws"))
    std_D = posterior.covariance_D_D.diagonal().sqrt()
    assert ((weights_K_2.mean(0) - posterior.mean_D).abs() < 4 * std_D / math.sqrt(20_000)).all()
    torch.testing.assert_close(weights_K_2.std(0), std_D, rtol=0.03, atol=0)  # 4 / sqrt(2 * 20000) = 0.02


def test_average_by_hand():
    weights_K_D = torch.tensor([[math.log(3.0), 0.0], [0.0, -math.log(4.0)]], dtype=torch.float64)
    inputs_N_D = torch.eye(2, dtype=torch.float64)
    # sigmoid(ln 3) = 3/4, sigmoid(-ln 4) = 1/5, sigmoid(0) = 1/2
    expected = torch.tensor([(0.75 + 0.5) / 2, (0.5 + 0.2) / 2], dtype=torch.float64)
    torch.testing.assert_close(average_probability(weights_K_D, inputs_N_D), expected)
    shares = torch.tensor([0.2, 0.8], dtype=torch.float64)
    expected = torch.tensor([0.2 * 0.75 + 0.8 * 0.5, 0.2 * 0.5 + 0.8 * 0.2], dtype=torch.float64)
    torch.testing.assert_close(average_probability(weights_K_D, inputs_N_D, shares), expected)


@pytest.mark.parametrize("mean", [-6.0, -1.0, 0.0, 0.5, 3.0])
@pytest.mark.parametrize("std", [0.1, 1.0, 5.0, 40.0])
def test_mackay_against_quadrature(mean, std):
    exact = quad(lambda z: norm.pdf(z) / (1 + math.exp(-(mean + std * z))), -8, 8, points=[-mean / std], limit=500)[0]
    close = moderated_probability(
        torch.tensor([mean]).double(), torch.tensor([[std**2]]).double(), torch.ones(1, 1).double()
    ).item()
    assert close == pytest.approx(exact, abs=0.02)  # the logistic and the matched normal curve differ by at most 0.019
    assert (close - 0.5) * (exact - 0.5) >= 0


def test_mackay_uses_the_whole_covariance():
    covariance_D_D = torch.tensor([[2.0, -1.5], [-1.5, 2.0]], dtype=torch.float64)
    mean_D, inputs_N_D = torch.tensor([1.0, 1.0]).double(), torch.tensor([[1.0, 1.0]]).double()
    expected = 1 / (1 + math.exp(-2 / math.sqrt(1 + math.pi / 8)))  # variance along (1, 1) is 2 + 2 - 3 = 1
    assert moderated_probability(mean_D, covariance_D_D, inputs_N_D).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: two_groups(0), "num_each"),
        (lambda: two_groups(3, spread=-1.0), "spread"),
        (lambda: log_likelihood(torch.zeros(2).double(), INPUTS, 2 * LABELS - 1), "labels_N"),
        (lambda: log_prior(torch.zeros(2), 0.0), "prior_precision"),
        (lambda: fit_map(INPUTS, LABELS, -1.0), "prior_precision"),
        (lambda: fit_map(INPUTS / 0, LABELS, 1.0), "inputs_N_D"),
        (lambda: grid_posterior(INPUTS[:, :1], LABELS, 1.0), "inputs_N_2"),
        (lambda: grid_posterior(INPUTS, LABELS, math.inf), "prior_precision"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.bool, torch.int32, torch.float32])
def test_labels_of_any_type_mean_the_same(dtype):
    """2·0 - 1 is 255 in uint8."""
    inputs, labels = two_groups(10, seed=1)
    weights = torch.tensor([0.5, 0.1], dtype=torch.float64)
    probs = torch.sigmoid(inputs @ weights)
    by_hand = torch.where(labels == 1, probs, 1 - probs).log().sum()
    torch.testing.assert_close(log_likelihood(weights, inputs, labels.to(dtype)), by_hand)
    for found, expected in zip(fit_map(inputs, labels.to(dtype), 1.0), fit_map(inputs, labels, 1.0), strict=True):
        assert torch.equal(found, expected)


def test_arrays_and_missing_labels_are_refused_by_name():
    inputs, labels = two_groups(10, seed=1)
    weights = torch.zeros(2, dtype=torch.float64)
    with pytest.raises(TypeError, match="^labels_N: .*ndarray"):
        log_likelihood(weights, inputs, labels.numpy())
    with pytest.raises(ValueError, match="^labels_N: "):
        log_likelihood(weights, inputs, labels[:1])  # one label must not count for all
