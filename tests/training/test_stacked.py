"""Networks in a stack against each of them trained alone by PyTorch's own Adam."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bal_utils.models import MLP
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig, initialised
from bal_utils.training.stacked import outputs_of, stack, train_stack

CONFIG = FitConfig(learning_rate=1e-2, batch_size=8, max_epochs=4, weight_decay=1e-3)


def problem():
    """Three networks with a frozen first layer, each with twenty points of its own."""
    networks = [initialised(lambda: MLP(2, 1, hidden=(5,), dropout=0.0).double(), seed) for seed in range(3)]
    for network in networks:
        network[1].requires_grad_(False)
    inputs_M_N_2 = torch.randn(3, 20, 2, generator=stream(0, "inputs"), dtype=torch.float64)
    return networks, inputs_M_N_2, inputs_M_N_2.sum(dim=2).sin()


def train(networks, inputs, targets, **options):
    weights = stack(networks)

    def losses(inputs_M_B_2, targets_M_B):
        errors_M_B = outputs_of(networks[0], weights, inputs_M_B_2)[..., 0] - targets_M_B
        return errors_M_B.square().mean(dim=1)

    train_stack(weights, losses, (inputs, targets), config=CONFIG, **options)
    return weights


@pytest.mark.parametrize(("in_batches", "falling"), [(True, False), (False, False), (True, True)])
def test_each_network_takes_its_own_steps(in_batches, falling):
    networks, inputs, targets = problem()
    orders = [stream(m, "order") for m in range(3)] if in_batches else None
    weights = train(networks, inputs, targets, orders=orders, falling=falling)
    for m, network in enumerate(networks):
        order, free = stream(m, "order"), [part for part in network.parameters() if part.requires_grad]
        optimizer = torch.optim.Adam(free, lr=CONFIG.learning_rate, weight_decay=CONFIG.weight_decay)
        for epoch in range(CONFIG.max_epochs):
            optimizer.param_groups[0]["lr"] = CONFIG.learning_rate * (1 - epoch / CONFIG.max_epochs * falling)
            for batch in torch.randperm(20, generator=order).split(8) if in_batches else [slice(None)]:
                optimizer.zero_grad()
                F.mse_loss(network(inputs[m, batch])[:, 0], targets[m, batch]).backward()
                optimizer.step()
        for name, part in network.named_parameters():
            torch.testing.assert_close(weights[name][m], part, rtol=0, atol=1e-10)
        torch.testing.assert_close(outputs_of(network, weights, inputs)[m], network(inputs[m]), rtol=0, atol=1e-9)


def test_in_training_mode_each_network_draws_its_own_masks():
    network = nn.Sequential(nn.Dropout(0.5))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        outputs_2_B = outputs_of(network.train(), {"unused": torch.zeros(2)}, torch.ones(2, 200))
    assert not torch.equal(*outputs_2_B) and set(outputs_2_B.flatten().tolist()) == {0.0, 2.0}


def test_a_loss_that_is_not_finite_is_reported_with_its_network():
    networks, inputs, targets = problem()
    targets[1, 3] = torch.nan
    with pytest.raises(FloatingPointError, match="member 1's training loss"):
        train(networks, inputs, targets)
