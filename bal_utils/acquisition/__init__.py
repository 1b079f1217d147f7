"""What to ask for next: one score function a strategy, and the registry that names them.

Every score is "higher = acquire". Most are computed from log_probs_N_K_C: N inputs, K posterior samples, C classes. Two
need what the network makes of the inputs: features_N_F, the F numbers that enter its last layer.
A new strategy is one score function, one line in `ACQUISITIONS`, and one test against an independent oracle. The line also
serves the explorers' maps: the score of the pool, from which the batch is taken, is the score of any other place.

Predictions are float32 or float64, of at least two classes. What a score holds in memory beside its argument does not grow
with N, but for the N scores: about 25 MB where its docstring says nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from bal_utils.acquisition.core_set import k_center_greedy, nearest_distances
from bal_utils.acquisition.epig import epig_scores
from bal_utils.acquisition.expected_change import expected_error_reduction_scores, expected_gradient_length_scores
from bal_utils.acquisition.stochastic_batches import power_batch, softmax_batch
from bal_utils.batchbald import AcquiredBatch, batchbald_batch
from bal_utils.checks import check_floats, check_whole
from bal_utils.theory import information
from bal_utils.theory.information import check_log_probs, in_parts, log_mean_exp

NUM_TARGETS = 256  # inputs of the pool whose predictions expected error reduction and EPIG care about


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


class Features(NamedTuple):
    """What enters the network's last layer, for the pool and for the labelled inputs."""

    pool_N_F: Tensor
    labelled_L_F: Tensor


@dataclass(frozen=True)
class Candidates:
    """The unlabelled pool as a strategy sees it. Everything is computed when first asked for: random pays for nothing."""

    size: int
    predict: Callable[[], Tensor] = field(repr=False)
    describe: Callable[[], Features] | None = field(default=None, repr=False)

    @cached_property
    def features(self) -> Features:
        if self.describe is None:
            raise ValueError(
                "candidates: expected a `describe` that gives features, which this strategy needs, got none"
            )
        return self.describe()

    @cached_property
    def log_probs_N_K_C(self) -> Tensor:
        return self.predict()


Score = Callable[[Candidates, Candidates, Generator], Tensor]


@dataclass(frozen=True)
class Strategy:
    """A way to choose a batch: a title for figures, and `select(candidates, batch_size, generator) -> AcquiredBatch`.

    `score(inputs, pool, generator) -> scores_N` is what the first choice goes by, for any inputs, with the pool as that
    from which targets are drawn and labels were taken: the pool's own scores, or a map's. None where there is none.
    """

    title: str
    select: Callable[[Candidates, int, Generator], AcquiredBatch] = field(repr=False)
    score: Score | None = field(default=None, repr=False)


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


def by_rank(title: str, score: Score) -> Strategy:
    """The strategy that takes the inputs of highest score, each judged alone."""
    return Strategy(
        title, lambda pool, size, generator: highest_scores(score(pool, pool, generator), size, generator), score
    )


def by_score(title: str, score: Callable[[Tensor], Tensor]) -> Strategy:
    """`by_rank` of a score that needs an input's predictions only."""
    return by_rank(title, lambda inputs, pool, generator: score(inputs.log_probs_N_K_C))


def bald_of(inputs: Candidates, pool: Candidates, generator: Generator) -> Tensor:
    return bald_scores(inputs.log_probs_N_K_C)


def by_draw(title: str, draw: Callable[[Tensor, int, Generator], AcquiredBatch]) -> Strategy:
    """The strategy that draws the batch at random, likelier where the BALD score is higher."""
    return Strategy(
        title, lambda pool, size, generator: draw(bald_scores(pool.log_probs_N_K_C), size, generator), bald_of
    )


def gradient_length_of(inputs: Candidates, pool: Candidates, generator: Generator) -> Tensor:
    return expected_gradient_length_scores(inputs.log_probs_N_K_C, inputs.features.pool_N_F)


def distance_of(inputs: Candidates, pool: Candidates, generator: Generator) -> Tensor:
    return nearest_distances(inputs.features.pool_N_F, pool.features.labelled_L_F)


def drawn_targets(pool: Candidates, generator: Generator) -> Tensor:
    """log_probs_T_K_C of at most `NUM_TARGETS` inputs of the pool, drawn anew each time: they stand for all of it."""
    drawn_T = torch.randperm(pool.size, generator=generator)[:NUM_TARGETS]
    return pool.log_probs_N_K_C[drawn_T.to(pool.log_probs_N_K_C.device)]


def by_targets(title: str, score: Callable[[Tensor, Tensor], Tensor]) -> Strategy:
    """`by_rank` of a score(log_probs_N_K_C, target_log_probs_T_K_C) whose targets are drawn from the pool."""
    return by_rank(title, lambda inputs, pool, generator: score(inputs.log_probs_N_K_C, drawn_targets(pool, generator)))


ACQUISITIONS: dict[str, Strategy] = {
    "random": Strategy("Random", lambda pool, size, g: highest_scores(random_scores(pool.size, g), size, g)),
    "least_confidence": by_score("Least confidence", least_confidence_scores),
    "margin": by_score("Margin", margin_scores),
    "entropy": by_score("Max entropy", entropy_scores),
    "variation_ratio": by_score("Variation ratio", variation_ratio_scores),
    "mean_std": by_score("Mean STD", mean_std_scores),
    "vote_entropy": by_score("Vote entropy", vote_entropy_scores),
    "mean_kl": by_score("Mean KL to the consensus", mean_kl_scores),
    "gradient_length": by_rank("Expected gradient length", gradient_length_of),
    "error_reduction": by_targets("Expected error reduction", expected_error_reduction_scores),
    "epig": by_targets("EPIG", epig_scores),
    "core_set": Strategy("Core-set", lambda pool, size, g: k_center_greedy(*pool.features, size), distance_of),
    "bald": by_rank("BALD", bald_of),
    "batchbald": Strategy(
        "BatchBALD", lambda pool, size, g: batchbald_batch(pool.log_probs_N_K_C, size, generator=g), bald_of
    ),
    "power_bald": by_draw("Power BALD", power_batch),
    "softmax_bald": by_draw("Softmax BALD", softmax_batch),
}


def find_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises ValueError, listing the known ones, where there is none."""
    if name not in ACQUISITIONS:
        raise ValueError(f"strategy: expected one of {', '.join(ACQUISITIONS)}, got {name!r}")
    return ACQUISITIONS[name]
