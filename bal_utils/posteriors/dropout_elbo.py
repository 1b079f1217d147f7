"""Dropout as variational inference: its family q, the divergence from the prior, both objectives, and what weight decay means.

Dropping a unit drops all weights that leave it, a row m of the matrix M. A row of the random matrix W = diag(z) M + σ ε is

    q(w) = keep · N(w; m, σ² I) + (1 - keep) · N(w; 0, σ² I),     and the prior is     p(w) = N(w; 0, I / l²)

(arXiv:1506.02142, section 3; arXiv:1506.02157). `keep` is the paper's p, the probability that z = 1; PyTorch's p is the
probability `drop` = 1 - keep. σ is `std`, l is `length_scale`, τ is `noise_precision`. Weights never dropped have keep = 1.
Dimensions: R rows, one for each unit; D weights that leave a unit; K draws; N data; B data of a batch; O outputs.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from bal_utils.checks import check_number, check_whole
from bal_utils.theory import divergence
from bal_utils.theory.divergence import Estimate

Loss = Literal["nll", "half squared error", "squared error"]
Layers = Sequence[tuple[Tensor, float]]  # a matrix M and the probability that a row of it is kept

# the trapezoid rule is exact to rounding for functions as smooth as these
NODES_G = torch.linspace(-9, 9, 601, dtype=torch.float64)
WEIGHTS_G = (-NODES_G.square() / 2).softmax(dim=0)
FAR_APART = 1e3  # standard deviations, at which the overlap is 0 in every precision, and no square of it is infinite


def sample_rows(mean_R_D: Tensor, *, keep: float, std: float, num_samples: int, generator: Generator) -> Tensor:
    """Draws from q: weights_K_R_D = z m + σ ε with z ~ Bernoulli(keep), one for each row.

    Raises ValueError where `keep` is not in (0, 1] or `std` is not a finite number above 0.
    """
    _check(keep, std=std)
    shape = (num_samples, *mean_R_D.shape)
    kept_K_R_1 = torch.rand(*shape[:2], 1, generator=generator, dtype=torch.float64) < keep
    noise_K_R_D = torch.randn(shape, generator=generator, dtype=torch.float64)
    return (kept_K_R_1 * mean_R_D.cpu() + std * noise_K_R_D).to(mean_R_D)


def log_density(weights_K_R_D: Tensor, mean_R_D: Tensor, *, keep: float, std: float) -> Tensor:
    """log q of each row of each draw, log_q_K_R: the logarithm of the sum of both bumps. Raises as `sample_rows` does."""
    _check(keep, std=std)
    constant = mean_R_D.shape[-1] * math.log(std * math.sqrt(2 * math.pi))
    kept_K_R, dropped_K_R = (
        -((weights_K_R_D - centre) / std).square().sum(dim=-1) / 2 - constant for centre in (mean_R_D, 0.0)
    )
    if keep == 1:
        return kept_K_R
    return torch.logaddexp(math.log(keep) + kept_K_R, math.log1p(-keep) + dropped_K_R)


def monte_carlo_kl(
    mean_R_D: Tensor, *, keep: float, std: float, length_scale: float, num_samples: int, generator: Generator
) -> Estimate:
    """KL(q || p) of all rows, in nats, as the average of log q - log p over draws from q, with its standard error.

    Exact but for the sampling: nothing is assumed about the bumps. Raises as `l2_form` does, and for fewer than two draws.
    """
    _check(keep, std=std, length_scale=length_scale)
    weights_K_R_D = sample_rows(mean_R_D, keep=keep, std=std, num_samples=num_samples, generator=generator)
    log_q_K = log_density(weights_K_R_D, mean_R_D, keep=keep, std=std).sum(dim=1)
    scaled_K_R_D = length_scale * weights_K_R_D
    constant = mean_R_D.numel() * math.log(length_scale / math.sqrt(2 * math.pi))
    return divergence.monte_carlo_kl(log_q_K, constant - scaled_K_R_D.square().sum(dim=(1, 2)) / 2)


def l2_form(mean_R_D: Tensor, *, keep: float, std: float, length_scale: float) -> Tensor:
    """KL(q || p) of all rows, in nats, for bumps that do not overlap: the L2 penalty and its constants.

    sum over rows of   keep/2 l² |m|²   +   D (l²σ² - 1 - log l²σ²)/2   -   H(keep)             (arXiv:1506.02157, appendix A)

    with H(keep) the entropy of a biased coin. Never above the exact divergence `kl`, nor below it by more than R·H(keep).
    Raises ValueError where `keep` is not in (0, 1], or `std` or `length_scale` is not a finite number above 0.
    """
    _check(keep, std=std, length_scale=length_scale)
    rows, columns = mean_R_D.shape
    ratio = check_number("(length_scale · std)²", (length_scale * std) ** 2, above=0)  # neither lost nor infinite
    constant = columns * (ratio - 1 - math.log(ratio)) / 2 - coin_entropy(keep)
    return keep / 2 * length_scale**2 * mean_R_D.square().sum() + rows * constant


def overlap(distance_R: Tensor, keep: float) -> Tensor:
    """H[z | w] of each row, in nats: the doubt that a row leaves about its own mask. `distance_R` is |m|/σ.

    E_q[-log q(z | w)]; q(z | w) depends on w only through its place along m, so one integral does for every D.
    In [0, H(keep)]: H(keep) where the bumps coincide, 0 where they are far apart. Raises ValueError as `sample_rows` does.
    """
    _check(keep)
    if keep == 1:
        return torch.zeros_like(distance_R)
    r_R_1 = distance_R.clamp_max(FAR_APART)[..., None]
    logit, nodes_G, weights_G = math.log(keep) - math.log1p(-keep), NODES_G.to(distance_R), WEIGHTS_G.to(distance_R)
    # log odds of having been kept, at w = m + σε and at w = σε, written so that nothing large is subtracted
    odds_kept_R_G, odds_dropped_R_G = (logit + r_R_1 * nodes_G + sign * r_R_1.square() / 2 for sign in (1, -1))
    surprise_R_G = keep * F.softplus(-odds_kept_R_G) + (1 - keep) * F.softplus(odds_dropped_R_G)
    return surprise_R_G @ weights_G


def kl(mean_R_D: Tensor, *, keep: float, std: float, length_scale: float) -> Tensor:
    """KL(q || p) of all rows, in nats, exact to quadrature: `l2_form` plus the `overlap` of every row. Raises as they do."""
    distance_R = mean_R_D.norm(dim=1) / std
    return l2_form(mean_R_D, keep=keep, std=std, length_scale=length_scale) + overlap(distance_R, keep).sum()


def coin_entropy(keep: float) -> float:
    """-keep log keep - (1 - keep) log(1 - keep), in nats. Raises ValueError where `keep` is not in [0, 1]."""
    check_number("keep", keep, at_least=0, at_most=1)
    return sum(-share * math.log(share) for share in (keep, 1 - keep) if share > 0)


def negative_elbo(
    log_likelihood_B: Tensor, layers: Layers, *, num_data: int, std: float, length_scale: float
) -> Tensor:
    """One estimate of -ELBO in nats, up to sampling: -(N/B) Σ log p(y | x, W) + Σ KL(q || p), the latter as `l2_form`.

    `log_likelihood_B` holds one number a datum, each computed with weights drawn from q for that datum alone.
    """
    _check_count(num_data)
    penalty = sum(l2_form(mean_R_D, keep=keep, std=std, length_scale=length_scale) for mean_R_D, keep in layers)
    return penalty - num_data * log_likelihood_B.mean()


def dropout_loss(outputs_B_O: Tensor, targets_B_O: Tensor, means: Sequence[Tensor], decays: Sequence[float]) -> Tensor:
    """What a programmer of 2014 minimises: 1/B Σ ½|y - f|² + Σ λ|M|²                          (arXiv:1506.02142, eq. 1)"""
    squares = sum(decay * mean.square().sum() for mean, decay in zip(means, decays, strict=True))
    return (targets_B_O - outputs_B_O).square().sum(dim=1).mean() / 2 + squares


def paper_decay(*, keep: float, length_scale: float, num_data: int, noise_precision: float = 1.0) -> float:
    """λ = keep l² / (2 N τ), the factor of |M|² beside the mean of ½|y - f|² (arXiv:1506.02142, section 4, solved for λ).

    For classes, beside the mean cross-entropy, leave τ at 1. Raises ValueError where an argument is out of range.
    """
    _check(keep, length_scale=length_scale, noise_precision=noise_precision)
    _check_count(num_data)
    return keep * length_scale**2 / (2 * num_data * noise_precision)


def weight_decay(
    *, length_scale: float, num_data: int, drop: float, noise_precision: float = 1.0, loss: Loss = "nll"
) -> float:
    """The `weight_decay` of a PyTorch optimiser under which training with `nn.Dropout(drop)` climbs the ELBO.

    l² / (N (1 - drop)), times 1 for a mean negative log-likelihood in nats (cross-entropy), 1/τ for a mean of ½(y - f)²,
    2/τ for `F.mse_loss` of a single output. It is for the matrix that the dropout layer feeds; other weights take drop = 0.
    PyTorch divides kept units by 1 - drop, so M = w / (1 - drop), and adds weight_decay · w to the gradient: ½ wd |w|².
    Raises ValueError where `drop` is not in [0, 1), `loss` is unknown, or another argument is not positive.
    """
    check_number("length_scale", length_scale, above=0)
    return length_scale**2 * _decay_per_square(num_data, drop, noise_precision, loss)


def implied_length_scale(
    *, weight_decay: float, num_data: int, drop: float, noise_precision: float = 1.0, loss: Loss = "nll"
) -> float:
    """The prior length-scale l that a `weight_decay` stands for: `weight_decay` solved for l, with the same arguments."""
    check_number("weight_decay", weight_decay, above=0)
    return math.sqrt(weight_decay / _decay_per_square(num_data, drop, noise_precision, loss))


def _decay_per_square(num_data: int, drop: float, noise_precision: float, loss: Loss) -> float:
    """Weight decay divided by l²."""
    check_number("drop", drop, at_least=0, below=1)
    check_number("noise_precision", noise_precision, above=0)
    _check_count(num_data)
    scales = {"nll": 1.0, "half squared error": 1 / noise_precision, "squared error": 2 / noise_precision}
    if loss not in scales:
        raise ValueError(f"loss: expected one of {', '.join(map(repr, scales))}, got {loss!r}")
    return scales[loss] / (num_data * (1 - drop))


def _check(keep: float, **positive: float) -> None:
    check_number("keep", keep, above=0, at_most=1)
    for name, value in positive.items():
        check_number(name, value, above=0)


def _check_count(num_data: int) -> None:
    check_whole("num_data", num_data, at_least=1)
