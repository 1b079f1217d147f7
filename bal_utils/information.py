"""Entropy and information of categorical predictions, in nats, computed from log-probabilities.

Dimensions: N inputs, K posterior samples, C classes.
"""

import math

import torch
from torch import Tensor

NORMALISATION_TOLERANCE = 1e-3  # a row of float32 log-probabilities over 10 classes is off by about 1e-6
CHECKED_AT_ONCE = 2**19  # numbers, so that the probabilities in between stay in the processor's cache


def check_log_probs(log_probs_N_K_C: Tensor, name: str = "log_probs_N_K_C") -> None:
    """Raises TypeError or ValueError unless the argument holds log-probabilities normalised over its last dimension.

    The message names the argument, what came and what was expected. Zero probabilities (minus infinity) are allowed.
    """
    if not isinstance(log_probs_N_K_C, Tensor) or not log_probs_N_K_C.is_floating_point():
        came = getattr(log_probs_N_K_C, "dtype", type(log_probs_N_K_C).__name__)
        raise TypeError(f"{name}: expected a floating-point tensor, got {came}")
    shape = tuple(log_probs_N_K_C.shape)
    if len(shape) != 3:
        raise ValueError(f"{name}: expected three dimensions (inputs, posterior samples, classes), got shape {shape}")
    if 0 in shape:
        raise ValueError(f"{name}: expected at least one input, one sample and one class, got shape {shape}")
    if _are_surely_normalised(log_probs_N_K_C):
        return
    log_totals_N_K = torch.logsumexp(log_probs_N_K_C, dim=-1)
    highest, lowest = log_totals_N_K.max().item(), log_totals_N_K.min().item()
    if not highest < math.inf:  # NaN and plus infinity in a row reach its total
        raise ValueError(f"{name}: expected log-probabilities, got NaN or plus infinity")
    worst = max(highest, lowest, key=abs)
    if abs(worst) > NORMALISATION_TOLERANCE:
        raise ValueError(
            f"{name}: expected rows whose probabilities sum to 1 (apply log_softmax to logits), "
            f"got a row that sums to exp({worst:.3g})"
        )


def _are_surely_normalised(log_probs_N_K_C: Tensor) -> bool:
    """Whether all rows sum to 1 with room to spare. One cheap pass; what it doubts, as NaN, is for a closer look."""
    _, num_samples, num_classes = log_probs_N_K_C.shape
    ones_C = log_probs_N_K_C.new_ones(num_classes)
    parts = log_probs_N_K_C.detach().split(max(1, CHECKED_AT_ONCE // (num_samples * num_classes)))
    return all(((part.exp() @ ones_C) - 1).abs().max() < NORMALISATION_TOLERANCE / 2 for part in parts)


def log_mean_exp(log_values: Tensor, dim: int) -> Tensor:
    """log of the mean of exp(log_values) along `dim`, without overflow or underflow."""
    return torch.logsumexp(log_values, dim=dim) - math.log(log_values.shape[dim])


def entropy(log_probs: Tensor) -> Tensor:
    """H[p] = -Σ_c p_c log p_c over the last dimension, in [0, log C] nats; a zero probability adds zero."""
    return torch.special.entr(log_probs.exp()).sum(dim=-1)


def predictive_entropy(log_probs_N_K_C: Tensor) -> Tensor:
    """H[E_w p(y|x,w)], all the doubt about each label: entropy after averaging. Returns [N] in [0, log C] nats."""
    return entropy(log_mean_exp(log_probs_N_K_C, dim=1))


def expected_entropy(log_probs_N_K_C: Tensor) -> Tensor:
    """E_w H[p(y|x,w)], the doubt each sample would keep: entropy before averaging. Returns [N] in [0, log C] nats."""
    return entropy(log_probs_N_K_C).mean(dim=1)


def mutual_information(log_probs_N_K_C: Tensor) -> Tensor:
    """I[y; w | x] = H[E_w p(y|x,w)] - E_w H[p(y|x,w)] (arXiv:1112.5745, eq. 2), in nats.

    Returns [N] in [0, min(log C, log K)]: rounding below zero is clamped.
    """
    return (predictive_entropy(log_probs_N_K_C) - expected_entropy(log_probs_N_K_C)).clamp_min(0)
