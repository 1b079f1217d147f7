"""Entropy and information of categorical predictions, in nats, computed from log-probabilities.

Dimensions: N inputs, K posterior samples, C classes.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bal_utils.checks import check_floats

NORMALISATION_TOLERANCE = 1e-3  # a row of float32 log-probabilities over 10 classes is off by about 1e-6
CHECKED_AT_ONCE = 2**19  # numbers, so that the probabilities in between stay in the processor's cache
SCORED_AT_ONCE = 2**21  # numbers, 8 MiB in float32: what a score may make of them in between is a few times as much


def check_log_probs(log_probs_N_K_C: Tensor, name: str = "log_probs_N_K_C") -> None:
    """Raises TypeError or ValueError unless the argument holds log-probabilities normalised over its last dimension.

    The message names the argument, what came and what was expected. Zero probabilities (minus infinity) are allowed. One
    class is refused: its probability is 1 whatever the network says, so that nothing would ever seem in doubt.
    """
    check_floats(name, log_probs_N_K_C)
    shape = tuple(log_probs_N_K_C.shape)
    if len(shape) != 3:
        raise ValueError(f"{name}: expected three dimensions (inputs, posterior samples, classes), got shape {shape}")
    if 0 in shape:
        raise ValueError(f"{name}: expected at least one input, one sample and one class, got shape {shape}")
    if shape[-1] == 1:
        raise ValueError(
            f"{name}: expected at least two classes, got one, whose probability is always 1: give the network two outputs, "
            "or make two classes of its one probability p, as log [1 - p, p]"
        )
    if _are_surely_normalised(log_probs_N_K_C):
        return
    highest = in_parts(lambda part: torch.logsumexp(part, dim=-1).amax(dim=1), log_probs_N_K_C).max().item()
    lowest = in_parts(lambda part: torch.logsumexp(part, dim=-1).amin(dim=1), log_probs_N_K_C).min().item()
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


def in_parts(
    score: Callable[[Tensor], Tensor],
    log_probs_N_K_C: Tensor,
    size: int | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """score(log_probs_n_K_C) of all inputs, `size` at a time, so that the memory in between does not grow with N.

    The results go into one tensor that was made before: kept one by one, they would lie between the tables that are freed
    around them, and the memory in use would grow to many times the input. `dtype` is theirs where it is not the input's.
    """
    num_inputs, num_samples, num_classes = log_probs_N_K_C.shape
    size = max(1, SCORED_AT_ONCE // (num_samples * num_classes)) if size is None else size
    if size >= num_inputs:
        return score(log_probs_N_K_C)
    scores_N = log_probs_N_K_C.new_empty(num_inputs, dtype=dtype)
    for start in range(0, num_inputs, size):
        scores_N[start : start + size] = score(log_probs_N_K_C[start : start + size])
    return scores_N


def log_mean_exp(log_values: Tensor, dim: int) -> Tensor:
    """log of the mean of exp(log_values) along `dim`, without overflow or underflow."""
    return torch.logsumexp(log_values, dim=dim) - math.log(log_values.shape[dim])


def entropy(log_probs: Tensor) -> Tensor:
    """H[p] = -Σ_c p_c log p_c over the last dimension, in [0, log C] nats; a zero probability adds zero."""
    return torch.special.entr(log_probs.exp()).sum(dim=-1)


def predictive_entropy(log_probs_N_K_C: Tensor) -> Tensor:
    """H[E_w p(y|x,w)], all the doubt about each label: entropy after averaging. Returns [N] in [0, log C] nats."""
    return in_parts(lambda part: entropy(log_mean_exp(part, dim=1)), log_probs_N_K_C)


def expected_entropy(log_probs_N_K_C: Tensor) -> Tensor:
    """E_w H[p(y|x,w)], the doubt each sample would keep: entropy before averaging. Returns [N] in [0, log C] nats."""
    return in_parts(lambda part: entropy(part).mean(dim=1), log_probs_N_K_C)


def mutual_information(log_probs_N_K_C: Tensor) -> Tensor:
    """I[y; w | x] = H[E_w p(y|x,w)] - E_w H[p(y|x,w)] (arXiv:1112.5745, eq. 2), in nats.

    Returns [N] in [0, min(log C, log K)]: rounding below zero is clamped.
    """
    return (predictive_entropy(log_probs_N_K_C) - expected_entropy(log_probs_N_K_C)).clamp_min(0)
