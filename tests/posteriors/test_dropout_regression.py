"""Regression with MC-dropout against closed forms, scikit-learn's numbers, plain loops, and its own units."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.linear_model import LinearRegression
from torch import nn

from bal_utils.posteriors import dropout_regression
from bal_utils.posteriors.dropout_elbo import weight_decay
from bal_utils.posteriors.dropout_regression import (
    Standardiser,
    dropout_network,
    outputs_with_dropout,
    train_side_by_side,
)
from bal_utils.posteriors.mc_dropout import (
    DropoutRegression,
    enable_dropout,
    fit_regression,
    predictive_log_likelihood,
    root_mean_squared_error,
    sample_outputs,
)
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig, initialised
from bal_utils.training.stacked import stack

QUICK = {"dropout": 0.1, "noise_std": 2.0, "epochs": 30}


def line(num_points=120, noise=0.5, num_columns=3):
    generator = stream(0, "line")
    inputs = 10 + 4 * torch.randn(num_points, num_columns, generator=generator, dtype=torch.float64)
    errors = noise * torch.randn(num_points, generator=generator, dtype=torch.float64)
    return inputs.numpy(), (3 + inputs @ torch.tensor([2.0, -1.0, 0.5][:num_columns]).double() + errors).numpy()


def linear_regression(dropout, noise_std, weight=(2.0, -1.0), bias=0.7):
    """A regression that is a line f(x) = w·(x ∘ z) + b in raw units: nothing standardised, nothing trained."""
    model = dropout_network(len(weight), (), dropout)
    model[1].weight.data, model[1].bias.data = torch.tensor([weight]), torch.tensor([bias])
    zeros, ones = torch.zeros(len(weight)).double(), torch.ones(len(weight)).double()
    standardiser = Standardiser(input_mean_D=zeros, input_std_D=ones, target_mean=0.0, target_std=1.0)
    return DropoutRegression(model=model.eval(), standardiser=standardiser, dropout=dropout, noise_std=noise_std)


def batch_norm_network():
    layers = [nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2)]
    return nn.Sequential(*layers)


def test_enable_dropout_leaves_batch_norm_alone():
    model, inputs = batch_norm_network().train(), torch.randn(6, 4, generator=stream(0, "inputs"))
    model(3 + inputs)  # running statistics that differ from the batch's
    enable_dropout(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = model(inputs), model(inputs)
    assert not torch.equal(first, second)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [False, False, False, True, False] and not model.training


def test_after_enable_dropout_an_output_does_not_depend_on_its_neighbours():
    model, inputs = batch_norm_network(), torch.randn(6, 4, generator=stream(0, "inputs"))
    others = torch.cat([inputs[:1], 5 + inputs[1:]])

    def first_row(batch):
        torch.manual_seed(0)  # the same masks
        return model(batch)[0].detach()

    enable_dropout(model)
    torch.testing.assert_close(first_row(inputs), first_row(others))
    model.train()
    assert (first_row(inputs) - first_row(others)).abs().max() > 1e-3  # the trap


def test_enable_dropout_reaches_attention_and_refuses_a_network_without_dropout():
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True)
    enable_dropout(layer)
    assert layer.self_attn.training and not layer.self_attn.out_proj.training and not layer.norm1.training
    with pytest.raises(ValueError, match="model: expected at least one dropout layer, got none"):
        enable_dropout(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))


def test_enable_dropout_reaches_what_a_transformer_layer_would_skip():
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True)
    layer.self_attn.dropout = 0.0
    enable_dropout(layer)
    tokens = torch.randn(1, 3, 4, generator=stream(0, "inputs"))
    with torch.random.fork_rng(), torch.no_grad():  # without gradients a layer in evaluation mode takes a shorter way
        assert torch.stack([layer(tokens) for _ in range(20)]).std(dim=0).max() > 0.1


def test_a_dropout_of_zero_is_not_left_on():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.0), nn.Linear(8, 2))
    with pytest.raises(ValueError, match="model: .* got none with p above 0"):
        enable_dropout(model)
    assert model.training  # refused before anything was changed


def test_random_passes_after_enable_dropout_have_the_moments_of_sample_outputs():
    model, inputs = batch_norm_network(), torch.randn(1, 4, generator=stream(1, "inputs"))
    ours = sample_outputs(model, inputs, 20_000)[0]
    enable_dropout(model)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        plain = model(inputs.expand(20_000, 4))
    spread = ours.std(dim=0)
    assert ((ours.mean(0) - plain.mean(0)).abs() < 5 * spread * math.sqrt(2 / 20_000)).all()  # five standard errors
    assert ((plain.std(dim=0) / spread - 1).abs() < 0.05).all()  # 5 standard errors of a ratio, about 1/sqrt(2 T) each


def test_without_dropout_the_log_likelihood_is_that_of_a_gaussian():
    inputs, targets = line(40, num_columns=2)
    regression = linear_regression(0.0, noise_std=3.0)
    errors = targets - (inputs @ [2.0, -1.0] + 0.7)
    expected = norm.logpdf(errors, scale=3.0).mean()
    assert predictive_log_likelihood(regression, inputs, targets, 7) == pytest.approx(expected, abs=1e-5)  # float32
    mean_N, variance_N = regression.predict(inputs, 7)
    np.testing.assert_allclose(mean_N, inputs @ [2.0, -1.0] + 0.7, atol=1e-4)
    np.testing.assert_allclose(variance_N, 9.0, atol=1e-4)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_with_dropout_mean_variance_and_log_likelihood_are_those_of_all_masks(p):
    """Two inputs have four masks: the mixture is known exactly."""
    inputs, targets = line(30, num_columns=2)
    inputs, targets = inputs / 10, targets / 10
    regression = linear_regression(p, noise_std=0.8)
    masks = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    weights = np.prod(np.where(masks, 1 - p, p), axis=1)
    outputs_N_4 = inputs @ (masks / (1 - p) * [2.0, -1.0]).T + 0.7
    mean = outputs_N_4 @ weights
    spread = (outputs_N_4 - mean[:, None]) ** 2 @ weights
    T = 40_000
    mean_N, variance_N = regression.predict(inputs, T)
    # five standard errors of a mean; a variance is known to sqrt((kurtosis - 1) / T), and the kurtosis is below 12 here
    assert (np.abs(mean_N.numpy() - mean) < 5 * np.sqrt(spread / T) + 1e-5).all()
    assert (np.abs(variance_N.numpy() - 0.8**2 - spread) < 5 * spread * np.sqrt(11 / T) + 1e-5).all()
    log_densities = norm.logpdf(targets[:, None], outputs_N_4, 0.8)
    expected = logsumexp(log_densities, b=weights, axis=1).mean()
    sampled = predictive_log_likelihood(regression, inputs, targets, T)
    assert sampled == pytest.approx(
        expected, abs=0.02
    )  # the likelihood ratio of one mask to another is at most e⁵ here


def test_the_log_likelihood_is_the_loop_of_the_definition_in_pieces(monkeypatch):
    inputs, targets = line(23)
    regression = fit_regression(inputs, targets, **QUICK)
    outputs_N_T = regression.sample_outputs(inputs, 50, generator=stream(3, "masks"))
    densities = [
        [norm.pdf(y, f, regression.noise_std) for f in row] for y, row in zip(targets, outputs_N_T, strict=True)
    ]
    expected = np.log(np.mean(densities, axis=1)).mean()
    whole = predictive_log_likelihood(regression, inputs, targets, 50, generator=stream(3, "masks"))
    assert whole == pytest.approx(expected, abs=1e-8)
    monkeypatch.setattr(dropout_regression, "PIECE", 100)
    generator = stream(3, "masks")
    assert predictive_log_likelihood(regression, inputs, targets, 50, generator=generator) == pytest.approx(
        whole, abs=1e-5
    )
    assert not torch.equal(generator.get_state(), stream(3, "masks").get_state())  # it moves on, once
    once = stream(3, "masks")
    regression.sample_outputs(inputs, 50, generator=once)
    assert torch.equal(generator.get_state(), once.get_state())


def test_targets_far_away_stay_finite():
    regression = linear_regression(0.1, noise_std=1e-3)
    expected = norm.logpdf(1e6, scale=1e-3)
    found = predictive_log_likelihood(regression, [[0.0, 0.0]], [1e6 + 0.7], 20)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("choice", [{}, {"dropout": 0.1, "noise_std": 2.0}])
def test_other_units_shift_the_log_likelihood_by_their_logarithm(choice):
    inputs, targets = line()
    c, other = 1000.0, dict(choice)
    if choice:
        other["noise_std"] = choice["noise_std"] * c
    one = fit_regression(inputs, targets, epochs=20, **choice)
    two = fit_regression(inputs / 7, c * targets + 5, epochs=20, **other)
    assert two.dropout == one.dropout and two.noise_std == pytest.approx(c * one.noise_std)
    log_likelihood = predictive_log_likelihood(one, inputs, targets, 100)
    shifted = predictive_log_likelihood(two, inputs / 7, c * targets + 5, 100)
    # the standardised data differ by rounding of float64, which float32 hides but for rare last digits
    assert shifted == pytest.approx(log_likelihood - math.log(c), abs=1e-4)
    assert root_mean_squared_error(two, inputs / 7, c * targets + 5, 100) == pytest.approx(
        c * root_mean_squared_error(one, inputs, targets, 100), rel=1e-4
    )


def test_the_error_is_that_of_scikit_learn():
    from sklearn.metrics import root_mean_squared_error as theirs

    inputs, targets = line()
    regression = fit_regression(inputs, targets, **QUICK)
    mean_N, variance_N = regression.predict(inputs, 200, generator=stream(1, "masks"))
    found = root_mean_squared_error(regression, inputs, targets, 200, generator=stream(1, "masks"))
    assert found == pytest.approx(theirs(targets, mean_N), rel=1e-12)
    outputs_N_T = regression.sample_outputs(inputs, 200, generator=stream(1, "masks")).numpy()
    np.testing.assert_allclose(mean_N, outputs_N_T.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(variance_N, outputs_N_T.var(axis=1) + 4.0, rtol=1e-9)
    assert regression.noise_precision == pytest.approx(0.25)


@pytest.mark.slow
def test_on_linear_data_it_comes_close_to_least_squares():
    inputs, targets = line(300, noise=0.5)
    regression = fit_regression(inputs[:250], targets[:250], epochs=700)
    errors = targets[250:] - LinearRegression().fit(inputs[:250], targets[:250]).predict(inputs[250:])
    assert root_mean_squared_error(regression, inputs[250:], targets[250:], 1000) < 1.35 * np.sqrt(np.mean(errors**2))
    # the truth is N(0, 0.5²) around the line; a network of 50 units with dropout may lose a third of a nat
    best = norm.logpdf(errors, scale=0.5).mean()
    assert best - 0.33 < predictive_log_likelihood(regression, inputs[250:], targets[250:], 1000) < best + 0.1
    assert regression.dropout in dropout_regression.DROPOUT_GRID and 0.3 < regression.noise_std < 1.0


def test_side_by_side_equals_each_network_alone_and_one_after_the_other():
    inputs_N_D = torch.randn(40, 3, generator=stream(0, "x"))
    targets_N = inputs_N_D.sum(dim=1)
    config = FitConfig(learning_rate=1e-2, batch_size=16, max_epochs=5)
    common = {"hidden": (6, 4), "config": config, "seed": 1}
    decays = [0.1, 0.0]
    both = train_side_by_side(inputs_N_D, targets_N, [0.0, 0.0], weight_decays=decays, **common)
    for network, decay in zip(both, decays, strict=True):  # without dropout no randomness is shared
        (alone,) = train_side_by_side(inputs_N_D, targets_N, [0.0], weight_decays=[decay], **common)
        torch.testing.assert_close(network(inputs_N_D), alone(inputs_N_D), rtol=0, atol=1e-5)
    assert (both[0](inputs_N_D) - both[1](inputs_N_D)).abs().max() > 1e-3


def test_a_step_minimises_the_published_objective():
    """One step of gradient on a plain network with autograd's own loss: equal gradients, so equal Adam steps."""
    inputs_N_D = torch.randn(8, 3, generator=stream(0, "x"))
    targets_N = inputs_N_D[:, 0]
    config = FitConfig(learning_rate=1e-2, batch_size=8, max_epochs=1)
    (trained,) = train_side_by_side(
        inputs_N_D, targets_N, [0.0], hidden=(5,), weight_decays=[0.3], config=config, seed=0
    )
    plain = initialised(lambda: dropout_network(3, (5,), 0.0), 0)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-2)
    penalty = sum(layer.weight.square().sum() for layer in plain if isinstance(layer, nn.Linear))
    (0.5 * F.mse_loss(plain(inputs_N_D)[:, 0], targets_N) + 0.3 * penalty).backward()
    optimizer.step()
    torch.testing.assert_close(trained(inputs_N_D), plain(inputs_N_D), rtol=0, atol=1e-5)


@pytest.mark.parametrize("p", [0.0, 0.3])
def test_the_weight_decay_is_that_of_the_elbo_for_scaled_masks(p, monkeypatch):
    """Half of the optimiser's decay that `dropout_elbo` derives: PyTorch's steps follow the gradient of ½ wd |w|²."""
    inputs, targets = line(50)
    found = {}

    def record(inputs_N_D, targets_N, dropouts, *, hidden, weight_decays, **settings):
        found.update(weight_decays=weight_decays)
        return [dropout_network(inputs_N_D.shape[1], hidden, p) for p in dropouts]

    monkeypatch.setattr(dropout_regression, "train_side_by_side", record)
    fit_regression(inputs, targets, dropout=p, noise_std=2.0, length_scale=0.5)
    precision = (targets.std() / 2.0) ** 2  # of standardised targets
    expected = weight_decay(length_scale=0.5, num_data=50, drop=p, noise_precision=precision, loss="half squared error")
    assert found["weight_decays"] == pytest.approx([expected / 2])


def test_trained_until_converged_it_is_at_the_optimum_of_the_elbo_for_scaled_masks(monkeypatch):
    """A line under dropout is ridge regression: E ½(y - z·w)² = ½(y - x·w)² + ½ p/(1 - p) Σ_d x_d² w_d²."""
    inputs, targets = line(64)
    p, length_scale = 0.2, 3.0
    settings = {"hidden": (), "dropout": p, "noise_std": targets.std(), "length_scale": length_scale}
    monkeypatch.setattr(dropout_regression, "STEPS", 1500)
    regression = fit_regression(inputs, targets, **settings)
    scaled = regression.standardiser
    x, y = scaled.inputs(torch.tensor(inputs)).numpy(), scaled.targets(torch.tensor(targets)).numpy()
    ridge = p / (1 - p) * (x**2).sum(axis=0) + length_scale**2 / (1 - p)  # the noise is 1 in these units
    expected = np.linalg.solve(x.T @ x + np.diag(ridge), x.T @ y)
    np.testing.assert_allclose(regression.model[1].weight.detach()[0], expected, atol=0.01)


def test_masks_in_training_have_each_networks_own_rate():
    networks = [dropout_network(1, (), p) for p in (0.1, 0.6)]
    for network in networks:
        network[1].weight.data, network[1].bias.data = torch.ones(1, 1), torch.zeros(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        outputs_P_n = outputs_with_dropout(stack(networks), torch.tensor([0.1, 0.6]), torch.ones(2, 20_000, 1)).detach()
    dropped_P = (outputs_P_n == 0).double().mean(dim=1)
    assert (dropped_P - torch.tensor([0.1, 0.6])).abs().max() < 5 * math.sqrt(0.24 / 20_000)  # five standard errors
    torch.testing.assert_close(outputs_P_n.max(dim=1).values, torch.tensor([1 / 0.9, 1 / 0.4]))


def test_constant_columns_and_targets_are_harmless():
    inputs, targets = line(60)
    inputs[:, 1] = 12345.678
    regression = fit_regression(inputs, targets, **QUICK)
    assert regression.predict(inputs, 10)[0].isfinite().all()
    flat = fit_regression(inputs, np.full(60, 3.0), dropout=0.1, noise_std=0.1, epochs=200)
    assert (flat.predict(inputs, 100)[0] - 3.0).abs().max() < 0.5


def test_same_seed_same_regression_and_the_global_generator_is_left_alone():
    inputs, targets = line(60)
    before = torch.get_rng_state()
    one, two, three = (fit_regression(torch.tensor(inputs), targets.tolist(), seed=s, **QUICK) for s in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.predict(inputs, 5)[0], two.predict(inputs, 5)[0])
    assert not torch.equal(one.predict(inputs, 5)[0], three.predict(inputs, 5)[0])
    plain = one.predict_without_dropout(inputs)
    with torch.no_grad():
        expected = one.model.eval()(one.standardiser.inputs(torch.tensor(inputs)))[:, 0] * one.standardiser.target_std
    torch.testing.assert_close(plain, expected.double() + one.standardiser.target_mean, rtol=1e-5, atol=1e-5)


INPUTS, TARGETS = line(20)
BROKEN = np.where(np.arange(20) == 3, np.nan, TARGETS)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((INPUTS[:, 0], TARGETS), {}, ValueError, r"inputs: expected a row a point, shape \(N, D\).*got shape \(20,\)"),
        ((INPUTS, TARGETS[:, None]), {}, ValueError, r"targets: expected one a point.*got shape \(20, 1\)"),
        ((INPUTS, TARGETS[:5]), {}, ValueError, "targets: expected one for each of 20 inputs, got 5"),
        ((INPUTS, BROKEN), {}, ValueError, "targets: expected finite numbers"),
        ((INPUTS, "many"), {}, TypeError, "targets: expected numbers in an array or a tensor, got str"),
        (
            (INPUTS[:4], TARGETS[:4]),
            {},
            ValueError,
            "expected at least 10 points to choose dropout and noise by, got 4",
        ),
        (
            (INPUTS, TARGETS),
            {"dropout": 1.0},
            ValueError,
            r"dropout: expected a finite number, at least 0 and below 1, got 1.0",
        ),
        ((INPUTS, TARGETS), {"noise_std": 0}, ValueError, "noise_std: expected a finite number, above 0, got 0"),
        ((INPUTS, TARGETS), {"length_scale": -1}, ValueError, "length_scale: expected a finite number, at least 0"),
        ((INPUTS, TARGETS), {"hidden": (0,)}, ValueError, "hidden: expected a whole number, at least 1, got 0"),
        ((INPUTS, TARGETS), {"epochs": 0}, ValueError, "max_epochs: expected a whole number, at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        fit_regression(*arguments, **options)


def test_predictions_of_what_does_not_fit_are_refused():
    regression = fit_regression(INPUTS, TARGETS, **QUICK)
    with pytest.raises(ValueError, match="inputs: expected 3 columns, as in training, got 2"):
        regression.predict(INPUTS[:, :2])
    with pytest.raises(ValueError, match="targets: expected one for each of 20 inputs, got 3"):
        predictive_log_likelihood(regression, INPUTS, TARGETS[:3])
    with pytest.raises(ValueError, match="num_samples: expected a whole number, at least 1, got 0"):
        predictive_log_likelihood(regression, INPUTS, TARGETS, 0)
