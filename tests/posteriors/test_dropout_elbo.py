"""Dropout's family q, its divergence and both objectives, against integrals, mixtures of PyTorch's own, and autograd."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import quad
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from bal_utils.posteriors import dropout_elbo
from bal_utils.posteriors.dropout_elbo import (
    coin_entropy,
    dropout_loss,
    implied_length_scale,
    kl,
    l2_form,
    log_density,
    monte_carlo_kl,
    negative_elbo,
    overlap,
    paper_decay,
    sample_rows,
    weight_decay,
)
from bal_utils.runtime import stream

NARROW = {"keep": 0.8, "std": 0.1}


def rows(*shape, seed=0):
    return torch.randn(shape, generator=stream(seed, "rows"), dtype=torch.float64)


def mixture(mean_D, keep, std):
    """The same density, by PyTorch."""
    centres_2_D = torch.stack([mean_D, torch.zeros_like(mean_D)])
    parts = Independent(Normal(centres_2_D, std), 1)
    return MixtureSameFamily(Categorical(torch.tensor([keep, 1 - keep], dtype=torch.float64)), parts)


def test_draws_have_the_moments_of_the_mixture():
    mean_1_D = torch.tensor([[0.8, -0.4, 0.3]], dtype=torch.float64)
    draws_K_D = sample_rows(mean_1_D, **NARROW, num_samples=40_000, generator=stream(0, "draws"))[:, 0]
    covariance_D_D = 0.01 * torch.eye(3) + 0.16 * mean_1_D.T @ mean_1_D
    torch.testing.assert_close(draws_K_D.mean(dim=0), 0.8 * mean_1_D[0], atol=0.01, rtol=0)  # se at most 0.0017
    torch.testing.assert_close(draws_K_D.T.cov(), covariance_D_D, atol=0.004, rtol=0)


def test_the_rows_of_a_matrix_are_dropped_independently_and_as_a_whole():
    draws_K_R_D = sample_rows(torch.ones(2, 5), keep=0.5, std=1e-6, num_samples=4000, generator=stream(0, "draws"))
    kept_K_R_D = draws_K_R_D > 0.5
    assert torch.equal(kept_K_R_D.all(dim=2), kept_K_R_D.any(dim=2))
    together = kept_K_R_D[..., 0].double().mean(dim=0).prod() - kept_K_R_D[..., 0].all(dim=1).double().mean()
    assert abs(together) < 0.03  # four standard errors


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.95])
def test_the_density_is_that_of_a_mixture(keep):
    mean_R_D, weights_K_R_D = rows(3, 4), rows(10, 3, 4, seed=1)
    expected = torch.stack(
        [mixture(mean_D, keep, 0.3).log_prob(weights_K_R_D[:, r]) for r, mean_D in enumerate(mean_R_D)], 1
    )
    torch.testing.assert_close(log_density(weights_K_R_D, mean_R_D, keep=keep, std=0.3), expected)


def test_without_dropping_the_density_is_one_gaussian():
    mean_R_D, weights_K_R_D = rows(3, 4), rows(10, 3, 4, seed=1)
    expected = Normal(mean_R_D, 0.3).log_prob(weights_K_R_D).sum(dim=-1)
    torch.testing.assert_close(log_density(weights_K_R_D, mean_R_D, keep=1.0, std=0.3), expected)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("mean", [0.0, 0.05, 0.25, 1.0])
def test_in_one_dimension_the_divergence_is_an_integral(keep, mean):
    q, prior = mixture(torch.tensor([mean], dtype=torch.float64), keep, 0.1), Normal(0.0, 0.5)

    def integrand(w):
        place = torch.tensor([w], dtype=torch.float64)
        log_q = q.log_prob(place)
        return float(log_q.exp() * (log_q - prior.log_prob(place).sum()))

    expected, _ = quad(integrand, -1.0, 2.0, points=[0.0, mean], epsabs=1e-9, limit=200)
    ours = kl(torch.tensor([[mean]], dtype=torch.float64), keep=keep, std=0.1, length_scale=2.0)
    assert ours.item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("dims", "size"), [(1, 0.3), (4, 0.1), (32, 0.05)])
def test_in_any_dimension_the_divergence_is_a_monte_carlo_average(dims, size):
    mean_R_D = size * rows(3, dims).sign()
    settings = {"keep": 0.7, "std": 0.1, "length_scale": 1.5}
    estimate = monte_carlo_kl(mean_R_D, **settings, num_samples=20_000, generator=stream(0, "kl"))
    assert abs(estimate.value - kl(mean_R_D, **settings)) < 4 * estimate.standard_error


def test_the_error_of_the_l2_form_is_the_doubt_about_the_coin():
    distances_R = torch.tensor([0.0, 1.0, 3.0, 12.0], dtype=torch.float64)
    gaps_R = overlap(distances_R, 0.3)
    assert gaps_R[0].item() == pytest.approx(coin_entropy(0.3)) and gaps_R[-1] < 1e-7
    assert (gaps_R.diff() < 0).all()
    # by sampling: the entropy of the coin after one draw of u, the place along the row in units of the width
    u_K = 3.0 * (torch.rand(200_000, generator=stream(0, "coin")) < 0.3) + torch.randn(
        200_000, generator=stream(0, "u")
    )
    kept_K = torch.sigmoid(math.log(0.3 / 0.7) + 3.0 * u_K - 4.5)
    doubts_K = torch.special.entr(kept_K) + torch.special.entr(1 - kept_K)
    assert abs(doubts_K.mean() - gaps_R[2]) < 4 * doubts_K.std() / math.sqrt(200_000)


def test_the_l2_form_is_a_gaussian_divergence_where_nothing_is_dropped():
    from bal_utils.theory.divergence import diagonal_gaussian_kl

    mean_R_D = rows(3, 4)
    std, prior_std = torch.full_like(mean_R_D, 0.2), torch.full_like(mean_R_D, 1 / 3)
    expected = diagonal_gaussian_kl(mean_R_D, std, torch.zeros_like(mean_R_D), prior_std).sum()
    for form in (l2_form, kl):
        torch.testing.assert_close(form(mean_R_D, keep=1.0, std=0.2, length_scale=3.0), expected)


def test_the_gradient_of_the_divergence_is_l2_far_from_zero_and_outwards_near_it():
    settings = {"keep": 0.8, "std": 0.1, "length_scale": 1.0}
    mean_R_D = torch.tensor([[2.0, 1.0], [0.1, 0.1]], dtype=torch.float64, requires_grad=True)
    (gradient_R_D,) = torch.autograd.grad(kl(mean_R_D, **settings), mean_R_D)
    torch.testing.assert_close(gradient_R_D[0], 0.8 * mean_R_D[0].detach(), atol=1e-12, rtol=0)
    assert (gradient_R_D[1] < 0).all()


@pytest.mark.parametrize("loss", ["squared error", "half squared error", "nll"])
def test_an_optimiser_with_our_weight_decay_steps_along_the_elbo(loss):
    """nn.Dropout, PyTorch's loss and SGD's own weight decay against the gradient of the objective, by finite masks."""
    drop, precision, num_data, scale = 0.3, 5.0, 12, 1.7
    inputs_N_H, targets_N_1 = rows(num_data, 6), rows(num_data, 1, seed=1)
    layer = nn.Linear(6, 1, bias=False).double()
    weights_1_H = layer.weight.detach().clone().requires_grad_()
    settings = {"length_scale": scale, "num_data": num_data, "drop": drop, "noise_precision": precision, "loss": loss}
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0, weight_decay=weight_decay(**settings))
    torch.manual_seed(3)
    outputs_N_1 = layer(F.dropout(inputs_N_H, drop))
    if loss == "nll":
        value = F.gaussian_nll_loss(outputs_N_1, targets_N_1, torch.full_like(targets_N_1, 1 / precision))
    else:
        value = F.mse_loss(outputs_N_1, targets_N_1) * (0.5 if loss == "half squared error" else 1.0)
    value.backward()
    optimiser.step()

    torch.manual_seed(3)
    mask_N_H = F.dropout(torch.ones_like(inputs_N_H), drop) > 0
    mean_H_1 = weights_1_H.T / (1 - drop)
    errors_N = (targets_N_1 - (inputs_N_H * mask_N_H) @ mean_H_1).square().sum(dim=1)
    objective = negative_elbo(
        -precision / 2 * errors_N, [(mean_H_1, 1 - drop)], num_data=num_data, std=1e-3, length_scale=scale
    )
    (gradient_1_H,) = torch.autograd.grad(objective, weights_1_H)
    factor = {"nll": 1, "half squared error": 1 / precision, "squared error": 2 / precision}[loss] / num_data
    torch.testing.assert_close(layer.weight.detach(), weights_1_H.detach() - factor * gradient_1_H, atol=1e-12, rtol=0)


def test_the_dropout_loss_with_the_papers_decay_has_the_gradient_of_the_elbo():
    mean_R_D, targets_B_O, hidden_B_R = rows(4, 2).requires_grad_(), rows(7, 2, seed=1), rows(7, 4, seed=2)
    outputs_B_O = hidden_B_R @ mean_R_D
    decay = paper_decay(keep=0.6, length_scale=2.0, num_data=70, noise_precision=3.0)
    loss = dropout_loss(outputs_B_O, targets_B_O, [mean_R_D], [decay])
    log_likelihood_B = Normal(outputs_B_O, 3.0**-0.5).log_prob(targets_B_O).sum(dim=1)
    objective = negative_elbo(log_likelihood_B, [(mean_R_D, 0.6)], num_data=70, std=0.01, length_scale=2.0)
    ours, theirs = (
        torch.autograd.grad(value, mean_R_D, retain_graph=True)[0] for value in (loss, objective / (3 * 70))
    )
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize("loss", ["squared error", "half squared error", "nll"])
def test_the_length_scale_comes_back(loss):
    settings = {"num_data": 50, "drop": 0.2, "noise_precision": 4.0, "loss": loss}
    decay = weight_decay(length_scale=1.3, **settings)
    assert implied_length_scale(weight_decay=decay, **settings) == pytest.approx(1.3)


def test_pytorchs_decay_is_the_papers_for_stretched_weights():
    """½ wd |w|² with w = keep M is the λ |M|² of the paper."""
    settings = {"length_scale": 1.3, "num_data": 50, "noise_precision": 4.0}
    decay = weight_decay(drop=0.2, loss="half squared error", **settings)
    assert decay / 2 * 0.8**2 == pytest.approx(paper_decay(keep=0.8, **settings))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"drop": 1.0}, r"drop: expected a finite number, at least 0 and below 1, got 1.0"),
        ({"drop": -0.1}, "drop: expected"),
        ({"drop": math.nan}, "drop: expected"),
        ({"length_scale": 0.0}, "length_scale: expected a finite number, above 0, got 0.0"),
        ({"noise_precision": 0.0}, "noise_precision: expected"),
        ({"num_data": 0}, "num_data: expected a whole number, at least 1, got 0"),
        ({"num_data": 2.5}, "num_data: expected a whole number"),
        ({"loss": "mse"}, "loss: expected one of 'nll', 'half squared error', 'squared error', got 'mse'"),
    ],
)
def test_arguments_out_of_range_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        weight_decay(**({"length_scale": 1.0, "num_data": 10, "drop": 0.5} | changed))


@pytest.mark.parametrize(
    "changed", [{"keep": 0.0}, {"keep": 1.2}, {"std": 0.0}, {"std": math.inf}, {"length_scale": -1.0}]
)
def test_a_family_that_does_not_exist_is_refused(changed):
    (name,) = changed
    with pytest.raises(ValueError, match=f"{name}: expected"):
        kl(rows(2, 2), **({"keep": 0.5, "std": 0.1, "length_scale": 1.0} | changed))


def test_the_l2_form_bounds_the_divergence_from_below_by_at_most_a_coin_a_row():
    for seed in range(5):
        mean_R_D = 0.2 * rows(6, 3, seed=seed)
        settings = {"keep": 0.2 + 0.15 * seed, "std": 0.15, "length_scale": 1.0}
        gap = kl(mean_R_D, **settings) - l2_form(mean_R_D, **settings)
        assert 0 <= gap <= 6 * dropout_elbo.coin_entropy(settings["keep"])


def test_extreme_widths_are_refused_or_exact():
    with pytest.raises(ValueError, match="length_scale · std"):
        l2_form(rows(2, 2), keep=0.5, std=1e-200, length_scale=1e-10)
    with pytest.raises(ValueError, match="keep: expected"):
        dropout_elbo.coin_entropy(1.5)
    far_R = torch.tensor([50.0, 1e4, 1e20, 1e200, math.inf], dtype=torch.float64)
    assert torch.equal(dropout_elbo.overlap(far_R, 0.3), torch.zeros(5, dtype=torch.float64))
    assert torch.equal(dropout_elbo.overlap(far_R.float(), 0.3), torch.zeros(5))
