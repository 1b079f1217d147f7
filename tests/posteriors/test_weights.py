"""Sets of weights: every network run by itself, densities from torch.distributions, gradients by differences."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Normal

from bal_utils.models import MLP
from bal_utils.posteriors import weights
from bal_utils.posteriors.base import check_logits, class_log_probs
from bal_utils.posteriors.weights import (
    WeightSamples,
    categorical,
    fan_in_scaled,
    gaussian,
    log_joint,
    named_weights,
    outputs_with,
    standard_normal,
    weight_vector,
)
from bal_utils.runtime import stream
from bal_utils.training.fit import initialised

K = 4
FLOAT64 = {"rtol": 0, "atol": 1e-12}  # the same sums in another order


class Scaled(nn.Module):
    """A network with a weight that is a single number, as a learned noise is."""

    def __init__(self):
        super().__init__()
        self.scale, self.linear = nn.Parameter(torch.tensor(2.0)), nn.Linear(3, 2)

    def forward(self, inputs):
        return self.scale * self.linear(inputs)


def convolution():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 5))


NETWORKS = {
    "mlp": (lambda: MLP(3, 2, hidden=(6, 4), dropout=0.5), (3,)),
    "cnn": (convolution, (1, 6, 6)),
    "scalar": (Scaled, (3,)),
}


def make(name, num_samples=K, num_inputs=9):
    """A network, K weight vectors, and inputs, in float64."""
    factory, shape = NETWORKS[name]
    model = initialised(factory, 0).double()
    generator = stream(0, "weights of", name)
    weights_K_D = torch.randn(num_samples, len(weight_vector(model)), generator=generator, dtype=torch.float64)
    return model, weights_K_D, torch.randn(num_inputs, *shape, generator=generator, dtype=torch.float64)


def alone(name, weights_D):
    """A network of its own with these weights, put in by PyTorch."""
    model = NETWORKS[name][0]().double().eval()
    nn.utils.vector_to_parameters(weights_D, model.parameters())
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_each_sample_is_a_network_run_by_itself(name):
    model, weights_K_D, inputs = make(name)
    outputs_N_K_C = WeightSamples(model, weights_K_D).sample_outputs(inputs)
    assert not outputs_N_K_C.requires_grad
    with torch.no_grad():
        expected = torch.stack([alone(name, weights_D)(inputs) for weights_D in weights_K_D], dim=1)
    torch.testing.assert_close(outputs_N_K_C, expected, **FLOAT64)
    log_probs_N_K_C = WeightSamples(model, weights_K_D).sample_log_probs(inputs)
    torch.testing.assert_close(log_probs_N_K_C.exp(), expected.softmax(dim=-1), **FLOAT64)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_vector_and_the_named_tensors_hold_the_same_weights(name):
    model, weights_K_D, _ = make(name)
    torch.testing.assert_close(weight_vector(model), nn.utils.parameters_to_vector(model.parameters()), **FLOAT64)
    of_model = named_weights(model, weight_vector(model))
    for parameter_name, parameter in model.named_parameters():
        assert torch.equal(of_model[parameter_name], parameter)
    parts = named_weights(model, weights_K_D)
    assert torch.equal(torch.cat([part.reshape(K, -1) for part in parts.values()], dim=1), weights_K_D)


@pytest.mark.parametrize("name", NETWORKS)
def test_chunks_give_what_the_whole_gives(name, monkeypatch):
    model, weights_K_D, inputs = make(name)
    samples = WeightSamples(model, weights_K_D)
    whole, sizes = samples.sample_outputs(inputs), []
    original = outputs_with
    monkeypatch.setattr(weights, "CHUNK_BYTES", 1)
    monkeypatch.setattr(weights, "outputs_with", lambda m, w, chunk: sizes.append(len(chunk)) or original(m, w, chunk))
    torch.testing.assert_close(samples.sample_outputs(inputs), whole, **FLOAT64)
    assert sizes == [1] * len(inputs)


def test_a_chunk_of_images_counts_all_their_pixels(monkeypatch):
    model, weights_K_D, _ = make("cnn")
    sizes = []
    monkeypatch.setattr(weights, "CHUNK_BYTES", 4 * K * 5 * 6 * 6 * 3)  # 3 images of 6 x 6 with 5 channels at most
    monkeypatch.setattr(weights, "outputs_with", lambda m, w, part: sizes.append(len(part)) or torch.zeros(K, 1, 5))
    WeightSamples(model, weights_K_D).sample_outputs(torch.zeros(7, 1, 6, 6, dtype=torch.float64))
    assert sizes == [3, 3, 1]


def test_outputs_are_differentiable_in_the_weights():
    model, weights_K_D, inputs = make("mlp", num_samples=2, num_inputs=3)
    assert torch.autograd.gradcheck(lambda w: outputs_with(model, w, inputs), weights_K_D.requires_grad_())


@pytest.mark.parametrize("prior", ["one", "each"])
def test_log_joint_is_likelihood_times_prior(prior):
    model, weights_K_D, inputs = make("mlp")
    labels = torch.arange(len(inputs)) % 2
    prior_std = 0.7 if prior == "one" else torch.linspace(0.5, 2, len(weights_K_D[0]), dtype=torch.float64)
    log_density = log_joint(model.train(), inputs, labels, log_likelihood=categorical, prior_std=prior_std)
    for weights_D in weights_K_D:
        likelihood = Categorical(logits=alone("mlp", weights_D)(inputs)).log_prob(labels).sum()
        expected = likelihood + Normal(torch.zeros_like(weights_D), prior_std).log_prob(weights_D).sum()
        torch.testing.assert_close(log_density(weights_D), expected.detach(), rtol=1e-12, atol=1e-10)
    assert torch.autograd.gradcheck(log_density, weights_K_D[0].clone().requires_grad_())


def test_log_joint_of_a_regression():
    model, weights_K_D, inputs = make("scalar")
    targets = torch.linspace(-1, 1, 2 * len(inputs), dtype=torch.float64).view(-1, 2)
    log_density = log_joint(model, inputs, targets, log_likelihood=gaussian(0.3), prior_std=2.0)
    outputs = alone("scalar", weights_K_D[0])(inputs)
    prior = Normal(torch.zeros_like(weights_K_D[0]), 2.0)
    expected = Normal(outputs, 0.3).log_prob(targets).sum() + prior.log_prob(weights_K_D[0]).sum()
    torch.testing.assert_close(log_density(weights_K_D[0]), expected.detach(), rtol=1e-12, atol=1e-10)


def test_a_column_of_outputs_meets_a_row_of_targets_one_to_one():
    outputs_N_1, targets_N = torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 4.0])
    expected = Normal(outputs_N_1[:, 0], 2.0).log_prob(targets_N).sum()  # broadcast, they would be four errors
    torch.testing.assert_close(gaussian(2.0)(outputs_N_1, targets_N), expected)


def test_fan_in_scaled_keeps_the_functions_of_wide_networks_tame():
    std_D = fan_in_scaled(MLP(4, 2, hidden=(9,)), scale=3.0)
    expected = [3 / 2] * 36 + [3.0] * 9 + [1.0] * 18 + [3.0] * 2
    torch.testing.assert_close(std_D, torch.tensor(expected))
    spreads = []
    for width in (50, 800):
        model = MLP(4, 1, hidden=(width,), dropout=0.0)
        std_D = fan_in_scaled(model)
        draws_K_D = torch.randn(400, len(std_D), generator=stream(0, "prior")) * std_D
        spreads.append(WeightSamples(model, draws_K_D).sample_outputs(torch.ones(1, 4)).std().item())
    # E f² = 1 + E relu(h)² = 1 + (4/4 + 1) / 2 = 2 for any width; a deviation from 400 draws is good to some 5 %
    assert spreads == pytest.approx([math.sqrt(2)] * 2, rel=0.2)


def test_errors_name_the_argument():
    model, weights_K_D, inputs = make("mlp")
    labels = torch.zeros(len(inputs), dtype=torch.int64)
    with pytest.raises(ValueError, match=r"weights_K_D: expected 62 weights.*got 61"):
        named_weights(model, weights_K_D[:, 1:])
    with pytest.raises(ValueError, match="inputs: expected at least one"):
        WeightSamples(model, weights_K_D).sample_outputs(inputs[:0])
    for bad in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="noise_std: expected a finite number, above 0"):
            gaussian(bad)
        with pytest.raises(ValueError, match="prior_std: expected finite numbers above 0"):
            log_joint(model, inputs, labels, log_likelihood=categorical, prior_std=bad)
        with pytest.raises(ValueError, match="scale: expected a finite number, above 0"):
            fan_in_scaled(model, bad)
    with pytest.raises(ValueError, match="prior_std: expected one number or one for each of 62 weights"):
        log_joint(model, inputs, labels, log_likelihood=categorical, prior_std=torch.ones(3))
    for bad in (0, True, 1.0):
        with pytest.raises(ValueError, match="num_samples: expected a whole number, at least 1"):
            standard_normal(bad, weights_K_D[0], None)


@pytest.mark.parametrize("number", [0, 2])
def test_one_of_the_networks_stands_alone(number):
    model, weights_K_D, inputs = make("scalar")
    samples = WeightSamples(model, weights_K_D)
    before = weight_vector(model)
    one = samples.network(number)
    torch.testing.assert_close(one(inputs).detach(), samples.sample_outputs(inputs)[:, number])
    with torch.no_grad():
        next(one.parameters()).zero_()  # neither the samples nor their model are its own
    assert torch.equal(samples.weights_K_D, weights_K_D) and torch.equal(weight_vector(model), before)


def test_passes_keep_the_mode_the_inputs_and_the_density():
    inputs = torch.randn(6, 3, generator=stream(0, "inputs"), dtype=torch.float64)
    model = nn.Sequential(nn.ReLU(inplace=True), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2)).double()
    model[1].eval()
    kept, point_D, labels = inputs.clone(), weight_vector(model), torch.tensor([0, 1, 1, 0, 1, 0])
    outputs = WeightSamples(model, point_D[None]).sample_outputs(inputs)[:, 0]
    density = log_joint(model, inputs, labels, log_likelihood=categorical, prior_std=1.0)
    value = density(point_D)
    assert [part.training for part in model] == [True, False, True, True] and torch.equal(inputs, kept)
    torch.testing.assert_close(outputs, model.eval()(inputs.clone()).detach(), **FLOAT64)
    assert density(point_D) == value
    model[1].running_mean.add_(1)
    assert density(point_D) == value


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_probabilities_are_told_from_logits_in_every_precision(dtype):
    logits = torch.randn(7, 5, 10, generator=stream(0, "logits")).to(dtype)
    probs = (3 * logits).softmax(dim=-1)
    for fine in (logits, logits.log_softmax(dim=-1), torch.zeros_like(logits), logits.abs()):
        check_logits(fine)
        assert class_log_probs(fine).dtype == (dtype if dtype == torch.float64 else torch.float32)
    check_logits(torch.cat([probs, logits]))
    with pytest.raises(ValueError, match="model: expected logits or log-probabilities, got probabilities"):
        check_logits(probs)
    for single in (logits[..., :1], probs[..., :1], logits[:, 0, 0]):
        with pytest.raises(ValueError, match="model: expected logits of at least two classes"):
            check_logits(single)
