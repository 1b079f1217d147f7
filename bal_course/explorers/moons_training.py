"""Training of many small networks at once, with the gradients of three layers written out.

A step of networks as small as those of the moons is nearly all overhead. Without autograd it takes a fifth of a millisecond
for one network and little more for twenty, so that the explorers answer while the hand is still on the control.
Dimensions: S networks, L labelled points, n places, H hidden units, C classes, T steps.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bal_utils.runtime import stream, stream_seed
from bal_utils.training.stacked import stack

LEARNING_RATE, STEPS = 0.02, 150
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # Adam's averages and what keeps it from dividing by zero (arXiv:1412.6980)
Layers = list[Tensor]  # weights and biases of three linear layers, each [S, *]
Predict = Callable[[Tensor], Tensor]


def train(
    networks: Sequence[nn.Module],
    inputs_S_L_2: Tensor,
    labels_S_L: Tensor,
    shares_S_L: Tensor,
    *,
    weight_decay: float = 1e-4,
    masks_T_2_L_H: Tensor | None = None,
) -> Layers:
    """Trains S networks of two hidden layers, each on points of its own, by full steps of Adam.

    The loss of a network is the sum of its points' cross-entropies, each times its share. `masks_T_2_L_H` multiply the two
    hidden layers of every network, step by step. Weight decay is added to the gradient, as in `torch.optim.Adam`.
    """
    parts = [part.detach() for part in stack(networks).values()]
    flat = torch.cat([part.flatten(1) for part in parts], dim=1)
    slope, average, square = (torch.zeros_like(flat) for _ in range(3))
    layers, slopes = _views(flat, parts), _views(slope, parts)
    truth_S_L_C = F.one_hot(labels_S_L, layers[-1].shape[-1]).to(flat.dtype)
    weights_S_L_1 = shares_S_L[..., None]
    for step in range(1, STEPS + 1):
        masks = None if masks_T_2_L_H is None else masks_T_2_L_H[step - 1]
        hidden_1, hidden_2, outputs = forward(layers, inputs_S_L_2, masks)
        error = (outputs.softmax(dim=-1) - truth_S_L_C) * weights_S_L_1
        _write(slopes[4:], error, hidden_2)
        error = _back(error, layers[4], hidden_2, None if masks is None else masks[1])
        _write(slopes[2:4], error, hidden_1)
        error = _back(error, layers[2], hidden_1, None if masks is None else masks[0])
        _write(slopes[:2], error, inputs_S_L_2)
        slope.add_(flat, alpha=weight_decay)
        average.lerp_(slope, 1 - FIRST)
        square.mul_(SECOND).addcmul_(slope, slope, value=1 - SECOND)
        scale = (square / (1 - SECOND**step)).sqrt_().add_(TINY)
        flat.addcdiv_(average, scale, value=-LEARNING_RATE / (1 - FIRST**step))
    return layers


def forward(layers: Layers, inputs_S_n_2: Tensor, masks: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Both hidden layers and the logits, each [S, n, *]."""
    weight_1, bias_1, weight_2, bias_2, weight_3, bias_3 = layers
    hidden_1 = torch.baddbmm(bias_1[:, None], inputs_S_n_2, weight_1.mT).relu_()
    hidden_1 = hidden_1 if masks is None else hidden_1.mul_(masks[0])
    hidden_2 = torch.baddbmm(bias_2[:, None], hidden_1, weight_2.mT).relu_()
    hidden_2 = hidden_2 if masks is None else hidden_2.mul_(masks[1])
    return hidden_1, hidden_2, torch.baddbmm(bias_3[:, None], hidden_2, weight_3.mT)


def predictor(layers: Layers) -> Predict:
    """log_probs_S_n_C of trained networks at places_S_n_2."""
    return lambda places_S_n_2: forward(layers, places_S_n_2)[2].log_softmax(dim=-1)


def as_network(network: nn.Module, layers: Layers, index: int = 0) -> nn.Module:
    """`network` with the weights of one of the trained, in evaluation mode."""
    with torch.no_grad():
        for parameter, part in zip(network.parameters(), layers, strict=True):
            parameter.copy_(part[index])
    return network.eval()


def dropout_masks(count: int, hidden: Sequence[int], dropout: float, seed: int) -> Tensor | None:
    """masks_T_2_L_H by which `training.fit` drops units, in the order of the points rather than of its batches."""
    if dropout == 0:
        return None
    batches = stream(seed, "batches")
    draws = torch.Generator().manual_seed(stream_seed(seed, "dropout"))
    masks_T_2_L_H = torch.empty(STEPS, len(hidden), count, hidden[0])
    for masks_2_L_H in masks_T_2_L_H:
        order_L = torch.randperm(count, generator=batches)
        for mask_L_H in masks_2_L_H:
            mask_L_H[order_L] = (
                torch.empty(mask_L_H.shape, dtype=torch.bool).bernoulli_(1 - dropout, generator=draws).float()
            )
    return masks_T_2_L_H / (1 - dropout)


def _views(flat: Tensor, parts: Layers) -> Layers:
    sizes = [part[0].numel() for part in parts]
    return [view.view(part.shape) for view, part in zip(flat.split(sizes, dim=1), parts, strict=True)]


def _write(slopes: Layers, error: Tensor, inputs: Tensor) -> None:
    """The gradients of one layer's weights and biases."""
    slopes[0].copy_(error.mT @ inputs)
    slopes[1].copy_(error.sum(dim=1))


def _back(error: Tensor, weight: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
    """The error of the layer below: through the weights, the units that were dropped and those that were off."""
    error = (error @ weight).mul_(hidden > 0)
    return error if mask is None else error.mul_(mask)
