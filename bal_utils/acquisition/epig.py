"""Expected predictive information gain: what a label says about the predictions that are needed (arXiv:2304.08151).

Dimensions: N inputs, K posterior samples, C classes, T target inputs; n inputs of a chunk.
"""

import torch
from torch import Tensor

from bal_utils.theory.information import check_log_probs, in_parts, predictive_entropy

EPIG_CHUNK = 2**21  # numbers of the largest table held at once


def epig_scores(log_probs_N_K_C: Tensor, target_log_probs_T_K_C: Tensor | None = None) -> Tensor:
    """Information, in nats, that each label would give about the label of a target, averaged over T targets.

    mean_t I[y; y_t | x, x_t] = H[y | x] + mean_t H[y_t | x_t] - mean_t H[y, y_t | x, x_t]
    p(y, y_t | x, x_t) = 1/K Σ_k p(y | x, w_k) p(y_t | x_t, w_k)                          (arXiv:2304.08151)

    A label says no more about a prediction than about the weights behind it, so the score is at most that of BALD. Inputs
    and targets must share their samples; without targets, the inputs themselves are what counts.
    Returns scores_N in [0, min(log C, log K)], in the finer precision of the two: rounding below zero is clamped. Memory
    beside the arguments: the targets' probabilities twice, and about 25 MB (three tables of 2^21 numbers, or of C²T where
    that is more). Raises ValueError where rows are not normalised log-probabilities, or K and C differ.
    """
    check_log_probs(log_probs_N_K_C)
    if target_log_probs_T_K_C is None:
        target_log_probs_T_K_C = log_probs_N_K_C
    else:
        check_log_probs(target_log_probs_T_K_C, name="target_log_probs_T_K_C")
    if log_probs_N_K_C.shape[1:] != target_log_probs_T_K_C.shape[1:]:
        raise ValueError(
            f"target_log_probs_T_K_C: expected K and C as in {tuple(log_probs_N_K_C.shape)}, "
            f"got shape {tuple(target_log_probs_T_K_C.shape)}"
        )
    num_targets, num_samples, num_classes = target_log_probs_T_K_C.shape
    dtype = torch.promote_types(log_probs_N_K_C.dtype, target_log_probs_T_K_C.dtype)
    targets_K_TC = target_log_probs_T_K_C.to(dtype).exp().transpose(0, 1).reshape(num_samples, -1)
    size = max(1, EPIG_CHUNK // (num_classes * max(num_samples, targets_K_TC.shape[1])))
    joint_N = in_parts(lambda part: _joint_entropy(part.to(dtype), targets_K_TC), log_probs_N_K_C, size, dtype)
    joint_N = joint_N / num_targets
    apart_N = predictive_entropy(log_probs_N_K_C) + predictive_entropy(target_log_probs_T_K_C).mean()
    return (apart_N - joint_N).clamp_min(0)


def _joint_entropy(log_probs_n_K_C: Tensor, targets_K_TC: Tensor) -> Tensor:
    """Σ_t H[y, y_t | x, x_t] of each input; a zero probability adds zero."""
    num_inputs, num_samples, _ = log_probs_n_K_C.shape
    inputs_nC_K = log_probs_n_K_C.exp().transpose(1, 2).reshape(-1, num_samples)
    joint_nC_TC = inputs_nC_K @ targets_K_TC / num_samples
    return torch.special.entr(joint_nC_TC).view(num_inputs, -1).sum(dim=1)
