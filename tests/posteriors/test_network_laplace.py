"""Laplace's approximation of networks: exact for linear-Gaussian models, the Hessian's where the two must agree."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev

from bal_utils.linear_regression import posterior
from bal_utils.models import MLP
from bal_utils.posteriors import laplace
from bal_utils.posteriors.laplace import fit_laplace, fit_network, sample_log_probs, sample_outputs
from bal_utils.posteriors.weights import categorical, log_joint, named_weights, weight_vector
from bal_utils.runtime import stream
from bal_utils.training import initialised

PRIOR, NOISE = 0.8, 0.3


def gaussian_problem(seed=0):
    inputs_N_4 = torch.randn(25, 4, generator=stream(seed, "test inputs"), dtype=torch.float64)
    targets_N = inputs_N_4 @ torch.tensor([1.0, 0.0, -1.0, 0.5], dtype=torch.float64)
    return inputs_N_4, targets_N + NOISE * torch.randn(25, generator=stream(seed, "test noise"), dtype=torch.float64)


def class_problem():
    inputs_N_2 = torch.randn(40, 2, generator=stream(1, "test inputs"), dtype=torch.float64)
    return inputs_N_2, (inputs_N_2[:, 0] + 0.3 * inputs_N_2[:, 1] > 0).long() + (inputs_N_2[:, 1] > 0.5).long()


def test_a_linear_gaussian_model_is_exact():
    inputs, targets = gaussian_problem()
    exact = posterior(inputs, targets, prior_precision=PRIOR**-2, noise_precision=NOISE**-2)
    model = nn.Linear(4, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(exact.mean_D))
    found = fit_network(model, inputs, targets, prior_std=PRIOR, noise_std=NOISE)
    torch.testing.assert_close(found.covariance_d_d, torch.from_numpy(exact.covariance_D_D), rtol=1e-9, atol=1e-12)
    draws = found.draw(20_000, stream(0, "draws"))
    # the error of a covariance entry is below 2 standard errors, about 1.5 %, of the largest variance
    torch.testing.assert_close(draws.mT.cov(), found.covariance_d_d, rtol=0, atol=0.03 * found.covariance_d_d.max())
    torch.testing.assert_close(draws.mean(dim=0), torch.from_numpy(exact.mean_D), rtol=0, atol=0.005)


def test_a_linear_classifier_has_the_exact_hessian():
    inputs, labels = class_problem()
    model = initialised(lambda: nn.Linear(2, 3).double(), 0)
    density = log_joint(model, inputs, labels, log_likelihood=categorical, prior_std=PRIOR)
    mean_D, covariance_D_D = fit_laplace(density, weight_vector(model))
    nn.utils.vector_to_parameters(mean_D, model.parameters())
    found = fit_network(model, inputs, labels, prior_std=PRIOR)
    torch.testing.assert_close(found.covariance_d_d, covariance_D_D, rtol=1e-6, atol=1e-9)


def test_the_jacobian_of_a_network():
    inputs, _ = class_problem()
    model = initialised(lambda: MLP(2, 3, hidden=(5,)).double(), 0).eval()
    names = tuple(name for name, _ in model.named_parameters())
    outputs, jacobian = laplace.jacobians(model, names, inputs)

    def everything(weights_D):
        return functional_call(model, named_weights(model, weights_D), (inputs,))

    torch.testing.assert_close(outputs, model(inputs).detach())
    torch.testing.assert_close(jacobian, jacrev(everything)(weight_vector(model)))


def test_the_last_layer_is_a_linear_model_of_its_features():
    inputs, targets = gaussian_problem(1)
    model = initialised(lambda: MLP(4, 1, hidden=(6,)).double(), 0)
    found = fit_network(model, inputs, targets, prior_std=PRIOR, noise_std=NOISE, last_layer=True)
    assert found.names == ("4.weight", "4.bias") and len(found.mean_d) == 7
    hidden = nn.functional.relu(nn.functional.linear(inputs, model[1].weight, model[1].bias))
    features = torch.cat([hidden, torch.ones(25, 1, dtype=torch.float64)], dim=1).detach()
    exact = posterior(features, targets, prior_precision=PRIOR**-2, noise_precision=NOISE**-2)
    torch.testing.assert_close(found.covariance_d_d, torch.from_numpy(exact.covariance_D_D), rtol=1e-9, atol=1e-12)
    # the last layer is linear, so linearising changes nothing
    samples = [sample_outputs(found, inputs, 6, generator=stream(0, "d"), linearised=way) for way in (True, False)]
    assert samples[0].shape == (25, 6, 1)
    torch.testing.assert_close(*samples)


def test_linearised_samples_have_the_variance_of_the_formula(monkeypatch):
    inputs, labels = class_problem()
    model = initialised(lambda: MLP(2, 3, hidden=(5,)).double(), 0).eval()
    found = fit_network(model, inputs, labels, prior_std=PRIOR)
    samples = sample_outputs(found, inputs, 20_000)
    _, jacobian = laplace.jacobians(model, found.names, inputs)
    variance = torch.einsum("ncd,de,nce->nc", jacobian, found.covariance_d_d, jacobian)
    torch.testing.assert_close(samples.var(dim=1), variance, rtol=0.06, atol=0)  # six standard errors of 1 %
    monkeypatch.setattr(laplace, "CHUNK_BYTES", 1)  # one input at a time
    torch.testing.assert_close(sample_outputs(found, inputs, 20_000), samples)
    again = fit_network(model, inputs, labels, prior_std=PRIOR)
    torch.testing.assert_close(again.covariance_d_d, found.covariance_d_d)


def test_log_probs_are_normalised_and_sampled_weights_run_through_the_network():
    inputs, labels = class_problem()
    model = initialised(lambda: MLP(2, 3, hidden=(5,)).double(), 0).eval()
    before = weight_vector(model)
    found = fit_network(model, inputs, labels, prior_std=PRIOR)
    log_probs = sample_log_probs(found, inputs, 4, linearised=False)
    torch.testing.assert_close(log_probs.exp().sum(dim=-1), torch.ones(40, 4, dtype=torch.float64))
    nn.utils.vector_to_parameters(found.draw(4)[2], model.parameters())
    torch.testing.assert_close(log_probs[:, 2], model(inputs).log_softmax(dim=-1).detach())
    nn.utils.vector_to_parameters(before, model.parameters())


def test_what_cannot_be_is_refused_by_name():
    inputs, targets = gaussian_problem()
    model = MLP(4, 1, hidden=(3,)).double()
    with pytest.raises(ValueError, match="noise_std: expected a finite number, above 0"):
        fit_network(model, inputs, targets, prior_std=1.0, noise_std=-1.0)
    with pytest.raises(ValueError, match="targets: expected one for each of 25"):
        fit_network(model, inputs, targets[:3], prior_std=1.0, noise_std=1.0)
    with pytest.raises(ValueError, match="prior_std: expected finite"):
        fit_network(model, inputs, targets, prior_std=0.0, noise_std=1.0)
    with pytest.raises(ValueError, match="model: expected a linear layer"):
        fit_network(nn.Conv2d(1, 2, 3), inputs, targets, prior_std=1.0, last_layer=True)
    with pytest.raises(ValueError, match="num_samples: expected a whole number"):
        sample_outputs(fit_network(model, inputs, targets, prior_std=1.0, noise_std=1.0), inputs, 0)
