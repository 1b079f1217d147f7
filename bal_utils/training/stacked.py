"""Small regression networks that differ in their dropout alone, trained together.

With matrices of 50 columns a training step is mostly overhead: a step of six networks stacked into one batched product
costs about twice a step of one. Dimensions: P networks, D inputs of a layer, H of its outputs; n points of a batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bal_utils.training.fit import FitConfig, fit, initialised


def dropout_network(num_columns: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """A ReLU network with one output and dropout before every matrix, as in the code of arXiv:1506.02142."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Dropout(dropout), nn.Linear(num_columns, width), nn.ReLU()]
        num_columns = width
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(num_columns, 1))


class SideBySide(nn.Module):
    """P networks of `dropout_network` as one module: outputs_n_P, each network with masks of its own."""

    def __init__(self, networks: Sequence[nn.Sequential]) -> None:
        super().__init__()
        layers = list(zip(*(_linears(network) for network in networks), strict=True))
        self.weights = nn.ParameterList(torch.stack([layer.weight.detach().T for layer in same]) for same in layers)
        self.biases = nn.ParameterList(torch.stack([layer.bias.detach()[None] for layer in same]) for same in layers)
        self.register_buffer("dropout_P_1_1", torch.tensor([network[0].p for network in networks])[:, None, None])

    def forward(self, inputs_n_D: Tensor) -> Tensor:
        """The outputs of all networks for all inputs."""
        hidden = inputs_n_D.expand(len(self.dropout_P_1_1), *inputs_n_D.shape)
        for depth, (weight_P_D_H, bias_P_1_H) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = hidden.relu() if depth else hidden
            if self.training:
                kept = torch.rand(hidden.shape) >= self.dropout_P_1_1
                hidden = hidden * (kept / (1 - self.dropout_P_1_1))
            hidden = torch.baddbmm(bias_P_1_H, hidden, weight_P_D_H)
        return hidden[..., 0].T

    def squared_norms(self) -> Tensor:
        """Σ ‖W‖² of each network's matrices, biases left out: [P]."""
        return sum(weight.square().sum(dim=(1, 2)) for weight in self.weights)

    def copy_to(self, networks: Sequence[nn.Sequential]) -> None:
        """Gives each network its weights."""
        for p, network in enumerate(networks):
            for layer, weight, bias in zip(_linears(network), self.weights, self.biases, strict=True):
                layer.weight.data, layer.bias.data = weight[p].detach().T.contiguous(), bias[p, 0].detach().clone()


def train_side_by_side(
    inputs_N_D: Tensor,
    targets_N: Tensor,
    dropouts: Sequence[float],
    *,
    hidden: Sequence[int],
    weight_decays: Sequence[float],
    config: FitConfig,
    seed: int,
) -> list[nn.Sequential]:
    """One network a dropout probability, all from the same first weights, in evaluation mode.

    Each minimises 1/N Σ ½ (y - f(x))² + λ Σ ‖W‖², λ its weight decay: the decay is part of the loss and spares biases.
    """
    networks = [initialised(lambda p=p: dropout_network(inputs_N_D.shape[1], hidden, p), seed).eval() for p in dropouts]
    together, decay_P = SideBySide(networks), torch.tensor(weight_decays)

    def loss(outputs_n_P: Tensor, targets_n: Tensor) -> Tensor:
        errors_P = 0.5 * (outputs_n_P - targets_n[:, None]).square().mean(dim=0)
        return (errors_P + decay_P * together.squared_norms()).sum()

    fit(together, inputs_N_D, targets_N, config=config, seed=seed, loss=loss)
    together.copy_to(networks)
    return networks


def _linears(network: nn.Sequential) -> list[nn.Linear]:
    return [layer for layer in network if isinstance(layer, nn.Linear)]
