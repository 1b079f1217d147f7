"""Hamiltonian Monte Carlo with many chains side by side, and how far they agree.

NUTS finds the length of each walk for one chain. Here all chains walk equally many steps at a time, so that one call of a
network serves them all; a small network gives hundreds of chains for the time of one (Neal 2011, arXiv:1206.1901).
Dimensions: H chains, K draws of each, D weights, G places; * any further dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bal_utils.checks import check_number, check_whole
from bal_utils.runtime import stream

FIRST_STEP, DIVERGED = 1e-2, 1000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Chains:
    """Draws of H chains, the share of walks that each accepted, and how many walks lost the density (divergences)."""

    samples_H_K_D: Tensor
    accepted_H: Tensor
    divergences: int
    gradients: int  # calls of the log density, all chains at once


def sample_hmc(
    log_density: Callable[[Tensor], Tensor],
    starts_H_D: Tensor,
    *,
    num_samples: int = 200,
    warmup: int = 400,
    steps: int = 30,
    target: float = 0.8,
    seed: int = 0,
) -> Chains:
    """Draws from exp(log_density) / Z by H independent chains, one from each start.

    `log_density` maps weights_H_D to one number a chain, differentiably; a scale of about 1 in all directions is best. A walk
    takes between half and three halves of `steps` leapfrog steps. During `warmup`, which is thrown away, each chain adapts
    the length of its own step until it accepts the share `target` of its walks. The same seed gives the same chains.

    Raises ValueError where the starts are not a matrix of finite floats, where the density there is not one finite number a
    chain, or where a count or the target is out of range.
    """
    for name, count in (("num_samples", num_samples), ("warmup", warmup), ("steps", steps)):
        check_whole(name, count, at_least=1)
    check_number("target", target, above=0, below=1)
    if starts_H_D.ndim != 2 or not starts_H_D.is_floating_point() or not starts_H_D.isfinite().all():
        raise ValueError("starts_H_D: expected a matrix of finite floats, a row a chain")
    place_H_D, noise, calls = starts_H_D.detach().clone(), stream(seed, "hmc"), 0

    def slope(weights_H_D: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal calls
        calls += 1
        weights_H_D = weights_H_D.detach().requires_grad_()
        value_H = log_density(weights_H_D)
        return value_H.detach(), torch.autograd.grad(value_H.sum(), weights_H_D)[0]

    value_H, slope_H_D = slope(place_H_D)
    if value_H.shape != place_H_D.shape[:1] or not value_H.isfinite().all():
        raise ValueError(f"log_density: expected one finite number a chain at the starts, got {value_H}")
    log_step_H = torch.full_like(value_H, FIRST_STEP).log()
    settled_H, kept, accepted_H, divergences = torch.zeros_like(value_H), [], torch.zeros_like(value_H), 0
    for walk in range(warmup + num_samples):
        if walk == warmup:
            log_step_H = settled_H / (warmup - warmup // 2)  # the mean over the second half of the warm-up
        step_H_1 = (log_step_H.exp() * (0.9 + 0.2 * torch.rand(len(value_H), generator=noise)).to(value_H))[:, None]
        length = int(torch.randint(max(1, steps // 2), steps + steps // 2 + 1, (), generator=noise))
        speed_H_D = torch.randn(place_H_D.shape, generator=noise, dtype=place_H_D.dtype)
        energy_H = value_H - 0.5 * speed_H_D.square().sum(dim=1)
        to_H_D, to_value_H, to_slope_H_D = place_H_D, value_H, slope_H_D
        for _ in range(length):
            speed_H_D = speed_H_D + 0.5 * step_H_1 * to_slope_H_D
            to_H_D = to_H_D + step_H_1 * speed_H_D
            to_value_H, to_slope_H_D = slope(to_H_D)
            speed_H_D = speed_H_D + 0.5 * step_H_1 * to_slope_H_D
        gain_H = (to_value_H - 0.5 * speed_H_D.square().sum(dim=1) - energy_H).nan_to_num(nan=-torch.inf)
        chance_H = gain_H.clamp(max=0).exp()
        moves_H = torch.rand(len(chance_H), generator=noise) < chance_H
        place_H_D = torch.where(moves_H[:, None], to_H_D, place_H_D)
        slope_H_D = torch.where(moves_H[:, None], to_slope_H_D, slope_H_D)
        value_H = torch.where(moves_H, to_value_H, value_H)
        if walk < warmup:
            log_step_H = log_step_H + (chance_H - target) / (1 + walk) ** 0.5
            settled_H = settled_H + log_step_H * (walk >= warmup // 2)
        else:
            kept.append(place_H_D)
            accepted_H = accepted_H + chance_H / num_samples
            divergences += int((gain_H < -DIVERGED).sum())
    return Chains(samples_H_K_D=torch.stack(kept, 1), accepted_H=accepted_H, divergences=divergences, gradients=calls)


def agreement(values_H_K_G: Tensor) -> tuple[Tensor, Tensor]:
    """R-hat and the number of effective draws of quantities computed from H chains of K draws, one of each for every place.

    R-hat splits each chain in two and compares the spread between the parts with the spread within them; 1 is agreement
    (Gelman et al. 2013, section 11.4). A quantity that is the same in all draws has no R-hat, and gets NaN.
    """
    from pyro.ops.stats import effective_sample_size, split_gelman_rubin

    return (
        split_gelman_rubin(values_H_K_G, chain_dim=0, sample_dim=1),
        effective_sample_size(values_H_K_G, chain_dim=0, sample_dim=1),
    )
