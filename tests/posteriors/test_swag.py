"""SWAG against the exact moments of the states it is made of, and at a minimum where only the noise of batches moves it."""

import pytest
import torch
from torch import nn

from bal_utils.models import MLP
from bal_utils.posteriors.swag import fit_network, of_states
from bal_utils.posteriors.weights import weight_vector
from bal_utils.runtime import stream
from bal_utils.training.fit import initialised


def states(count=12, size=4):
    mixed = torch.randn(size, size, generator=stream(0, "mixing"), dtype=torch.float64)
    return torch.randn(count, size, generator=stream(0, "states"), dtype=torch.float64) @ mixed + 3


def line():
    return nn.Linear(3, 1).double()


def line_data(num=40):
    inputs = torch.randn(num, 3, generator=stream(0, "x"), dtype=torch.float64)
    noise = torch.randn(num, 1, generator=stream(0, "noise"), dtype=torch.float64)
    return inputs, inputs.sum(dim=1, keepdim=True) + 0.5 * noise


@pytest.mark.parametrize("rank", [12, 5])
def test_draws_have_the_mean_and_the_covariance_of_the_states(rank):
    """Half of the covariance is the diagonal of all states', half the last ones' about the mean of all."""
    weights_T_D = states()
    drawn_K_D = of_states(line(), weights_T_D, rank=rank).draw(200_000, generator=stream(0, "draws")).weights_K_D
    last_R_D = weights_T_D[-rank:] - weights_T_D.mean(dim=0)
    expected_D_D = 0.5 * weights_T_D.var(dim=0).diag() + 0.5 * last_R_D.mT @ last_R_D / (rank - 1)
    if rank == 12:
        torch.testing.assert_close(last_R_D.mT @ last_R_D / 11, weights_T_D.mT.cov())
    largest = expected_D_D.diagonal().max().item()
    torch.testing.assert_close(drawn_K_D.mean(dim=0), weights_T_D.mean(dim=0), rtol=0, atol=0.01 * largest**0.5)
    torch.testing.assert_close(drawn_K_D.mT.cov(), expected_D_D, rtol=0, atol=0.015 * largest)


def test_without_noise_of_batches_it_stays_at_the_minimum():
    """Ridge regression in one batch: the states stop at the solution; in small batches they walk around it."""
    inputs, targets = line_data()
    rows = torch.cat([inputs, torch.ones(40, 1, dtype=torch.float64)], dim=1)
    best_4 = torch.linalg.solve(rows.mT @ rows * 2 / 40 + 0.1 * torch.eye(4).double(), rows.mT @ targets[:, 0] * 2 / 40)
    settings = {"learning_rate": 0.05, "weight_decay": 0.1, "loss": nn.functional.mse_loss}
    start = initialised(line, 0)
    nn.utils.vector_to_parameters(best_4, start.parameters())
    still = fit_network(start, inputs, targets, **settings, epochs=30, batch_size=40)
    torch.testing.assert_close(still.mean_D, best_4)
    assert still.variance_D.max() < 1e-20 and still.deviations_R_D.abs().max() < 1e-10
    walking = fit_network(start, inputs, targets, **settings, epochs=300, batch_size=5)
    assert walking.variance_D.min() > 1e-4 and (walking.mean_D - best_4).abs().max() < walking.variance_D.max().sqrt()


def test_nothing_moves_at_rate_zero_and_the_model_is_left_alone():
    inputs, targets = line_data()
    model = initialised(line, 0)
    before_D = weight_vector(model)
    still = fit_network(model, inputs, targets, learning_rate=0.0, loss=nn.functional.mse_loss, epochs=20)
    torch.testing.assert_close(still.sample_outputs(inputs, 7), model(inputs).detach()[:, None].expand(-1, 7, -1))
    fit_network(model, inputs, targets, learning_rate=0.1, loss=nn.functional.mse_loss, epochs=20)
    assert torch.equal(weight_vector(model), before_D)


def test_the_same_seed_gives_the_same_and_another_another():
    inputs, labels = line_data()[0], torch.arange(40) % 3
    model = initialised(lambda: MLP(3, 3, hidden=(4,), dropout=0.5).double(), 0)
    one, two, other = (fit_network(model, inputs, labels, learning_rate=0.1, epochs=20, seed=s) for s in (0, 0, 1))
    assert torch.equal(one.mean_D, two.mean_D) and not torch.equal(one.mean_D, other.mean_D)
    assert torch.equal(one.sample_outputs(inputs, 5), two.sample_outputs(inputs, 5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -1.0}, "learning_rate: expected"),
        ({"epochs": 0}, "epochs: expected"),
        ({"batch_size": 0}, "batch_size: expected"),
        ({"rank": 1}, "rank: expected a whole number, from 2 to 20"),
        ({"rank": 21}, "rank: expected a whole number, from 2 to 20"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    settings = {"learning_rate": 0.1, "epochs": 20, "loss": nn.functional.mse_loss} | options
    with pytest.raises(ValueError, match=message):
        fit_network(line(), *line_data(), **settings)


def test_a_learning_rate_that_is_too_large_is_named():
    with pytest.raises(FloatingPointError, match="learning_rate: 100"):
        fit_network(line(), *line_data(), learning_rate=100, loss=nn.functional.mse_loss, epochs=200)
