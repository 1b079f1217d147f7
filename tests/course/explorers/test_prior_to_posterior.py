"""The explorer of notebook 08: its NumPy network against PyTorch's and the package's posteriors, its lesson, its corners."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import vector_to_parameters

from bal_course.explorers import prior_to_posterior as network
from bal_course.explorers.prior_to_posterior import (
    AT_DATA_G,
    IN_GAP_G,
    LAPLACE,
    MEAN_FIELD,
    PriorToPosterior,
    PriorToPosteriorState,
    spread,
)
from bal_scenes.base import Event
from bal_utils.posteriors import bayes_by_backprop, laplace
from bal_utils.posteriors.weights import fan_in_scaled, gaussian, log_joint, outputs_with
from bal_utils.theory.divergence import diagonal_gaussian_kl, gaussian_kl

INPUTS_N_1, TARGETS_N_1 = (torch.from_numpy(column)[:, None] for column in network.data())
CORNERS = [(0.3, 0.1), (0.3, 100.0), (4.0, 0.1), (4.0, 100.0), (1.5, 1.0)]


def torch_network(weights_D: np.ndarray) -> nn.Module:
    """The same network in PyTorch, whose parameters come in the same order."""
    model = nn.Sequential(nn.Linear(1, network.HIDDEN), nn.Tanh(), nn.Linear(network.HIDDEN, 1)).double()
    vector_to_parameters(torch.from_numpy(weights_D), model.parameters())
    return model


def some_weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(*shape, 3 * network.HIDDEN + 1))


def test_the_network_is_that_of_pytorch():
    weights_3_D = some_weights(3)
    for weights_D, outputs_N in zip(weights_3_D, network.outputs(weights_3_D, network.data()[0]), strict=True):
        expected_N = torch_network(weights_D)(INPUTS_N_1)[:, 0].detach().numpy()
        np.testing.assert_allclose(outputs_N, expected_N, atol=1e-12)


def test_the_prior_is_scaled_by_fan_in():
    expected_D = fan_in_scaled(torch_network(some_weights()), 1.7)
    np.testing.assert_allclose(network.prior_std(1.7), expected_D.numpy(), rtol=1e-6)  # made in float32 there


def test_the_slope_of_the_misfit_is_that_of_autograd():
    weights_K_D = torch.from_numpy(some_weights(4)).requires_grad_()
    outputs_K_N_1 = outputs_with(torch_network(some_weights()), weights_K_D, INPUTS_N_1)
    fit = sum(gaussian(network.NOISE)(outputs_N_1, TARGETS_N_1) for outputs_N_1 in outputs_K_N_1)
    (slope_K_D,) = torch.autograd.grad(-fit, weights_K_D)
    ours_K_D = network.misfit_slope(weights_K_D.detach().numpy(), *network.data())
    np.testing.assert_allclose(ours_K_D, slope_K_D.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "kl_weight"), CORNERS)
def test_the_climb_ends_on_a_peak_of_the_log_joint(scale, kl_weight):
    std_D = torch.from_numpy(network.prior_std(scale))
    density = log_joint(
        torch_network(some_weights()),
        INPUTS_N_1,
        TARGETS_N_1,
        log_likelihood=gaussian(network.NOISE * kl_weight**0.5),
        prior_std=std_D,
    )
    found_D = std_D * torch.from_numpy(network.most_probable(scale, kl_weight))
    starts_K_D = std_D * torch.from_numpy(network.normal("starts", network.STARTS, len(std_D)))
    assert all(density(found_D) > density(start_D) for start_D in starts_K_D)
    # L-BFGS, which shares no code with ours, gains less than a nat (of 258 where the ridge is longest)
    assert density(laplace.climb(density, found_D)) - density(found_D) < 1


@pytest.mark.parametrize(("scale", "kl_weight"), CORNERS)
def test_laplace_is_that_of_the_package(scale, kl_weight):
    std_D, q = network.prior_std(scale), network.laplace(scale, kl_weight)
    model = torch_network(std_D * q.mean_D)
    noise_std = network.NOISE * kl_weight**0.5
    settings = {"prior_std": torch.from_numpy(std_D), "noise_std": noise_std}
    expected = laplace.fit_network(model, INPUTS_N_1, TARGETS_N_1, **settings)
    root_D_D = std_D[:, None] * q.root_D_D
    np.testing.assert_allclose(root_D_D @ root_D_D.T, expected.covariance_d_d.numpy(), rtol=1e-6, atol=1e-9)
    line_G_1 = torch.from_numpy(network.PLACES_G)[:, None]
    ours_G = network.posterior_functions(LAPLACE, scale, kl_weight).std(axis=0)
    theirs_G = expected.sample_outputs(line_G_1, 2000)[..., 0].std(dim=1).numpy()
    np.testing.assert_allclose(ours_G, theirs_G, rtol=0.25)  # 200 draws: 5 % each place, over 101 places


def negative_elbo(mean_D: torch.Tensor, std_D: torch.Tensor, prior_D: torch.Tensor) -> float:
    base_K_D = torch.randn(4000, len(mean_D), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    outputs_K_N_1 = outputs_with(torch_network(some_weights()), mean_D + std_D * base_K_D, INPUTS_N_1)
    misfit = 0.5 * ((outputs_K_N_1 - TARGETS_N_1) / network.NOISE).square().sum() / 4000
    return (misfit + diagonal_gaussian_kl(mean_D, std_D, torch.zeros_like(prior_D), prior_D)).item()


@pytest.mark.slow
def test_bayes_by_backprop_gets_as_far_as_the_package():
    std_D, q = torch.from_numpy(network.prior_std(1.5)), network.mean_field(1.5, 1.0)
    ours = negative_elbo(
        std_D * torch.from_numpy(q.mean_D), std_D * torch.from_numpy(q.root_D_D.diagonal().copy()), std_D
    )
    start = torch_network(std_D.numpy() * network.most_probable(1.5, 1.0))
    settings = {"prior_std": std_D, "log_likelihood": gaussian(network.NOISE), "learning_rate": 0.02, "steps": 1000}
    theirs = bayes_by_backprop.fit_network(start, INPUTS_N_1, TARGETS_N_1, **settings)
    assert ours < negative_elbo(theirs.mean_D, theirs.std_D, std_D) + 3  # nats, of about 53; both end near one hill


@pytest.mark.parametrize("method", [LAPLACE, MEAN_FIELD])
def test_the_nats_are_those_of_the_closed_form(method):
    q = network.learn(method, 1.5, 1.0)
    root_D_D, size = torch.from_numpy(np.ascontiguousarray(q.root_D_D)), len(q.mean_D)
    eye_D_D = torch.eye(size, dtype=torch.float64)
    expected = gaussian_kl(
        torch.from_numpy(q.mean_D), root_D_D @ root_D_D.mT, torch.zeros(size, dtype=torch.float64), eye_D_D
    )
    assert network.divergence(q) == pytest.approx(expected.item(), rel=1e-8)


def widths(method: str, scale: float = 1.5, kl_weight: float = 1.0) -> tuple[float, float]:
    functions_K_G = network.posterior_functions(method, scale, kl_weight)
    return spread(functions_K_G, IN_GAP_G), spread(functions_K_G, AT_DATA_G)


def test_laplace_opens_in_the_gap_and_mean_field_does_not():
    laplace_gap, laplace_data = widths(LAPLACE)
    field_gap, field_data = widths(MEAN_FIELD)
    assert laplace_gap > 2 * laplace_data and field_gap < 1.3 * field_data
    assert field_gap < 0.7 * laplace_gap and field_data > 1.2 * laplace_data


def test_the_prior_decides_in_the_gap_and_the_data_at_the_data():
    (gap_small, data_small), (gap_large, data_large) = widths(LAPLACE, 0.5), widths(LAPLACE, 4.0)
    assert gap_large > 4 * gap_small and data_large < 3 * data_small


@pytest.mark.parametrize("method", [LAPLACE, MEAN_FIELD])
def test_a_heavy_kl_keeps_the_prior_and_a_light_one_forgets_it(method):
    nats = [network.divergence(network.learn(method, 1.5, weight)) for weight in (100.0, 1.0, 0.1)]
    assert nats[0] < 2 < nats[1] < nats[2]
    assert widths(method, 1.5, 0.1)[1] < 0.6 * widths(method)[1]


def test_the_prior_has_mean_zero_and_grows_with_its_scale():
    small_K_G, large_K_G = network.prior_functions(0.5), network.prior_functions(4.0)
    np.testing.assert_allclose(small_K_G.mean(axis=0), 0, atol=1e-12)
    assert (large_K_G.std(axis=0) > 5 * small_K_G.std(axis=0)).all()


@pytest.mark.parametrize("method", [LAPLACE, MEAN_FIELD])
@pytest.mark.parametrize(("scale", "kl_weight"), CORNERS)
def test_the_corners_of_the_controls_work(method, scale, kl_weight):
    explorer = PriorToPosterior(PriorToPosteriorState(scale=scale, kl_weight=kl_weight, method=method))
    assert explorer.error is None and "nats from the prior" in explorer.status
    assert ("Bayes' rule" in explorer.status) and ("is not Bayes' rule" in explorer.status) == (kl_weight != 1)
    for layer in explorer.scene["panels"][1]["layers"]:
        assert all(np.isfinite(layer[side]).all() for side in ("low", "high") if side in layer)


@pytest.mark.parametrize("scale", [0.3, 1.5, 4.0])
@pytest.mark.parametrize("kl_weight", [0.1, 100.0])
def test_every_width_lies_on_the_one_axis(scale, kl_weight):
    explorer = PriorToPosterior(PriorToPosteriorState(scale=scale, kl_weight=kl_weight))
    panel = explorer.scene["panels"][2]
    (marks,) = (layer for layer in panel["layers"] if layer["kind"] == "points")
    (words,) = (layer for layer in panel["layers"] if layer["kind"] == "text")
    assert panel["x"] == list(network.WIDTHS)
    assert (network.WIDTHS[0] < marks["x"]).all() and (marks["x"] < network.WIDTHS[1]).all()
    np.testing.assert_allclose(10 ** marks["x"], [float(word) for word in words["words"]], atol=0.006)


def test_the_scene_depends_on_the_state_alone():
    state = PriorToPosteriorState(scale=2.0, method=MEAN_FIELD)
    first = PriorToPosterior(state).scene
    other = PriorToPosterior(replace(state, scale=0.7))
    other.state = state
    for one, two in zip(first["panels"], other.scene["panels"], strict=True):
        for layer, twin in zip(one["layers"], two["layers"], strict=True):
            for name in {"x", "y", "low", "high", "x1"} & layer.keys():
                np.testing.assert_array_equal(layer[name], twin[name])


def test_clicks_change_nothing_and_a_state_outside_the_sliders_is_refused():
    explorer = PriorToPosterior()
    explorer.dispatch(Event(kind="click", panel=1, x=0.0, y=0.0))
    assert explorer.state == PriorToPosteriorState() and explorer.error is None
    with pytest.raises(ValueError, match="scale"):
        PriorToPosterior(PriorToPosteriorState(scale=0.0))
