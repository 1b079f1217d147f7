"""What to ask for next: one score function a strategy, and the registry that names them.

Every score is "higher = acquire". Most are computed from log_probs_N_K_C: N inputs, K posterior samples, C classes. Two
need what the network makes of the inputs: features_N_F, the F numbers that enter its last layer.
A new strategy is one score function, one line in `ACQUISITIONS`, and one test against an independent oracle.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from bal_utils import information
from bal_utils.batchbald import AcquiredBatch, batchbald_batch
from bal_utils.core_set import check_batch_size, k_center_greedy
from bal_utils.epig import epig_scores
from bal_utils.expected_change import expected_error_reduction_scores, expected_gradient_length_scores
from bal_utils.information import check_log_probs, log_mean_exp
from bal_utils.stochastic_batches import power_batch, softmax_batch

NUM_TARGETS = 256  # inputs of the pool whose predictions expected error reduction and EPIG care about


def random_scores(n: int, generator: Generator) -> Tensor:
    """n uniform numbers in [0, 1): every input is as good as any other. Raises ValueError where n is negative."""
    if n < 0:
        raise ValueError(f"n: expected a number of inputs, at least 0, got {n}")
    return torch.rand(n, generator=generator)


def entropy_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """All the doubt about the label: H[E_w p(y|x,w)] (Shannon 1948).

    Returns scores_N in [0, log C] nats. Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    return information.predictive_entropy(log_probs_N_K_C)


def margin_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How close the two likeliest classes are: p(second|x) - p(first|x), of the mean prediction (Scheffer et al. 2001).

    Returns scores_N in [-1, 0]. Raises ValueError where rows are not normalised log-probabilities or C < 2.
    """
    check_log_probs(log_probs_N_K_C)
    if log_probs_N_K_C.shape[-1] < 2:
        raise ValueError("log_probs_N_K_C: expected at least two classes to take a margin between, got one")
    first_N, second_N = log_mean_exp(log_probs_N_K_C, dim=1).exp().topk(2, dim=-1).values.unbind(dim=-1)
    return second_N - first_N


def least_confidence_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How much probability the likeliest class leaves: 1 - max_c E_w p(c|x,w) (Lewis & Gale 1994).

    Returns scores_N in [0, 1 - 1/C]. Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    return 1 - log_mean_exp(log_probs_N_K_C, dim=1).exp().amax(dim=-1)


def variation_ratio_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """The share of posterior samples that vote against the most voted class: 1 - (votes for the mode) / K.

    Each sample votes for its likeliest class (Freeman 1965; arXiv:1703.02910 section 4). With K = 1 it is always zero.
    Returns scores_N in [0, 1 - 1/min(K, C)], in steps of 1/K. Raises ValueError where rows are not normalised.
    """
    check_log_probs(log_probs_N_K_C)
    num_classes = log_probs_N_K_C.shape[-1]
    votes_N_K = log_probs_N_K_C.argmax(dim=-1)
    shares_C_N = torch.stack([(votes_N_K == label).double().mean(dim=1) for label in range(num_classes)])
    return 1 - shares_C_N.amax(dim=0)


def vote_entropy_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How divided the committee's votes are: the entropy of the vote shares (Dagan & Engelson 1995; query by committee).

    Each sample votes for its likeliest class, however sure it is. Returns scores_N in [0, log min(K, C)] nats.
    Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    votes_N_K = log_probs_N_K_C.argmax(dim=-1)
    shares_N_C = F.one_hot(votes_N_K, log_probs_N_K_C.shape[-1]).to(log_probs_N_K_C.dtype).mean(dim=1)
    return torch.special.entr(shares_N_C).sum(dim=-1)


def mean_kl_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How far the committee's members are from its mean: 1/K Σ_k KL(p_k || p̄) (McCallum & Nigam 1998; query by committee).

    It equals `bald_scores` on every input: two fields found one formula. Returns scores_N in [0, min(log C, log K)] nats.
    Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    log_ratio_N_K_C = log_probs_N_K_C - log_mean_exp(log_probs_N_K_C, dim=1)[:, None]
    return torch.where(log_probs_N_K_C > -torch.inf, log_probs_N_K_C.exp() * log_ratio_N_K_C, 0).sum(-1).mean(-1)


def mean_std_scores(log_probs_N_K_C: Tensor) -> Tensor:
    """How far the samples' probabilities spread: (1/C) Σ_c sqrt(Var_w p(c|x,w)) (arXiv:1703.02910, section 4).

    Returns scores_N in [0, 1/2]. Raises ValueError where rows are not normalised log-probabilities.
    """
    check_log_probs(log_probs_N_K_C)
    return log_probs_N_K_C.exp().std(dim=1, correction=0).mean(dim=-1)


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


@dataclass(frozen=True)
class Strategy:
    """A way to choose a batch: a title for figures, and `select(candidates, batch_size, generator) -> AcquiredBatch`."""

    title: str
    select: Callable[[Candidates, int, Generator], AcquiredBatch] = field(repr=False)


def highest_scores(scores_N: Tensor, batch_size: int, generator: Generator) -> AcquiredBatch:
    """The `batch_size` inputs of highest score, best first; ties are broken at random, not by place in the data set.

    Raises ValueError where the batch is not between 1 and the size of the pool, or a score is NaN.
    """
    check_batch_size(batch_size, len(scores_N))
    if scores_N.isnan().any():
        raise ValueError("scores_N: expected numbers, got NaN")
    shuffled_N = torch.randperm(len(scores_N), generator=generator).to(scores_N.device)
    best_B = shuffled_N[scores_N[shuffled_N].argsort(descending=True, stable=True)[:batch_size]]
    return AcquiredBatch(indices=best_B.tolist(), scores=scores_N[best_B].tolist())


def by_score(title: str, score: Callable[[Tensor], Tensor]) -> Strategy:
    """The strategy that takes the inputs of highest score, each judged alone."""
    return Strategy(title, lambda pool, size, generator: highest_scores(score(pool.log_probs_N_K_C), size, generator))


def by_draw(title: str, draw: Callable[[Tensor, int, Generator], AcquiredBatch]) -> Strategy:
    """The strategy that draws the batch at random, likelier where the BALD score is higher."""
    return Strategy(title, lambda pool, size, generator: draw(bald_scores(pool.log_probs_N_K_C), size, generator))


def by_gradient_length(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
    scores_N = expected_gradient_length_scores(pool.log_probs_N_K_C, pool.features.pool_N_F)
    return highest_scores(scores_N, batch_size, generator)


def drawn_targets(pool: Candidates, generator: Generator) -> Tensor:
    """log_probs_T_K_C of at most `NUM_TARGETS` inputs of the pool, drawn anew each time: they stand for all of it."""
    drawn_T = torch.randperm(pool.size, generator=generator)[:NUM_TARGETS]
    return pool.log_probs_N_K_C[drawn_T.to(pool.log_probs_N_K_C.device)]


def by_error_reduction(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
    targets_T_K_C = drawn_targets(pool, generator)
    return highest_scores(expected_error_reduction_scores(pool.log_probs_N_K_C, targets_T_K_C), batch_size, generator)


def by_epig(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
    targets_T_K_C = drawn_targets(pool, generator)
    return highest_scores(epig_scores(pool.log_probs_N_K_C, targets_T_K_C), batch_size, generator)


ACQUISITIONS: dict[str, Strategy] = {
    "random": Strategy("Random", lambda pool, size, g: highest_scores(random_scores(pool.size, g), size, g)),
    "least_confidence": by_score("Least confidence", least_confidence_scores),
    "margin": by_score("Margin", margin_scores),
    "entropy": by_score("Max entropy", entropy_scores),
    "variation_ratio": by_score("Variation ratio", variation_ratio_scores),
    "mean_std": by_score("Mean STD", mean_std_scores),
    "vote_entropy": by_score("Vote entropy", vote_entropy_scores),
    "mean_kl": by_score("Mean KL to the consensus", mean_kl_scores),
    "gradient_length": Strategy("Expected gradient length", by_gradient_length),
    "error_reduction": Strategy("Expected error reduction", by_error_reduction),
    "epig": Strategy("EPIG", by_epig),
    "core_set": Strategy("Core-set", lambda pool, size, g: k_center_greedy(*pool.features, size)),
    "bald": by_score("BALD", bald_scores),
    "batchbald": Strategy("BatchBALD", lambda pool, size, g: batchbald_batch(pool.log_probs_N_K_C, size, generator=g)),
    "power_bald": by_draw("Power BALD", power_batch),
    "softmax_bald": by_draw("Softmax BALD", softmax_batch),
}


def find_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises ValueError, listing the known ones, where there is none."""
    if name not in ACQUISITIONS:
        raise ValueError(f"strategy: expected one of {', '.join(ACQUISITIONS)}, got {name!r}")
    return ACQUISITIONS[name]
