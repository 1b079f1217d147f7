"""Laplace's approximation of networks: exact for linear-Gaussian models, the Hessian's where the two must agree."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev

from bal_utils.models import MLP
from bal_utils.posteriors import laplace
from bal_utils.posteriors.laplace import fit_laplace, fit_network
from bal_utils.posteriors.weights import categorical, gaussian, log_joint, named_weights, weight_vector
from bal_utils.runtime import stream
from bal_utils.theory.linear_regression import posterior
from bal_utils.training.fit import initialised

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
    draws = found.draw(20_000, generator=stream(0, "draws")).weights_K_D
    # the error of a covariance entry is below 2 standard errors, about 1.5 %, of the largest variance
    torch.testing.assert_close(draws.mT.cov(), found.covariance_d_d, rtol=0, atol=0.03 * found.covariance_d_d.max())
    torch.testing.assert_close(draws.mean(dim=0), torch.from_numpy(exact.mean_D), rtol=0, atol=0.005)


def test_the_evidence_of_a_linear_gaussian_model_is_exact_and_prefers_the_right_prior():
    inputs, targets = gaussian_problem()
    found = {}
    for prior_std in (0.2, PRIOR, 20.0):
        exact = posterior(inputs, targets, prior_precision=prior_std**-2, noise_precision=NOISE**-2)
        model = nn.Linear(4, 1, bias=False).double()
        with torch.no_grad():
            model.weight.copy_(torch.from_numpy(exact.mean_D))
        fitted = fit_network(model, inputs, targets, prior_std=prior_std, noise_std=NOISE)
        options = {"prior_std": prior_std, "log_likelihood": gaussian(NOISE)}
        found[prior_std] = laplace.log_evidence(fitted, inputs, targets, **options)
        covariance_N_N = prior_std**2 * inputs @ inputs.mT + NOISE**2 * torch.eye(25, dtype=torch.float64)
        of_targets = torch.distributions.MultivariateNormal(torch.zeros(25).double(), covariance_N_N)
        assert found[prior_std] == pytest.approx(of_targets.log_prob(targets).item(), rel=1e-9)
    assert max(found, key=found.get) == PRIOR


def test_the_evidence_of_a_small_classifier_is_near_that_of_a_grid():
    inputs, labels = class_problem()
    inputs, labels = inputs[:, :1], (labels > 0).long()
    model = nn.Linear(1, 2, bias=False).double()
    density = log_joint(model, inputs, labels, log_likelihood=categorical, prior_std=PRIOR)
    nn.utils.vector_to_parameters(fit_laplace(density, weight_vector(model))[0], model.parameters())
    fitted = fit_network(model, inputs, labels, prior_std=PRIOR)
    side = torch.linspace(-5, 5, 201, dtype=torch.float64)
    total = torch.func.vmap(density)(torch.cartesian_prod(side, side)).logsumexp(dim=0)
    by_grid = total + 2 * (side[1] - side[0]).log()
    assert laplace.log_evidence(fitted, inputs, labels, prior_std=PRIOR) == pytest.approx(by_grid.item(), abs=0.05)


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
    samples = [found.sample_outputs(inputs, 6), found.draw(6).sample_outputs(inputs)]
    assert samples[0].shape == (25, 6, 1)
    torch.testing.assert_close(*samples)


def test_linearised_samples_have_the_variance_of_the_formula(monkeypatch):
    inputs, labels = class_problem()
    model = initialised(lambda: MLP(2, 3, hidden=(5,)).double(), 0).eval()
    found = fit_network(model, inputs, labels, prior_std=PRIOR)
    samples = found.sample_outputs(inputs, 20_000)
    _, jacobian = laplace.jacobians(model, found.names, inputs)
    variance = torch.einsum("ncd,de,nce->nc", jacobian, found.covariance_d_d, jacobian)
    torch.testing.assert_close(samples.var(dim=1), variance, rtol=0.06, atol=0)  # six standard errors of 1 %
    monkeypatch.setattr(laplace, "CHUNK_BYTES", 1)  # one input at a time
    torch.testing.assert_close(found.sample_outputs(inputs, 20_000), samples)
    again = fit_network(model, inputs, labels, prior_std=PRIOR)
    torch.testing.assert_close(again.covariance_d_d, found.covariance_d_d)


def test_log_probs_are_normalised_and_sampled_weights_run_through_the_network():
    inputs, labels = class_problem()
    model = initialised(lambda: MLP(2, 3, hidden=(5,)).double(), 0).eval()
    before = weight_vector(model)
    found = fit_network(model, inputs, labels, prior_std=PRIOR)
    log_probs = found.draw(4).sample_log_probs(inputs)
    torch.testing.assert_close(log_probs.exp().sum(dim=-1), torch.ones(40, 4, dtype=torch.float64))
    nn.utils.vector_to_parameters(found.draw(4).weights_K_D[2], model.parameters())
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
    with pytest.raises(ValueError, match="^model: "):
        fit_network(nn.Sequential(model, nn.PReLU()).double(), inputs, targets, prior_std=1.0, last_layer=True)
    with pytest.raises(ValueError, match="num_samples: expected a whole number"):
        fit_network(model, inputs, targets, prior_std=1.0, noise_std=1.0).sample_outputs(inputs, 0)


def small_classifier(*behind):
    return initialised(lambda: nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3), *behind).double(), 0)


def test_frozen_weights_are_certain():
    """A frozen body makes a linear model of its features, whichever way the head is chosen."""
    inputs, labels = class_problem()
    model = small_classifier()
    model[0].requires_grad_(False)
    found = fit_network(model, inputs, labels, prior_std=PRIOR)
    assert found.names == ("2.weight", "2.bias") and len(found.mean_d) == 18
    last = fit_network(small_classifier(), inputs, labels, prior_std=PRIOR, last_layer=True)
    torch.testing.assert_close(found.covariance_d_d, last.covariance_d_d)
    model[2].bias.requires_grad_(False)
    assert fit_network(model, inputs, labels, prior_std=PRIOR, last_layer=True).names == ("2.weight",)
    for last_layer in (True, False):
        with pytest.raises(ValueError, match="model: expected weights .*not frozen"):
            fit_network(model.requires_grad_(False), inputs, labels, prior_std=PRIOR, last_layer=last_layer)


def test_the_last_layer_is_found_by_running():
    class HeadFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.body, self.unused = nn.Linear(5, 3), nn.Linear(2, 5), nn.Linear(3, 3)

        def forward(self, inputs):
            return self.head(torch.tanh(self.body(inputs)))

    inputs, labels = class_problem()
    plain, model = small_classifier(), HeadFirst().double()
    model.head.load_state_dict(plain[2].state_dict()), model.body.load_state_dict(plain[0].state_dict())
    found = fit_network(model, inputs, labels, prior_std=PRIOR, last_layer=True)
    expected = fit_network(plain, inputs, labels, prior_std=PRIOR, last_layer=True)
    assert found.names == ("head.weight", "head.bias")
    torch.testing.assert_close(found.covariance_d_d, expected.covariance_d_d)


def test_what_is_trained_later_does_not_change_a_posterior():
    inputs, labels = class_problem()
    layers = [nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Dropout(), nn.ReLU(inplace=True), nn.Linear(5, 3)]
    model = initialised(lambda: nn.Sequential(*layers).double(), 0)
    model(inputs)
    model[1].eval()
    state, kept = {name: value.clone() for name, value in model.state_dict().items()}, inputs.clone()
    found = fit_network(model, inputs, labels, prior_std=PRIOR)
    before = found.sample_outputs(inputs, 3)
    assert [part.training for part in model] == [True, False, True, True, True] and torch.equal(inputs, kept)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    for value in model.state_dict().values():
        value.add_(1)
    torch.testing.assert_close(found.sample_outputs(inputs, 3), before)


def test_log_probabilities_are_logits_and_probabilities_are_not():
    inputs, labels = class_problem()
    found = fit_network(small_classifier(), inputs, labels, prior_std=PRIOR)
    behind = fit_network(small_classifier(nn.LogSoftmax(dim=1)), inputs, labels, prior_std=PRIOR)
    torch.testing.assert_close(behind.covariance_d_d, found.covariance_d_d)  # a shift of all logits changes nothing
    torch.testing.assert_close(behind.sample_log_probs(inputs, 5), found.sample_log_probs(inputs, 5))
    with pytest.raises(ValueError, match="model: expected logits or log-probabilities, got probabilities"):
        fit_network(small_classifier(nn.Softmax(dim=1)), inputs, labels, prior_std=PRIOR)
    with pytest.raises(ValueError, match="model: expected logits of at least two classes.*Bernoulli"):
        fit_network(nn.Linear(2, 1).double(), inputs, labels, prior_std=PRIOR)


@pytest.mark.parametrize("prior_std", [1e-30, 1e-10, 1e-3, 1.0, 30.0, 1e4, 1e10, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_any_width_of_the_prior_variances_are_positive_or_refused(prior_std, dtype):
    inputs, labels = class_problem()
    try:
        found = fit_network(small_classifier().to(dtype), inputs.to(dtype), labels, prior_std=prior_std)
    except ValueError as error:
        assert str(error).startswith("prior_std: expected") and not 1e-20 < prior_std < 1e3
        return
    variances = found.covariance_d_d.diagonal()
    assert (variances > 0).all() and variances.isfinite().all()
    assert found.sample_outputs(inputs.to(dtype), 5).isfinite().all()


def test_networks_that_are_not_finite_or_not_precise_are_refused():
    inputs, labels = class_problem()
    broken = small_classifier()
    broken[0].weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="outputs that are not finite"):
        fit_network(broken, inputs, labels, prior_std=PRIOR)
    with pytest.raises(TypeError, match="model: expected weights that are all torch.float32 .* got torch.float16"):
        fit_network(small_classifier().half(), inputs.half(), labels, prior_std=PRIOR)
    mixed = small_classifier()
    mixed[2].float()
    with pytest.raises(TypeError, match="got torch.float32 and torch.float64"):
        fit_network(mixed, inputs, labels, prior_std=PRIOR)
    by_batch = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, track_running_stats=False)).double()
    with pytest.raises(ValueError, match="model: expected batch normalisation with running statistics, '1'"):
        fit_network(by_batch, inputs, labels, prior_std=PRIOR)
