"""How much is to be learned from the label of an input: one function a strategy. Every score is "higher = acquire".

Most are computed from log_probs_N_K_C: N inputs, K posterior samples, C classes; n are the inputs of a part. Some look at
the predictions of T target inputs too, or at features_N_F, the F numbers that enter the network's last layer.

Predictions are float32 or float64, of at least two classes. What a score holds in memory beside its argument does not grow
with N, but for the N scores: about 25 MB where its docstring says nothing else.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from bal_utils.checks import check_finite, check_whole
from bal_utils.theory import information
from bal_utils.theory.information import check_log_probs, in_parts, log_mean_exp

PAIRS_AT_ONCE = 2**21  # numbers of the largest table of inputs and targets (expected error reduction: for each label)


def random_scores(n: int, generator: Generator) -> Tensor:
    """n uniform numbers in [0, 1): every input is as good as any other. Raises ValueError where n is negative."""
    return torch.rand(check_whole("n", n, at_least=0), generator=generator)


def entropy_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """All the doubt about the label: H[E_w p(y|x,w)] (Shannon 1948).

    Returns scores_N in [0, log C] nats. Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    return information.predictive_entropy(log_probs_N_K_C)


def margin_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How close the two likeliest classes are: p(second|x) - p(first|x), of the mean prediction (Scheffer et al. 2001).

    Returns scores_N in [-1, 0]. Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)

    def margin(log_probs_n_K_C: Tensor) -> Tensor:
        first_n, second_n = log_mean_exp(log_probs_n_K_C, dim=1).exp().topk(2, dim=-1).values.unbind(dim=-1)
        return second_n - first_n

    return in_parts(margin, log_probs_N_K_C)


def least_confidence_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How much probability the likeliest class leaves: 1 - max_c E_w p(c|x,w) (Lewis & Gale 1994).

    Returns scores_N in [0, 1 - 1/C]. Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    return in_parts(lambda part: 1 - log_mean_exp(part, dim=1).exp().amax(dim=-1), log_probs_N_K_C)


def variation_ratio_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """The share of posterior samples that vote against the most voted class: 1 - (votes for the mode) / K.

    Each sample votes for its likeliest class (Freeman 1965; arXiv:1703.02910 section 4). With K = 1 it is always zero.
    Returns scores_N in [0, 1 - 1/min(K, C)], in steps of 1/K. Raises ValueError where rows are not normalised.
    """
    check_log_probs(log_probs_N_K_C)
    return in_parts(
        lambda part: 1 - _vote_shares(part, torch.float64).amax(dim=-1), log_probs_N_K_C, dtype=torch.float64
    )


def _vote_shares(log_probs_n_K_C: Tensor, dtype: torch.dtype) -> Tensor:
    """The share of samples whose likeliest class is c: shares_n_C."""
    return F.one_hot(log_probs_n_K_C.argmax(dim=-1), log_probs_n_K_C.shape[-1]).to(dtype).mean(dim=1)


def vote_entropy_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How divided the committee's votes are: the entropy of the vote shares (Dagan & Engelson 1995; query by committee).

    Each sample votes for its likeliest class, however sure it is. Returns scores_N in [0, log min(K, C)] nats.
    Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    return in_parts(lambda part: torch.special.entr(_vote_shares(part, part.dtype)).sum(dim=-1), log_probs_N_K_C)


def mean_kl_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How far the committee's members are from its mean: 1/K Σ_k KL(p_k || p̄) (McCallum & Nigam 1998; query by committee).

    It equals `bald_scores` on every input: two fields found one formula. Returns scores_N in [0, min(log C, log K)] nats.
    Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)

    def divergence(log_probs_n_K_C: Tensor) -> Tensor:
        log_ratio_n_K_C = log_probs_n_K_C - log_mean_exp(log_probs_n_K_C, dim=1)[:, None]
        return torch.where(log_probs_n_K_C > -torch.inf, log_probs_n_K_C.exp() * log_ratio_n_K_C, 0).sum(-1).mean(-1)

    return in_parts(divergence, log_probs_N_K_C)


def mean_std_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How far the samples' probabilities spread: (1/C) Σ_c sqrt(Var_w p(c|x,w)) (arXiv:1703.02910, section 4).

    Returns scores_N in [0, 1/2]. Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    return in_parts(lambda part: part.exp().std(dim=1, correction=0).mean(dim=-1), log_probs_N_K_C)


def bald_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """Information, in nats, that each label would give about the weights (Bayesian active learning by disagreement).

    I[y; w | x] = H[E_w p(y|x,w)] - E_w H[p(y|x,w)]            (arXiv:1112.5745, eq. 2)

    Returns scores_N in [0, min(log C, log K)]. Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    return information.mutual_information(log_probs_N_K_C)


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
    _check_targets(log_probs_N_K_C, target_log_probs_T_K_C)
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

    size = max(1, PAIRS_AT_ONCE // max(num_samples, target_K_T_C[0].numel()))
    return in_parts(reduction, log_probs_N_K_C, size, dtype)


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
        _check_targets(log_probs_N_K_C, target_log_probs_T_K_C)
    num_targets, num_samples, num_classes = target_log_probs_T_K_C.shape
    dtype = torch.promote_types(log_probs_N_K_C.dtype, target_log_probs_T_K_C.dtype)
    targets_K_TC = target_log_probs_T_K_C.to(dtype).exp().transpose(0, 1).reshape(num_samples, -1)
    size = max(1, PAIRS_AT_ONCE // (num_classes * max(num_samples, targets_K_TC.shape[1])))
    joint_N = in_parts(lambda part: _joint_entropy(part.to(dtype), targets_K_TC), log_probs_N_K_C, size, dtype)
    joint_N = joint_N / num_targets
    apart_N = information.predictive_entropy(log_probs_N_K_C)
    apart_N = apart_N + information.predictive_entropy(target_log_probs_T_K_C).mean()
    return (apart_N - joint_N).clamp_min(0)


def _joint_entropy(log_probs_n_K_C: Tensor, targets_K_TC: Tensor) -> Tensor:
    """Σ_t H[y, y_t | x, x_t] of each input; a zero probability adds zero."""
    num_inputs, num_samples, _ = log_probs_n_K_C.shape
    inputs_nC_K = log_probs_n_K_C.exp().transpose(1, 2).reshape(-1, num_samples)
    joint_nC_TC = inputs_nC_K @ targets_K_TC / num_samples
    return torch.special.entr(joint_nC_TC).view(num_inputs, -1).sum(dim=1)


def _check_targets(log_probs_N_K_C: Tensor, target_log_probs_T_K_C: Tensor) -> None:
    check_log_probs(target_log_probs_T_K_C, name="target_log_probs_T_K_C")
    if log_probs_N_K_C.shape[1:] != target_log_probs_T_K_C.shape[1:]:
        raise ValueError(
            f"target_log_probs_T_K_C: expected K and C as in {tuple(log_probs_N_K_C.shape)}, "
            f"got shape {tuple(target_log_probs_T_K_C.shape)}"
        )
