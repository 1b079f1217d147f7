"""What a label is expected to change: the weights (expected gradient length) or the error (expected error reduction).

Dimensions: N inputs, K posterior samples, C classes, F features, T target inputs; n inputs of a chunk.
"""

import torch
from torch import Tensor

from bal_utils.checks import check_finite
from bal_utils.theory.information import check_log_probs, in_parts, log_mean_exp

ERROR_CHUNK = 2**21  # numbers of the largest table held at once, for each label


def expected_gradient_length_scores(log_probs_N_K_C: Tensor, features_N_F: Tensor) -> Tensor:
    """How long a step the label would make the last layer take: Σ_y p(y|x) ‖∇ -log p(y|x)‖ (Settles & Craven 2008).

    For the matrix and the biases of a last linear layer the length is ‖p - e_y‖ √(‖φ‖² + 1), with φ the features and e_y
    the label as a vector of zeros and a one. p is the mean prediction. Returns scores_N, at least 0, in the finer precision
    of the two; memory beside the arguments: as many numbers as there are features, and about 25 MB.
    Raises ValueError where rows are not normalised log-probabilities, or the features are not finite, one row an input.
    """
    check_log_probs(log_probs_N_K_C)
    check_finite("features_N_F", features_N_F)
    if features_N_F.dim() != 2 or len(features_N_F) != len(log_probs_N_K_C):
        raise ValueError(f"features_N_F: expected ({len(log_probs_N_K_C)}, F), got shape {tuple(features_N_F.shape)}")
    lengths_N = in_parts(_expected_error_length, log_probs_N_K_C) * (features_N_F.square().sum(dim=-1) + 1).sqrt()
    if not lengths_N.isfinite().all():
        raise ValueError(f"features_N_F: expected lengths that {features_N_F.dtype} can hold, got one beyond")
    return lengths_N


def _expected_error_length(log_probs_n_K_C: Tensor) -> Tensor:
    """Σ_y p_y ‖p - e_y‖ of the mean prediction p.

    |p - e_y|² is the square of what the other classes have, (1 - p_y)², and their squares: as |p|² - 2 p_y + 1 it would
    cancel where a prediction is nearly certain.
    """
    probs_n_C = log_mean_exp(log_probs_n_K_C, dim=1).exp()
    others_C_C = 1 - torch.eye(probs_n_C.shape[1], dtype=probs_n_C.dtype, device=probs_n_C.device)
    lengths_n_C = ((probs_n_C @ others_C_C).square() + probs_n_C.square() @ others_C_C).sqrt()
    return (probs_n_C * lengths_n_C).sum(dim=-1)


def expected_error_reduction_scores(log_probs_N_K_C: Tensor, target_log_probs_T_K_C: Tensor) -> Tensor:
    """How much the label would lower the expected error on T other inputs (Roy & McCallum 2001), without retraining.

    mean_t err(t) - Σ_y p(y|x) mean_t err(t | x, y),   err = 1 - max_c p(c)

    Instead of training once for each possible label, the same K samples are weighed anew by Bayes' rule: sample k counts in
    proportion to p(y|x, w_k). Exact where the samples are all there is; otherwise only as good as K. Inputs and targets
    must share their samples. Returns scores_N in [0, 1 - 1/C] up to rounding, in the finer precision of the two; a label
    cannot raise the expected error. Memory beside the arguments: the targets' probabilities twice, and C tables of 2^21
    numbers (C times 8 MB in float32), or of CT where that is more.
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
    dtype = torch.promote_types(log_probs_N_K_C.dtype, target_log_probs_T_K_C.dtype)
    target_K_T_C = target_log_probs_T_K_C.to(dtype).exp().transpose(0, 1)
    now = (1 - target_K_T_C.mean(dim=0).amax(dim=-1)).mean()

    def reduction(log_probs_n_K_C: Tensor) -> Tensor:
        probs_n_K_C = log_probs_n_K_C.to(dtype).exp()
        joint_n_C_T_C = torch.einsum("nky,ktc->nytc", probs_n_K_C, target_K_T_C).div_(num_samples)
        # max_c p(y) p(c | y) summed over y is the chance to be right about the target once y is known
        right_n_T = joint_n_C_T_C.amax(dim=-1).sum(dim=1)
        return now - (1 - right_n_T).mean(dim=-1)

    return in_parts(reduction, log_probs_N_K_C, max(1, ERROR_CHUNK // max(num_samples, target_K_T_C[0].numel())), dtype)
