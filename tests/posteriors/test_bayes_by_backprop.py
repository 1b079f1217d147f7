"""Bayes by Backprop against the known mean-field optimum of conjugate models, and against Laplace and the ELBO by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bal_utils.models import MLP
from bal_utils.posteriors.bayes_by_backprop import GaussianWeights, fit_network
from bal_utils.posteriors.weights import gaussian, weight_vector
from bal_utils.runtime import stream
from bal_utils.theory.linear_regression import posterior
from bal_utils.training.fit import initialised

ALPHA, NOISE = 1.5, 0.4


def linear_problem(num_inputs=30):
    inputs_N_3 = torch.randn(num_inputs, 3, generator=stream(0, "test inputs"), dtype=torch.float64)
    inputs_N_3[:, 1] = 0.8 * inputs_N_3[:, 0] + 0.6 * inputs_N_3[:, 1]  # correlated: mean-field cannot be exact
    noise_N = torch.randn(num_inputs, generator=stream(0, "test noise"), dtype=torch.float64)
    return inputs_N_3, inputs_N_3 @ torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64) + NOISE * noise_N


def linear_network():
    return initialised(lambda: nn.Linear(3, 1, bias=False).double(), 0)


def optimum(inputs, targets):
    """Of all Gaussians with independent weights the closest in KL has the posterior's mean, and variance 1/Λ_dd."""
    exact = posterior(inputs, targets, prior_precision=ALPHA, noise_precision=NOISE**-2)
    precision_D_D = ALPHA * torch.eye(3, dtype=torch.float64) + NOISE**-2 * inputs.mT @ inputs
    return torch.from_numpy(exact.mean_D), precision_D_D.diagonal().rsqrt()


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [None, 10])
def test_the_mean_field_optimum_of_a_linear_model(batch_size):
    inputs, targets = linear_problem()
    q = fit_network(
        linear_network(),
        inputs,
        targets,
        prior_std=ALPHA**-0.5,
        log_likelihood=gaussian(NOISE),
        learning_rate=0.03,
        num_draws=16,
        batch_size=batch_size,
    )
    mean_D, std_D = optimum(inputs, targets)
    # a tenth of a standard deviation, and a tenth of its size: what stochastic steps of this length leave over
    assert ((q.mean_D - mean_D).abs() / std_D).max() < (0.1 if batch_size is None else 0.3)
    torch.testing.assert_close(q.std_D, std_D, rtol=0.1, atol=0)


@pytest.mark.slow
def test_the_weight_of_the_kl():
    inputs, targets = linear_problem()

    def fitted(kl_weight):
        return fit_network(
            linear_network(),
            inputs,
            targets,
            log_likelihood=gaussian(NOISE),
            kl_weight=kl_weight,
            learning_rate=0.03,
        )

    # counted N times over, it is a likelihood of which each point counts 1/N: variances 1/(1 + Σx²/(N noise²))
    colder = 1 / (1 + inputs.square().mean(dim=0) / NOISE**2)
    torch.testing.assert_close(fitted(float(len(inputs))).std_D.square(), colder, rtol=0.15, atol=0)
    # without it nothing holds the variances up; they would reach zero if the steps went on
    assert (fitted(0.0).std_D < 0.2 * fitted(1.0).std_D).all()


@pytest.mark.slow
def test_classification_finds_what_was_taught_and_leaves_the_model_alone():
    inputs = torch.randn(200, 2, generator=stream(1, "test inputs"))
    labels = (inputs[:, 0] > 0).long()
    model = initialised(lambda: MLP(2, 2, hidden=(8,)), 0)
    before = weight_vector(model)
    state = torch.random.get_rng_state()
    q = fit_network(model, inputs, labels, steps=400, batch_size=50)
    assert torch.equal(weight_vector(model), before) and torch.equal(torch.random.get_rng_state(), state)
    log_probs = q.sample_log_probs(inputs, 20)
    assert log_probs.shape == (200, 20, 2)
    assert (log_probs.exp().mean(dim=1).argmax(dim=-1) == labels).double().mean() > 0.95
    again = fit_network(model, inputs, labels, steps=400, batch_size=50)
    assert torch.equal(again.mean_D, q.mean_D)


def test_a_draw_is_one_network_for_all_inputs():
    model = initialised(lambda: MLP(2, 3, hidden=(4,)), 0)
    q = GaussianWeights(model, weight_vector(model), torch.full_like(weight_vector(model), 0.3))
    inputs = torch.randn(7, 2, generator=stream(2, "test inputs"))
    outputs = q.sample_outputs(inputs, 5, generator=stream(3, "draws"))
    weights_K_D = q.draw(5, generator=stream(3, "draws")).weights_K_D
    for sample in range(5):
        torch.nn.utils.vector_to_parameters(weights_K_D[sample], model.parameters())
        hidden = F.relu(F.linear(inputs, model[1].weight, model[1].bias))
        torch.testing.assert_close(outputs[:, sample], F.linear(hidden, model[4].weight, model[4].bias))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"kl_weight": -1.0}, "kl_weight: expected a finite number, at least 0"),
        ({"steps": 0}, "steps: expected a whole number"),
        ({"prior_std": 0.0}, "prior_std: expected finite"),
        ({"initial_std": float("nan")}, "initial_std: expected a finite"),
        ({"prior_std": torch.ones(2)}, "prior_std: expected one number or one for each of 3 weights"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes, message):
    inputs, targets = linear_problem()
    with pytest.raises(ValueError, match=message):
        fit_network(linear_network(), inputs, targets, log_likelihood=gaussian(NOISE), **changes)
    with pytest.raises(ValueError, match="targets: expected one for each of 30"):
        fit_network(linear_network(), inputs, targets[1:], log_likelihood=gaussian(NOISE))


def test_an_objective_that_explodes_is_reported():
    inputs, targets = linear_problem()
    with pytest.raises(FloatingPointError, match="objective: expected a finite number"):
        fit_network(linear_network(), inputs, targets * torch.inf, log_likelihood=gaussian(NOISE), steps=5)


def test_frozen_weights_stay_certain():
    """With the first weight frozen at its place, the others have the posterior of the rest."""
    inputs, targets = linear_problem()
    model = linear_network()
    frozen = nn.Sequential(nn.Linear(inputs.shape[1], 2), nn.Linear(2, 1))
    frozen[0].requires_grad_(False)
    before = weight_vector(frozen)
    q = fit_network(frozen.to(inputs.dtype), inputs, targets, log_likelihood=gaussian(NOISE), steps=20)
    count = sum(parameter.numel() for parameter in frozen[0].parameters())
    assert torch.equal(q.mean_D[:count], before[:count].to(inputs.dtype)) and (q.std_D[:count] == 0).all()
    assert (q.std_D[count:] > 0).all() and not torch.equal(q.mean_D[count:], before[count:].to(inputs.dtype))
    assert (q.draw(3).weights_K_D[:, :count] == q.mean_D[:count]).all()
    with pytest.raises(ValueError, match="model: expected weights that are not frozen"):
        fit_network(model.requires_grad_(False), inputs, targets, log_likelihood=gaussian(NOISE), steps=2)


def test_steps_that_leave_the_numbers_are_reported():
    inputs, targets = linear_problem()
    with pytest.raises(FloatingPointError, match="learning_rate|objective"):
        fit_network(linear_network(), inputs, targets, log_likelihood=gaussian(NOISE), steps=7, learning_rate=1e30)


def test_what_is_trained_later_does_not_change_a_posterior_and_the_mode_is_kept():
    inputs = torch.randn(20, 2, generator=stream(1, "test inputs"))
    labels = (inputs[:, 0] > 0).to(torch.uint8)  # whole numbers of any type
    model = nn.Sequential(nn.ReLU(inplace=True), nn.BatchNorm1d(2), nn.Dropout(), nn.Linear(2, 2))
    kept = inputs.clone()
    q = fit_network(model, inputs, labels, steps=3)
    before = q.sample_outputs(inputs, 4)
    assert all(part.training for part in model.modules()) and torch.equal(inputs, kept)
    model(inputs + 5)  # moves the running statistics
    torch.testing.assert_close(q.sample_outputs(inputs, 4), before)


@pytest.mark.parametrize(
    ("model", "labels", "error", "message"),
    [
        (nn.Linear(2, 1), torch.zeros(20), ValueError, "model: expected logits of at least two classes"),
        (nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=1)), torch.zeros(20), ValueError, "model: .*got probabilities"),
        (nn.Linear(2, 2), torch.full((20,), 2), ValueError, "targets: expected numbers from 0 to 1, got 2 to 2"),
        (nn.Linear(2, 2), [0] * 20, TypeError, "targets: expected a tensor, got list"),
        (nn.Linear(2, 2).half(), torch.zeros(20), TypeError, "model: expected weights .* got torch.float16"),
        (nn.Linear(2, 2).double(), torch.zeros(20), TypeError, "inputs: expected torch.float64, as the weights"),
    ],
)
def test_networks_and_labels_that_do_not_fit_are_refused(model, labels, error, message):
    labels = labels.long() if isinstance(labels, torch.Tensor) else labels
    with pytest.raises(error, match=message):
        fit_network(model, torch.randn(20, 2, generator=stream(1, "test inputs")), labels, steps=2)
