"""One door for all posteriors: what is shared, what it costs, and the ruler: HMC for several data sets at once."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp, wasserstein_distance
from torch import nn

from bal_course import comparison
from bal_course.comparison import (
    ANCHORED,
    BACKPROP,
    DROPOUT,
    ENSEMBLE,
    HMC,
    LAPLACE_ALL,
    LAPLACE_LAST,
    METHODS,
    ONE_NETWORK,
    SWAG,
    FanInLinear,
    Recipe,
    fit_all,
    fit_hmc,
    fit_networks,
    score,
    total_variation,
    wasserstein_1,
)
from bal_utils.data import sine_with_gap, two_moons
from bal_utils.posteriors import weights
from bal_utils.posteriors.base import Posterior
from bal_utils.runtime import stream
from bal_utils.theory.metrics import accuracy
from bal_utils.training.fit import initialised


def network(inputs, outputs, dropout, hidden=4):
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Dropout(dropout), nn.Linear(hidden, outputs)).double()


MOONS = Recipe(network=partial(network, 2, 2), epochs=30, batch_size=20, backprop_steps=20, num_samples=7)
LINE = Recipe(network=lambda dropout: nn.Linear(1, 1).double(), noise_std=0.5, epochs=300, batch_size=20)


def moons_data(seed=0):
    points_N_2, labels_N = two_moons(20, 0.2, seed)
    return points_N_2.double(), labels_N


@pytest.fixture(scope="module")
def fitted():
    return fit_all(MOONS, moons_data(), seed=0)


def test_every_method_goes_through_the_same_door(fitted):
    assert list(fitted) == list(METHODS[:-1])
    inputs = moons_data(1)[0]
    for name, posterior in fitted.items():
        assert isinstance(posterior, Posterior) and isinstance(posterior.posterior, Posterior)
        log_probs_N_K_C = posterior.sample_log_probs(inputs)
        samples = {ONE_NETWORK: 1, ENSEMBLE: MOONS.num_members, ANCHORED: 20}.get(name, 7)
        assert log_probs_N_K_C.shape == (20, samples, 2)
        torch.testing.assert_close(log_probs_N_K_C.exp().sum(-1), torch.ones(20, samples, dtype=torch.float64))
        torch.testing.assert_close(posterior.sample_log_probs(inputs), log_probs_N_K_C)  # the same draws again
        torch.testing.assert_close(posterior.sample_log_probs(inputs[3:5]), log_probs_N_K_C[3:5])  # shared by inputs


def test_one_network_is_the_first_member_and_the_centre_of_laplace(fitted):
    first_D = fitted[ENSEMBLE].posterior.weights_K_D[0]
    torch.testing.assert_close(fitted[ONE_NETWORK].posterior.weights_K_D[0], first_D)
    for name in (LAPLACE_LAST, LAPLACE_ALL):
        torch.testing.assert_close(weights.weight_vector(fitted[name].posterior.model), first_D)


def test_gradients_are_those_that_training_takes(monkeypatch):
    seen, loss = [], Recipe.loss

    def counted(self, outputs_N, targets_N):
        seen.append(len(targets_N))
        return loss(self, outputs_N, targets_N)

    monkeypatch.setattr(Recipe, "loss", counted)
    data = moons_data()
    posterior = comparison.fit_dropout(MOONS, data, 0)
    assert posterior.gradients == sum(seen) == 30 * 20
    seen.clear()
    networks = fit_networks(MOONS, data, 0)  # one call of the loss stands for all members
    assert comparison.committee_of(MOONS, networks, 20, 5).gradients == 5 * sum(seen)


def test_gradients_of_swag_are_those_of_the_start_and_of_going_on_and_at_rate_zero_it_is_one_network(fitted):
    assert fitted[SWAG].gradients == (30 + 100) * 20 and fitted[ANCHORED].gradients == 20 * 30 * 20
    inputs, networks = moons_data(1)[0], fit_networks(MOONS, moons_data(), 0, 1)
    still = comparison.fit_method(SWAG, replace(MOONS, swag_rate=0.0), moons_data(), 0, networks)
    alone = fitted[ONE_NETWORK].sample_outputs(inputs).expand(-1, 7, -1)
    torch.testing.assert_close(still.sample_outputs(inputs), alone)


def test_one_prior_for_all_weights_of_fan_in_layers_is_the_prior_scaled_by_the_fan_in():
    layer, plain = initialised(lambda: FanInLinear(9, 4).double(), 3), initialised(lambda: nn.Linear(9, 4).double(), 3)
    inputs = torch.randn(5, 9, generator=stream(0, "x")).double()
    torch.testing.assert_close(layer(inputs), plain(inputs))  # the first weights are PyTorch's
    drawn_K_D = 1.5 * torch.randn(200, 40, generator=stream(0, "weights")).double()
    scaled_K_D = drawn_K_D * weights.fan_in_scaled(plain)
    torch.testing.assert_close(
        weights.outputs_with(layer, drawn_K_D, inputs), weights.outputs_with(plain, scaled_K_D, inputs)
    )


def test_gradients_of_bayes_by_backprop_are_those_of_the_start_and_of_every_draw(fitted):
    assert fitted[BACKPROP].gradients == (30 + 20 * 4) * 20 and fitted[ONE_NETWORK].passes == 1


def test_weight_decay_finds_the_maximum_of_the_shared_posterior():
    """On a line with Gaussian noise that maximum is the posterior mean, known in closed form."""
    inputs_N_1, targets_N_1 = (column.double() for column in sine_with_gap(20, 0.1, 0))
    networks = fit_networks(LINE, (inputs_N_1, targets_N_1), 0, 1)
    rows_N_2 = torch.cat([inputs_N_1, torch.ones_like(inputs_N_1)], dim=1)
    precision_2_2 = rows_N_2.T @ rows_N_2 / 0.5**2 + torch.eye(2).double()
    mean_2 = torch.linalg.solve(precision_2_2, rows_N_2.T @ targets_N_1[:, 0] / 0.5**2)
    torch.testing.assert_close(networks.weights_K_D[0], mean_2, atol=1e-4, rtol=0)  # Adam stops near, not at it


def test_the_ruler_samples_the_posterior_of_each_data_set():
    """Two lines with their own data: means and covariances are those of the closed forms."""
    data_S = [tuple(column.double() for column in sine_with_gap(10, 0.3, seed)) for seed in (0, 1)]
    rulers_S = fit_hmc(LINE, data_S, num_chains=8, num_samples=100, thinning=1, warmup=100, steps=6)
    for (inputs_N_1, targets_N_1), ruler in zip(data_S, rulers_S, strict=True):
        rows_N_2 = torch.cat([inputs_N_1, torch.ones_like(inputs_N_1)], dim=1)
        covariance_2_2 = torch.linalg.inv(rows_N_2.T @ rows_N_2 / 0.5**2 + torch.eye(2).double())
        mean_2 = covariance_2_2 @ rows_N_2.T @ targets_N_1[:, 0] / 0.5**2
        drawn_K_2, std_2 = ruler.posterior.weights_K_D, covariance_2_2.diagonal().sqrt()
        assert drawn_K_2.shape == (800, 2) == ruler.weights_H_K_D.flatten(0, 1).shape
        assert ((drawn_K_2.mean(0) - mean_2).abs() < 0.25 * std_2).all()
        torch.testing.assert_close(drawn_K_2.std(0), std_2, rtol=0.2, atol=0)
        r_hat_N, count_N = ruler.agreement(inputs_N_1)
        assert r_hat_N.max() < 1.1 and count_N.min() > 100
        first, second = ruler.halves
        assert len(first.weights_K_D) == len(second.weights_K_D) == 400
        assert not torch.isin(first.weights_K_D, second.weights_K_D).any()


def test_what_differs_in_the_last_layer_alone_costs_the_rest_once(fitted):
    """2·4 and 4·2 weights: half the multiplications stand before the last layer."""
    assert fitted[DROPOUT].passes == fitted[LAPLACE_LAST].passes == 0.5 + 7 * 0.5
    nothing = comparison.fit_dropout(replace(MOONS, dropout=0.0), moons_data(), 0)
    assert nothing.passes == nothing.num_samples == 1


def test_a_curvature_of_all_weights_is_paid_by_its_square(fitted):
    """22 weights: J of 20 points and 2 classes, J'J, and a factor, in gradients of 3·22 multiplications."""
    all_weights = 30 * 20 + 2 * 20 + (20 * 2 * 22**2 + 22**3 / 6) / 66
    assert fitted[LAPLACE_ALL].gradients == pytest.approx(all_weights)
    assert fitted[LAPLACE_ALL].passes == 1 + 2 * 2 + 7 * 2
    assert fitted[LAPLACE_LAST].gradients == pytest.approx(30 * 20 + (20 * 2 * 10**2 + 10**3 / 6) / 66)


def test_scores_of_certain_and_of_ignorant_predictions():
    labels_N = torch.tensor([0, 1, 1])
    certain_N_1_C = torch.nn.functional.one_hot(labels_N, 2).double().log()[:, None]
    ignorant_N_4_C = torch.full((5, 4, 2), 0.5, dtype=torch.float64).log()
    found = score(certain_N_1_C, labels_N, ignorant_N_4_C)
    assert found == pytest.approx({"NLL": 0, "Brier": 0, "ECE": 0, "AUROC": 1})
    assert accuracy(certain_N_1_C[:, 0], labels_N) == 1


def test_total_variation_is_the_largest_difference_over_all_events():
    p_N_C, q_N_C = torch.randn(2, 6, 4, generator=stream(0, "p and q")).softmax(dim=-1)
    events_E_C = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    largest_N = ((p_N_C - q_N_C) @ events_E_C.T).max(dim=1).values
    torch.testing.assert_close(total_variation(p_N_C.log(), q_N_C.log()), largest_N)


@pytest.mark.parametrize("count", [1, 50])
def test_wasserstein_is_scipys(count):
    samples_N_K = torch.randn(3, 50, generator=stream(0, "samples"))
    others_N_K = 2 + torch.randn(3, count, generator=stream(1, "samples"))
    expected = [wasserstein_distance(*pair) for pair in zip(samples_N_K.numpy(), others_N_K.numpy(), strict=True)]
    np.testing.assert_allclose(wasserstein_1(samples_N_K, others_N_K), expected, rtol=1e-5)


def test_unequal_numbers_of_samples_are_refused():
    with pytest.raises(ValueError, match="expected 3 samples"):
        wasserstein_1(torch.zeros(2, 3), torch.zeros(2, 2))


def test_the_ruler_is_the_last_of_the_methods():
    assert METHODS[-1] == HMC and len(set(METHODS)) == 9


def test_nothing_is_counted_as_not_given_and_columns_do_not_spread(fitted):
    inputs, labels = moons_data(1)
    for posterior in fitted.values():
        with pytest.raises(ValueError, match="num_samples: expected a whole number"):
            posterior.sample_outputs(inputs, 0)
    with pytest.raises(ValueError, match="num_members: expected a whole number"):
        fit_networks(MOONS, (inputs, labels), 0, 0)
    outputs_N, targets_N = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 3.0, 2.0])
    assert LINE.loss(outputs_N[:, None], targets_N) == LINE.loss(outputs_N, targets_N)


def test_a_sign_is_sure_where_students_test_says_so():
    g = np.random.default_rng(0)
    for shift in (-1.0, -0.3, 0.0, 0.3, 1.0):
        gain_S = g.normal(size=10) + shift
        decided = ttest_1samp(gain_S, 0).pvalue < 0.05
        assert comparison.sure_sign(gain_S) == (np.sign(gain_S.mean()) if decided else 0)
    assert np.isnan(comparison.sure_sign(np.full(10, 9e-4)))
