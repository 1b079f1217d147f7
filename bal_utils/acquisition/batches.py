"""From scores to a batch: its top, a draw that is likelier where scores are high, or a cover of the pool.

The highest scores are often copies of one question. Draws without replacement (Kirsch et al. 2023, arXiv:2106.12059,
section 3) cost no more than a sort and rarely take many copies; core-set selection (arXiv:1708.00489) keeps its choices
apart. BatchBALD, which counts what labels tell together, has a module of its own.

Dimensions: N inputs, B batch, F features, L labelled inputs.
"""

import math

import torch
from torch import Generator, Tensor

from bal_utils.batchbald import AcquiredBatch
from bal_utils.checks import check_finite, check_floats, check_number, check_whole

_CHUNK = 4096
_EXACT = (
    "donot_use_mm_for_euclid_dist"  # |a - b|² as |a|² + |b|² - 2 a·b loses all digits where a and b share an offset
)


def highest_scores(scores_N: Tensor, batch_size: int, generator: Generator) -> AcquiredBatch:
    """The `batch_size` inputs of highest score, best first; ties are broken at random, not by place in the data set.

    Raises ValueError where the batch is not between 1 and the size of the pool, or a score is NaN.
    """
    check_floats("scores_N", scores_N, dims=1)
    batch_size = check_whole("batch_size", batch_size, at_least=1, at_most=len(scores_N))
    if scores_N.isnan().any():
        raise ValueError("scores_N: expected numbers, got NaN")
    shuffled_N = torch.randperm(len(scores_N), generator=generator).to(scores_N.device)
    best_B = shuffled_N[scores_N[shuffled_N].argsort(descending=True, stable=True)[:batch_size]]
    return AcquiredBatch(indices=best_B.tolist(), scores=scores_N[best_B].tolist())


def gumbel_top_k(log_weights_N: Tensor, batch_size: int, generator: Generator) -> Tensor:
    """Places of `batch_size` inputs drawn one after the other without replacement, each in proportion to its weight.

    argmax_i (log w_i + g_i) with g_i = -log E_i, E_i ~ Exponential(1), has probability w_i / Σ_j w_j; the second highest is
    a draw from what is left, and so on. Inputs of weight zero (minus infinity) come last, in random order.
    Raises ValueError where the batch is not between 1 and N or a log-weight is NaN or plus infinity.
    """
    check_floats("log_weights_N", log_weights_N, dims=1)
    batch_size = check_whole("batch_size", batch_size, at_least=1, at_most=len(log_weights_N))
    if log_weights_N.isnan().any() or (log_weights_N == math.inf).any():
        raise ValueError("log_weights_N: expected numbers or minus infinity, got NaN or plus infinity")
    exponential_N = torch.empty(len(log_weights_N), dtype=torch.float64).exponential_(generator=generator)
    shuffled_N = torch.randperm(len(log_weights_N), generator=generator).to(log_weights_N.device)
    keys_N = log_weights_N.double() - exponential_N.log().to(log_weights_N.device)
    return shuffled_N[keys_N[shuffled_N].argsort(descending=True, stable=True)[:batch_size]]


def power_batch(scores_N: Tensor, batch_size: int, generator: Generator, *, coldness: float = 1.0) -> AcquiredBatch:
    """A batch drawn without replacement in proportion to score^coldness: "PowerBALD" where the scores are BALD's.

    Coldness 0 is uniform, infinity would be the top of the scores. An input that can teach nothing, of score zero, is drawn
    only when no other is left. The batch's scores are those given.
    Raises ValueError where a score is negative or not finite, or the coldness is not a finite number of at least 0; and as
    `gumbel_top_k`.
    """
    _check_scores(scores_N, coldness)
    if (scores_N < 0).any():
        raise ValueError(f"scores_N: expected numbers of at least 0, got {scores_N.min().item():.3g}")
    positive_N = scores_N > 0
    log_weights_N = torch.where(positive_N, coldness * scores_N.double().log(), -math.inf)
    return _drawn(scores_N, gumbel_top_k(log_weights_N, batch_size, generator))


def softmax_batch(scores_N: Tensor, batch_size: int, generator: Generator, *, coldness: float = 1.0) -> AcquiredBatch:
    """A batch drawn without replacement in proportion to exp(coldness · score): "SoftmaxBALD" where the scores are BALD's.

    Scores are information in nats, at most log C, so that at coldness 1 no input is more than C times as likely as another.
    Coldness 0 is uniform, infinity would be the top of the scores. The batch's scores are those given.
    Raises ValueError where a score or the coldness is not finite, or the coldness is negative; and as `gumbel_top_k`.
    """
    _check_scores(scores_N, coldness)
    return _drawn(scores_N, gumbel_top_k(coldness * scores_N.double(), batch_size, generator))


def _drawn(scores_N: Tensor, chosen_B: Tensor) -> AcquiredBatch:
    """The batch of these places, in the order in which they were drawn."""
    return AcquiredBatch(indices=chosen_B.tolist(), scores=scores_N[chosen_B].tolist())


def _check_scores(scores_N: Tensor, coldness: float) -> None:
    """Raises ValueError unless all scores are finite and the coldness is a finite number of at least 0."""
    check_finite("scores_N", scores_N, dims=1)
    check_number("coldness", coldness, at_least=0)


def k_center_greedy(features_N_F: Tensor, labelled_L_F: Tensor, batch_size: int) -> AcquiredBatch:
    """The core-set batch: again and again the input farthest from all that is labelled or chosen (arXiv:1708.00489).

    The largest distance left over is at most twice that of the best possible batch (Gonzalez 1985). Scores are the
    Euclidean distances at which the inputs were chosen; they never rise. Memory beside the arguments: both in float64, and
    4096 L distances.
    Raises ValueError where nothing is labelled, shapes differ, features are not finite, or the batch is not between 1 and N;
    TypeError where features are not tensors of float32 or float64.
    """
    distances_N = nearest_distances(features_N_F, labelled_L_F)
    batch_size = check_whole("batch_size", batch_size, at_least=1, at_most=len(features_N_F))
    features_N_F = features_N_F.double()
    batch = AcquiredBatch(indices=[], scores=[])
    for _ in range(batch_size):
        farthest = distances_N.argmax().item()
        batch.indices.append(farthest)
        batch.scores.append(distances_N[farthest].item())
        chosen_1_F = features_N_F[farthest][None]
        distances_N = torch.minimum(distances_N, torch.cdist(features_N_F, chosen_1_F, compute_mode=_EXACT)[:, 0])
        distances_N[batch.indices] = -torch.inf  # copies of a chosen input stay available, the input itself does not
    return batch


def nearest_distances(features_N_F: Tensor, labelled_L_F: Tensor) -> Tensor:
    """How far, in float64, each input is from the nearest labelled one, from differences feature by feature.

    Raises what `k_center_greedy` raises.
    """
    check_finite("features_N_F", features_N_F)
    check_finite("labelled_L_F", labelled_L_F)
    if features_N_F.dim() != 2 or len(labelled_L_F) == 0 or features_N_F.shape[1:] != labelled_L_F.shape[1:]:
        raise ValueError(
            "features_N_F, labelled_L_F: expected shapes (N, F) and (L, F) with L at least 1, "
            f"got {tuple(features_N_F.shape)} and {tuple(labelled_L_F.shape)}"
        )
    distances_N = features_N_F.new_empty(len(features_N_F), dtype=torch.float64)
    labelled_L_F = labelled_L_F.double()
    for part_n_F, distances_n in zip(features_N_F.split(_CHUNK), distances_N.split(_CHUNK), strict=True):
        distances_n.copy_(torch.cdist(part_n_F.double(), labelled_L_F, compute_mode=_EXACT).amin(dim=1))
    if not distances_N.isfinite().all():
        raise ValueError("features_N_F, labelled_L_F: expected distances that float64 can hold, got one beyond")
    return distances_N
