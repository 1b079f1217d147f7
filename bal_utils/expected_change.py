"""What a label is expected to change: the weights (expected gradient length) or the error (expected error reduction).

Dimensions: N inputs, K posterior samples, C classes, F features, T target inputs; n inputs of a chunk.
"""

import torch
from torch import Tensor

from bal_utils.information import check_log_probs, log_mean_exp

ERROR_CHUNK = 2**21  # numbers of the largest table held at once, for each label


def expected_gradient_length_scores(log_probs_N_K_C: Tensor, features_N_F: Tensor) -> Tensor:
    """How long a step the label would make the last layer take: Σ_y p(y|x) ‖∇ -log p(y|x)‖ (Settles & Craven 2008).

    For the matrix and the biases of a last linear layer the length is ‖p - e_y‖ √(‖φ‖² + 1), with φ the features and e_y
    the label as a vector of zeros and a one. p is the mean prediction. Returns scores_N, at least 0.
    Raises ValueError where rows are not normalised log-probabilities, or there are not as many features as inputs.
    """
    check_log_probs(log_probs_N_K_C)
    if features_N_F.dim() != 2 or len(features_N_F) != len(log_probs_N_K_C):
        raise ValueError(f"features_N_F: expected ({len(log_probs_N_K_C)}, F), got shape {tuple(features_N_F.shape)}")
    probs_N_C = log_mean_exp(log_probs_N_K_C, dim=1).exp()
    # |p - e_y|² = |p|² - 2 p_y + 1
    lengths_N_C = (probs_N_C.square().sum(dim=-1, keepdim=True) - 2 * probs_N_C + 1).clamp_min(0).sqrt()
    return (probs_N_C * lengths_N_C).sum(dim=-1) * (features_N_F.square().sum(dim=-1) + 1).sqrt()


def expected_error_reduction_scores(log_probs_N_K_C: Tensor, target_log_probs_T_K_C: Tensor) -> Tensor:
    """How much the label would lower the expected error on T other inputs (Roy & McCallum 2001), without retraining.

    mean_t err(t) - Σ_y p(y|x) mean_t err(t | x, y),   err = 1 - max_c p(c)

    Instead of training once for each possible label, the same K samples are weighed anew by Bayes' rule: sample k counts in
    proportion to p(y|x, w_k). Exact where the samples are all there is; otherwise only as good as K. Inputs and targets
    must share their samples. Returns scores_N in [0, 1 - 1/C] up to rounding; a label cannot raise the expected error.
    Raises ValueError where rows are not normalised log-probabilities, or K and C differ.
    """
    check_log_probs(log_probs_N_K_C)
    check_log_probs(target_log_probs_T_K_C, name="target_log_probs_T_K_C")
    if log_probs_N_K_C.shape[1:] != target_log_probs_T_K_C.shape[1:]:
        raise ValueError(
            f"target_log_probs_T_K_C: expected K and C as in {tuple(log_probs_N_K_C.shape)}, "
            f"got shape {tuple(target_log_probs_T_K_C.shape)}"
        )
    num_samples = log_probs_N_K_C.shape[1]
    target_K_T_C = target_log_probs_T_K_C.exp().transpose(0, 1)
    now = (1 - target_K_T_C.mean(dim=0).amax(dim=-1)).mean()
    scores = []
    for chunk_n_K_C in log_probs_N_K_C.exp().split(max(1, ERROR_CHUNK // target_K_T_C[0].numel())):
        joint_n_C_T_C = torch.einsum("nky,ktc->nytc", chunk_n_K_C, target_K_T_C) / num_samples
        # max_c p(y) p(c | y) summed over y is the chance to be right about the target once y is known
        right_n_T = joint_n_C_T_C.amax(dim=-1).sum(dim=1)
        scores.append(now - (1 - right_n_T).mean(dim=-1))
    return torch.cat(scores)
