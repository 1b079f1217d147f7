"""SWAG: a normal distribution over the weights that training passes through (Maddox et al. 2019, arXiv:1902.02476).

Training goes on from a trained network, at a constant learning rate, and a state is kept after each epoch.
Dimensions: N inputs, K samples, D weights, T states, R of them in the low-rank part, C outputs.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from bal_utils.checks import check_number, check_whole
from bal_utils.posteriors.base import Posterior
from bal_utils.posteriors.weights import WeightSamples, snapshot, standard_normal, weight_vector
from bal_utils.runtime import stream
from bal_utils.training.fit import Loss, checked_examples

RANK, MOMENTUM = 20, 0.9  # as in section 5 of the paper


@dataclass(frozen=True, eq=False)
class SWAG(Posterior):
    """N(m, ½ diag(v) + ½ ΔᵀΔ / (R - 1)): half of the covariance is diagonal, half comes from the last R states."""

    model: nn.Module
    mean_D: Tensor
    variance_D: Tensor
    deviations_R_D: Tensor  # Δ, the last states minus the mean

    def draw(self, num_samples: int, *, generator: Generator | None = None) -> WeightSamples:
        """K networks with drawn weights. Without a generator they are those of `stream(0, "weights")`."""
        rank, size = self.deviations_R_D.shape
        base_K_DR = standard_normal(num_samples, self.mean_D.new_empty(size + rank), generator)
        single_K_D, shared_K_R = base_K_DR.split([size, rank], dim=1)
        shifts_K_D = single_K_D * self.variance_D.sqrt() + shared_K_R @ self.deviations_R_D / (rank - 1) ** 0.5
        return WeightSamples(self.model, self.mean_D + shifts_K_D / 2**0.5)

    def sample_outputs(self, inputs: Tensor, num_samples: int, *, generator: Generator | None = None) -> Tensor:
        """The outputs f(x, w_k) for K draws of the weights, each shared by all inputs: outputs_N_K_*."""
        return self.draw(num_samples, generator=generator).sample_outputs(inputs)


def of_states(model: nn.Module, weights_T_D: Tensor, *, rank: int = RANK) -> SWAG:
    """The distribution of given states of training. Raises ValueError where `rank` is below 2 or there are fewer states."""
    check_whole("rank", rank, at_least=2, at_most=len(weights_T_D))
    mean_D = weights_T_D.mean(dim=0)
    return SWAG(snapshot(model), mean_D, weights_T_D.var(dim=0), weights_T_D[-rank:] - mean_D)


def fit_network(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    loss: Loss = F.cross_entropy,
    epochs: int = 100,
    batch_size: int = 10,
    rank: int = RANK,
    seed: int = 0,
) -> SWAG:
    """Goes on training a trained network by SGD with momentum, and fits the states after each of the epochs.

    `loss` is a mean over its batch, to which `weight_decay`/2 |w|² is added. Nothing fixes how wide the result is but the
    noise of the batches: with the whole data in one batch, or at a learning rate of 0, it is one network. The model is
    left as it was. Raises TypeError or ValueError where an argument is out of range or data do not fit, FloatingPointError
    where the weights stop being finite.
    """
    check_number("learning_rate", learning_rate, at_least=0)
    for name, count in (("epochs", epochs), ("batch_size", batch_size)):
        check_whole(name, count, at_least=1)
    walker, states, order = snapshot(model), [], stream(seed, "swag")
    inputs, targets = checked_examples(walker, inputs, targets, loss)
    optimizer = torch.optim.SGD(walker.parameters(), lr=learning_rate, momentum=MOMENTUM, weight_decay=weight_decay)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs), generator=order).split(batch_size):
            optimizer.zero_grad()
            loss(walker(inputs[batch]), targets[batch]).backward()
            optimizer.step()
        states.append(weight_vector(walker))
    weights_T_D = torch.stack(states)
    if not weights_T_D.isfinite().all():
        raise FloatingPointError(f"learning_rate: {learning_rate} is too large, the weights are not finite any more")
    return of_states(model, weights_T_D, rank=rank)
