"""Deep ensembles: M networks, trained alike from different initial weights (arXiv:1612.01474).

All are trained at once (`training.stacked`), each on batches of its own. Member m of an ensemble is the network that
`training.fit` would have given for the seed `member_seed(seed, m)`.
Dimensions: M members, B examples of a batch, N inputs, K samples, D weights, C classes; * any further dimensions.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.func import vmap
from torch.nn.modules.batchnorm import _NormBase

from bal_utils.checks import check_number, check_whole
from bal_utils.posteriors.weights import (
    WeightSamples,
    categorical,
    gaussian,
    named_weights,
    prior_of,
    snapshot,
    standard_normal,
)
from bal_utils.runtime import stream, stream_seed
from bal_utils.training.fit import FitConfig, Loss, checked_examples, global_randomness, initialised
from bal_utils.training.stacked import outputs_of, stack, train_stack


def member_seed(seed: int, member: int) -> int:
    """The seed of one member, counted from 0: the same whatever the number of members."""
    return stream_seed(seed, "member", member)


def fit_ensemble(
    factory: Callable[[], nn.Module],
    inputs: Tensor,
    labels: Tensor,
    *,
    num_members: int = 5,
    config: FitConfig,
    seed: int = 0,
    loss: Loss = F.cross_entropy,
    progress: bool = False,
) -> WeightSamples:
    """Trains M networks from `factory` on the same data, each from its own initial weights, in its own order.

    Each member minimises its own loss(outputs, labels), a mean over its batch, with Adam (arXiv:1412.6980). The result is
    that of `fit(initialised(factory, s), inputs, labels, config=config, seed=s, loss=loss)` for s = member_seed(seed, m),
    up to rounding. Two differences: there is no validation set, so `patience` and `stop_on` are not used, and
    dropout masks, though different for each member, are not the ones of `fit`. The first members of a large ensemble are
    a small one. Returns weights_M_D. Activations of all members are in memory at once.
    Raises TypeError or ValueError where data do not fit together, where num_members is not a whole number of at least 1,
    where networks differ in more than their weights or keep batch statistics, FloatingPointError where a loss stops
    being finite.
    """
    num_members = check_whole("num_members", num_members, at_least=1)
    members = [initialised(factory, member_seed(seed, m)) for m in range(num_members)]
    _check_members(members)
    model, device = snapshot(members[0]), next(members[0].parameters()).device
    training = checked_examples(model, inputs, labels, loss)
    weights, shared = stack(members), [part.expand(num_members, *part.shape) for part in training]
    orders = [stream(member_seed(seed, m), "batches") for m in range(num_members)]

    def losses(inputs_M_B: Tensor, labels_M_B: Tensor) -> Tensor:
        return vmap(loss, randomness="different")(outputs_of(model, weights, inputs_M_B), labels_M_B)

    with global_randomness(stream_seed(seed, "dropout"), device):
        model.train()
        train_stack(weights, losses, shared, config=config, orders=orders, progress=progress)
    model.eval()
    weights_M_D = torch.cat([weights_M.detach().flatten(1) for weights_M in weights.values()], dim=1)
    return WeightSamples(model, weights_M_D)


def fit_anchored(
    factory: Callable[[], nn.Module],
    inputs: Tensor,
    targets: Tensor,
    *,
    prior_std: float | Tensor,
    noise_std: float | None = None,
    num_members: int = 5,
    config: FitConfig,
    seed: int = 0,
    falling: bool = False,
) -> WeightSamples:
    """An anchored ensemble: each member is pulled towards its own draw from the prior (arXiv:1810.05546), and starts there.

    minimise   1/N Σ_n -log p(y_n + e_n | f(x_n, w)) + 1/(2N) Σ_d (w_d - a_d)² / prior_std_d²,   a ~ N(0, prior_std²)

    For regression, `noise_std` given, each member also gets noise e ~ N(0, noise_std²) of its own on the targets: for a
    network that is linear in its weights the members are then draws from the posterior (randomised MAP). For classes
    (None) the labels stay as they are, and nothing is exact. Batches and optimiser are those of `fit_ensemble`, but for
    `config.weight_decay`, which the anchors replace; with `falling` the learning rate falls to zero. Returns weights_M_D.
    Raises as `fit_ensemble` does, and ValueError where a standard deviation is out of range.
    """
    num_members = check_whole("num_members", num_members, at_least=1)
    model = snapshot(initialised(factory, member_seed(seed, 0)))
    prior_std_D, num_data = prior_of(model, prior_std), len(inputs)
    inputs, targets = checked_examples(model, inputs, targets, F.cross_entropy if noise_std is None else F.mse_loss)
    anchors_M_D = prior_std_D * standard_normal(num_members, prior_std_D, stream(seed, "anchors"))
    weights = {name: part_M.clone().requires_grad_() for name, part_M in named_weights(model, anchors_M_D).items()}
    targets_M_N = targets.expand(num_members, *targets.shape)
    if noise_std is not None:
        noise_std = check_number("noise_std", noise_std, above=0)
        noise_M_N = torch.randn(targets_M_N.shape, generator=stream(seed, "targets"), dtype=targets.dtype)
        targets_M_N = targets_M_N + noise_std * noise_M_N.to(targets.device)
    log_likelihood = categorical if noise_std is None else gaussian(noise_std)

    def losses(inputs_M_B: Tensor, targets_M_B: Tensor) -> Tensor:
        fit_M = vmap(log_likelihood)(outputs_of(model, weights, inputs_M_B), targets_M_B) / inputs_M_B.shape[1]
        weights_M_D = torch.cat([part_M.flatten(1) for part_M in weights.values()], dim=1)
        return ((weights_M_D - anchors_M_D) / prior_std_D).square().sum(dim=1) / (2 * num_data) - fit_M

    orders = [stream(member_seed(seed, m), "batches") for m in range(num_members)]
    data = [inputs.expand(num_members, *inputs.shape), targets_M_N]
    train_stack(weights, losses, data, config=replace(config, weight_decay=0), orders=orders, falling=falling)
    return WeightSamples(model, torch.cat([part_M.detach().flatten(1) for part_M in weights.values()], dim=1))


def sample_log_probs(
    ensemble: WeightSamples, inputs: Tensor, num_samples: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """log p(y | x, w_k) of the first K members, of all by default: log_probs_N_K_C. Raises as their `sample_outputs` does."""
    return ensemble.sample_log_probs(inputs, num_samples, generator=generator)


def _check_members(members: list[nn.Module]) -> None:
    """Raises ValueError unless the members are different modules that differ in their parameters alone."""
    first, shapes = members[0], _shapes(members[0])
    for name, module in first.named_modules():
        if isinstance(module, _NormBase):
            raise ValueError(
                "factory: expected networks without layers that keep statistics of their batches, which the members "
                f"would share, got {type(module).__name__} at {name!r}"
            )
    for member in members[1:]:
        if member is first:
            raise ValueError("factory: expected a new network at each call, got the same one twice")
        if _shapes(member) != shapes:
            raise ValueError("factory: expected networks with the same parameters in the same shapes, got others")
        if any(not torch.equal(a, b) for a, b in zip(first.buffers(), member.buffers(), strict=True)):
            raise ValueError("factory: expected networks that differ in their parameters alone, got different buffers")


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}
