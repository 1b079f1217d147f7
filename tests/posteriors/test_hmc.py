"""Many chains at once: against a Gaussian and a mixture that are known, and what they say of themselves."""

import pytest
import torch

from bal_utils.posteriors.hmc import agreement, sample_hmc
from bal_utils.runtime import stream

STDS_3 = torch.tensor([0.1, 1.0, 2.0], dtype=torch.float64)


def gaussian(weights_H_3):
    return -0.5 * ((weights_H_3 - 1) / STDS_3).square().sum(dim=1)


def starts(num_chains=20, size=3):
    return 2 * torch.randn(num_chains, size, generator=stream(0, "starts"), dtype=torch.float64)


def test_chains_draw_from_a_known_gaussian_and_say_that_they_agree():
    chains = sample_hmc(gaussian, starts(), num_samples=200, warmup=200, steps=20)
    assert chains.samples_H_K_D.shape == (20, 200, 3) and chains.divergences == 0
    drawn = chains.samples_H_K_D.flatten(0, 1)
    assert ((drawn.mean(dim=0) - 1).abs() < 0.15 * STDS_3).all()
    torch.testing.assert_close(drawn.std(dim=0), STDS_3, rtol=0.1, atol=0)
    assert (chains.accepted_H - 0.8).abs().max() < 0.2
    r_hat_3, count_3 = agreement(chains.samples_H_K_D)
    assert r_hat_3.max() < 1.05 and count_3.min() > 300


def test_chains_that_stay_in_their_own_peaks_are_found_out():
    """Two peaks 40 deviations apart: no chain crosses, each is content alone, and R-hat says that they do not agree."""

    def two_peaks(weights_H_1):
        return torch.logaddexp(-0.5 * (weights_H_1 - 20).square(), -0.5 * (weights_H_1 + 20).square())[:, 0]

    chains = sample_hmc(two_peaks, 20 * torch.tensor([[1.0], [-1.0]] * 4).double(), num_samples=100, warmup=50, steps=5)
    assert agreement(chains.samples_H_K_D)[0] > 3


def test_the_same_seed_gives_the_same_chains_and_no_draw_goes_uncounted():
    calls = []

    def counted(weights_H_3):
        calls.append(1)
        return gaussian(weights_H_3)

    first, again = (sample_hmc(counted, starts(4), num_samples=5, warmup=5, steps=3, seed=1) for _ in range(2))
    assert torch.equal(first.samples_H_K_D, again.samples_H_K_D) and first.gradients + again.gradients == len(calls)
    other = sample_hmc(gaussian, starts(4), num_samples=5, warmup=5, steps=3, seed=2)
    assert not torch.equal(first.samples_H_K_D, other.samples_H_K_D)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="starts_H_D: expected a matrix"):
        sample_hmc(gaussian, torch.zeros(3))
    with pytest.raises(ValueError, match="log_density: expected one finite number a chain"):
        sample_hmc(lambda weights: weights.sum() * torch.inf, starts())
    with pytest.raises(ValueError, match="steps: expected a whole number"):
        sample_hmc(gaussian, starts(), steps=0)
    with pytest.raises(ValueError, match="target: expected a finite number"):
        sample_hmc(gaussian, starts(), target=1.0)
