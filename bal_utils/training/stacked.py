"""Many small networks of one architecture trained at once: their weights are stacked, and each takes the steps of its own.

With matrices of 50 columns a training step is mostly overhead: a step of six networks in one batched product costs about
twice a step of one. Dimensions: M networks, N examples, B of a batch; * any further dimensions.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call, vmap
from tqdm.auto import tqdm

from bal_utils.training.fit import FUSED_ADAM_DEVICES, FitConfig, check_finite, epoch_order

Weights = dict[str, Tensor]  # name -> weights_M_*


def stack(networks: Sequence[nn.Module]) -> Weights:
    """The weights of networks that differ in nothing else, name -> weights_M_*, to be trained unless they are frozen."""
    named = [dict(network.named_parameters()) for network in networks]
    return {
        name: torch.stack([parameters[name].detach() for parameters in named]).requires_grad_(parameter.requires_grad)
        for name, parameter in named[0].items()
    }


def outputs_of(model: nn.Module, weights: Weights, inputs_M_B: Tensor) -> Tensor:
    """Each network's outputs for inputs of its own: outputs_M_B_*. In training mode each draws its own dropout masks."""

    def run(weights: Weights, inputs_B: Tensor) -> Tensor:
        return functional_call(model, weights, (inputs_B,))

    return vmap(run, randomness="different")(weights, inputs_M_B)


def train_stack(
    weights: Weights,
    losses: Callable[..., Tensor],
    data: Sequence[Tensor],
    *,
    config: FitConfig,
    orders: Sequence[Generator] | None = None,
    fused: bool | None = None,
    falling: bool = False,
    progress: bool = False,
) -> None:
    """Moves stacked weights by Adam (arXiv:1412.6980) for `config.max_epochs` epochs.

    `data` are tensors [M, N, *], what each network learns from; `losses` maps their batches [M, B, *] to loss_M, with the
    weights as they are then. Losses are summed, so that the gradient of each network is its own. Network m sees its
    examples in the order of the generator `orders[m]`; without orders every step is for all examples. `fused` is PyTorch's
    option of Adam, by default on where there is one: it is faster and rounds otherwise. With `falling` the learning rate
    falls to zero in a straight line, epoch by epoch: the noise of batches and masks no longer keeps weights from settling.
    Raises FloatingPointError where a loss stops being finite.
    """
    device = data[0].device
    fused = device.type in FUSED_ADAM_DEVICES if fused is None else fused
    options = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": fused}
    optimizer = torch.optim.Adam(weights.values(), **options)
    last_factor = 0.0 if falling else 1.0
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, last_factor, total_iters=config.max_epochs)
    for epoch in tqdm(range(1, config.max_epochs + 1), desc="training", unit="epoch", disable=not progress):
        total_M = torch.zeros(len(data[0]), device=device)
        for batch in _batches(data, config, orders):
            optimizer.zero_grad()
            loss_M = losses(*batch)
            loss_M.sum().backward()
            optimizer.step()
            total_M += loss_M.detach() * batch[0].shape[1]  # read once an epoch: reading would stop a GPU
        decay.step()
        for m, total in enumerate(total_M.tolist()):
            check_finite(f"member {m}'s training", total, epoch)


def _batches(
    data: Sequence[Tensor], config: FitConfig, orders: Sequence[Generator] | None
) -> Iterator[Sequence[Tensor]]:
    """The batches of one epoch."""
    if orders is None:
        yield data
        return
    num_examples, device = data[0].shape[1], data[0].device
    members_M_1 = torch.arange(len(orders), device=device)[:, None]
    order_M_N = torch.stack([epoch_order(num_examples, config, order) for order in orders]).to(device)
    for batch_M_B in order_M_N.split(config.batch_size, dim=1):
        yield [part[members_M_1, batch_M_B] for part in data]
