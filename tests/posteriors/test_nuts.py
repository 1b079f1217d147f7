"""NUTS against distributions whose mean and covariance are known in closed form."""

import pytest
import torch
from torch import nn

from bal_utils.posteriors.nuts import fit_network, sample_nuts
from bal_utils.posteriors.weights import gaussian as gaussian_likelihood
from bal_utils.posteriors.weights import weight_vector
from bal_utils.runtime import stream
from bal_utils.theory.linear_regression import posterior

pytest.importorskip("pyro")

MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
FACTOR = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-0.5, 0.3, 2.0]], dtype=torch.float64)
PRECISION = (FACTOR @ FACTOR.T).inverse()
START = torch.zeros(3, dtype=torch.float64)


def gaussian(x):
    return -0.5 * (x - MEAN) @ PRECISION @ (x - MEAN)


@pytest.fixture(scope="module")
def samples():
    return sample_nuts(gaussian, START, num_samples=1000, warmup=300, seed=1)


@pytest.mark.slow
def test_mean_and_covariance_of_a_gaussian(samples):
    assert samples.shape == (1000, 3) and samples.dtype == torch.float64 and not samples.requires_grad
    # 1000 correlated samples are worth some 400 independent ones at least: four standard errors are 4 / sqrt(400).
    covariance_D_D = FACTOR @ FACTOR.T
    scale_D = covariance_D_D.diagonal().sqrt()
    assert ((samples.mean(dim=0) - MEAN).abs() < 0.2 * scale_D).all()
    assert ((samples.T.cov() - covariance_D_D).abs() < 0.3 * scale_D[:, None] * scale_D).all()


@pytest.mark.slow
def test_a_skewed_density():
    # The logarithm of a Gamma(3, 1) variable has mean digamma(3) and variance trigamma(3).
    samples = sample_nuts(lambda x: 3 * x[0] - x[0].exp(), torch.zeros(1), num_samples=800, warmup=200)
    assert samples.mean().item() == pytest.approx(torch.digamma(torch.tensor(3.0)).item(), abs=0.12)
    assert samples.var().item() == pytest.approx(torch.polygamma(1, torch.tensor(3.0)).item(), rel=0.35)


def test_the_seed_decides_and_the_global_stream_stays():
    def draw(seed):
        return sample_nuts(gaussian, START, num_samples=20, warmup=20, seed=seed)

    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = draw(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(draw(0), first)
    assert not torch.equal(draw(1), first)


def test_it_prints_nothing_and_leaves_the_start_alone(capfd):
    start = START.clone()
    sample_nuts(gaussian, start, num_samples=5, warmup=5)
    assert capfd.readouterr() == ("", "")
    assert torch.equal(start, START)


@pytest.mark.parametrize(
    ("density", "start", "options", "named"),
    [
        (gaussian, torch.zeros(1, 3), {}, "start_D"),
        (gaussian, torch.tensor([0, 0, 0]), {}, "start_D"),
        (gaussian, torch.tensor([0.0, float("nan"), 0.0]), {}, "start_D"),
        (lambda x: x, START, {}, "log_density"),
        (lambda x: x.sum() / 0, START, {}, "log_density"),
        (gaussian, START, {"num_samples": 0}, "num_samples"),
        (gaussian, START, {"warmup": 0}, "warmup"),
    ],
)
def test_bad_input_is_named(density, start, options, named):
    with pytest.raises(ValueError, match=named):
        sample_nuts(density, start, **options)


@pytest.mark.slow
def test_the_weights_of_a_linear_network():
    inputs_N_2 = torch.randn(12, 2, generator=stream(0, "test inputs"), dtype=torch.float64)
    targets_N = inputs_N_2 @ torch.tensor([1.0, -1.0], dtype=torch.float64)
    targets_N = targets_N + 0.5 * torch.randn(12, generator=stream(0, "test noise"), dtype=torch.float64)
    model = torch.nn.Linear(2, 1, bias=False).double()
    chain = fit_network(
        model,
        inputs_N_2,
        targets_N,
        prior_std=2.0,
        log_likelihood=gaussian_likelihood(0.5),
        num_samples=800,
        warmup=200,
    )
    exact = posterior(inputs_N_2, targets_N, prior_precision=0.25, noise_precision=4.0)
    std_D = exact.covariance_D_D.diagonal() ** 0.5
    # at least 200 independent draws' worth: the mean within 0.25, the deviation within a fifth
    assert abs(chain.weights_K_D.mean(dim=0).numpy() - exact.mean_D).max() < 0.25 * std_D.max()
    assert chain.weights_K_D.std(dim=0).numpy() == pytest.approx(std_D, rel=0.2)
    outputs = chain.sample_outputs(inputs_N_2, 4)
    torch.testing.assert_close(outputs[:, :, 0], inputs_N_2 @ chain.weights_K_D[[199, 399, 599, 799]].T)
    torch.testing.assert_close(chain.sample_outputs(inputs_N_2)[:, :, 0], inputs_N_2 @ chain.weights_K_D.T)
    for num_samples in (0, 801):
        with pytest.raises(ValueError, match="num_samples: expected a whole number, from 1 to 800"):
            chain.sample_outputs(inputs_N_2, num_samples)


def test_frozen_weights_are_the_same_in_every_sample():
    inputs = torch.randn(12, 2, generator=stream(0, "test inputs"), dtype=torch.float64)
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Linear(2, 2)).double()
    model[0].requires_grad_(False)
    start_D = weight_vector(model)
    samples = fit_network(model, inputs, (inputs[:, 0] > 0).long(), prior_std=1.0, num_samples=4, warmup=4)
    assert model.training and torch.equal(samples.weights_K_D[:, :6], start_D[:6].expand(4, 6))
    assert (samples.weights_K_D[:, 6:].std(dim=0) > 0).all()
    with pytest.raises(ValueError, match="model: expected weights that are not frozen"):
        fit_network(model.requires_grad_(False), inputs, (inputs[:, 0] > 0).long(), prior_std=1.0)
