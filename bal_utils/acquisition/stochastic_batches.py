"""Cheap batches by chance: draw the batch instead of taking its top (Kirsch et al. 2023, arXiv:2106.12059, section 3).

The b highest scores are often b copies of one question. Draws without replacement, likelier where the score is higher,
cost no more than a sort and rarely take many copies. Gumbel noise makes the draws: log-weights plus independent Gumbel
noise, sorted, are such a sequence of draws (Gumbel top-k, arXiv:1903.06059, section 2).

Dimensions: N inputs, B batch.
"""

import math

import torch
from torch import Generator, Tensor

from bal_utils.batchbald import AcquiredBatch
from bal_utils.checks import check_finite, check_floats, check_number, check_whole


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
    check_scores(scores_N, coldness)
    if (scores_N < 0).any():
        raise ValueError(f"scores_N: expected numbers of at least 0, got {scores_N.min().item():.3g}")
    positive_N = scores_N > 0
    log_weights_N = torch.where(positive_N, coldness * scores_N.double().log(), -math.inf)
    return drawn(scores_N, gumbel_top_k(log_weights_N, batch_size, generator))


def softmax_batch(scores_N: Tensor, batch_size: int, generator: Generator, *, coldness: float = 1.0) -> AcquiredBatch:
    """A batch drawn without replacement in proportion to exp(coldness · score): "SoftmaxBALD" where the scores are BALD's.

    Scores are information in nats, at most log C, so that at coldness 1 no input is more than C times as likely as another.
    Coldness 0 is uniform, infinity would be the top of the scores. The batch's scores are those given.
    Raises ValueError where a score or the coldness is not finite, or the coldness is negative; and as `gumbel_top_k`.
    """
    check_scores(scores_N, coldness)
    return drawn(scores_N, gumbel_top_k(coldness * scores_N.double(), batch_size, generator))


def drawn(scores_N: Tensor, chosen_B: Tensor) -> AcquiredBatch:
    """The batch of these places, in the order in which they were drawn."""
    return AcquiredBatch(indices=chosen_B.tolist(), scores=scores_N[chosen_B].tolist())


def check_scores(scores_N: Tensor, coldness: float) -> None:
    """Raises ValueError unless all scores are finite and the coldness is a finite number of at least 0."""
    check_finite("scores_N", scores_N, dims=1)
    check_number("coldness", coldness, at_least=0)
