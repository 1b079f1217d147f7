"""The strategies by name: how each turns a pool into a batch.

A new strategy is one score function (`scores`), one line in `ACQUISITIONS`, its look in `plotting.STRATEGIES`, and one test
against an independent oracle.
The line also serves the explorers' maps: the score of the pool, from which the batch is taken, is the score of any other
place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from bal_utils.acquisition import scores
from bal_utils.acquisition.batches import highest_scores, k_center_greedy, nearest_distances, power_batch, softmax_batch
from bal_utils.acquisition.diverse import (
    badge_batch,
    favourite_gradient_lengths,
    probcover_batch,
    uncovered_neighbours,
)
from bal_utils.batchbald import AcquiredBatch, batchbald_batch

NUM_TARGETS = 256  # inputs of the pool whose predictions expected error reduction and EPIG care about


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


def _by_rank(title: str, score: Score) -> Strategy:
    """The inputs of highest score, each judged alone."""

    def select(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
        return highest_scores(score(pool, pool, generator), batch_size, generator)

    return Strategy(title, select, score)


def _by_predictions(title: str, score: Callable[[Tensor], Tensor]) -> Strategy:
    """The highest of a score(log_probs_N_K_C) that needs an input's predictions only."""
    return _by_rank(title, lambda inputs, pool, generator: score(inputs.log_probs_N_K_C))


def _by_targets(title: str, score: Callable[[Tensor, Tensor], Tensor]) -> Strategy:
    """The highest of a score(log_probs_N_K_C, target_log_probs_T_K_C) whose targets are drawn from the pool."""
    return _by_rank(title, lambda inputs, pool, generator: score(inputs.log_probs_N_K_C, _targets(pool, generator)))


def _targets(pool: Candidates, generator: Generator) -> Tensor:
    """log_probs_T_K_C of at most `NUM_TARGETS` inputs of the pool, drawn anew each time: they stand for all of it."""
    drawn_T = torch.randperm(pool.size, generator=generator)[:NUM_TARGETS]
    return pool.log_probs_N_K_C[drawn_T.to(pool.log_probs_N_K_C.device)]


def _by_draw(title: str, draw: Callable[[Tensor, int, Generator], AcquiredBatch]) -> Strategy:
    """A batch drawn at random, likelier where the BALD score is higher."""

    def select(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
        return draw(scores.bald_scores(pool.log_probs_N_K_C), batch_size, generator)

    return Strategy(title, select, _bald)


def _bald(inputs: Candidates, pool: Candidates, generator: Generator) -> Tensor:
    return scores.bald_scores(inputs.log_probs_N_K_C)


def _gradient_length(inputs: Candidates, pool: Candidates, generator: Generator) -> Tensor:
    return scores.expected_gradient_length_scores(inputs.log_probs_N_K_C, inputs.features.pool_N_F)


def _distance(inputs: Candidates, pool: Candidates, generator: Generator) -> Tensor:
    return nearest_distances(inputs.features.pool_N_F, pool.features.labelled_L_F)


def _random_batch(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
    return highest_scores(scores.random_scores(pool.size, generator), batch_size, generator)


def _core_set(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
    return k_center_greedy(*pool.features, batch_size)


def _badge(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
    return badge_batch(pool.log_probs_N_K_C, pool.features.pool_N_F, batch_size, generator)


def _favourite_gradient_length(inputs: Candidates, pool: Candidates, generator: Generator) -> Tensor:
    return favourite_gradient_lengths(inputs.log_probs_N_K_C, inputs.features.pool_N_F)


def _probcover(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
    return probcover_batch(*pool.features, batch_size, generator)


def _uncovered(inputs: Candidates, pool: Candidates, generator: Generator) -> Tensor:
    return uncovered_neighbours(inputs.features.pool_N_F, *pool.features)


def _batchbald(pool: Candidates, batch_size: int, generator: Generator) -> AcquiredBatch:
    return batchbald_batch(pool.log_probs_N_K_C, batch_size, generator=generator)


ACQUISITIONS: dict[str, Strategy] = {
    "random": Strategy("Random", _random_batch),
    "least_confidence": _by_predictions("Least confidence", scores.least_confidence_scores),
    "margin": _by_predictions("Margin", scores.margin_scores),
    "entropy": _by_predictions("Max entropy", scores.entropy_scores),
    "variation_ratio": _by_predictions("Variation ratio", scores.variation_ratio_scores),
    "mean_std": _by_predictions("Mean STD", scores.mean_std_scores),
    "vote_entropy": _by_predictions("Vote entropy", scores.vote_entropy_scores),
    "mean_kl": _by_predictions("Mean KL to the consensus", scores.mean_kl_scores),
    "gradient_length": _by_rank("Expected gradient length", _gradient_length),
    "error_reduction": _by_targets("Expected error reduction", scores.expected_error_reduction_scores),
    "epig": _by_targets("EPIG", scores.epig_scores),
    "core_set": Strategy("Core-set", _core_set, _distance),
    "bald": _by_predictions("BALD", scores.bald_scores),
    "batchbald": Strategy("BatchBALD", _batchbald, _bald),
    "power_bald": _by_draw("Power BALD", power_batch),
    "softmax_bald": _by_draw("Softmax BALD", softmax_batch),
    "badge": Strategy("BADGE", _badge, _favourite_gradient_length),
    "probcover": Strategy("ProbCover", _probcover, _uncovered),
}


def find_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises ValueError, listing the known ones, where there is none."""
    if name not in ACQUISITIONS:
        raise ValueError(f"strategy: expected one of {', '.join(ACQUISITIONS)}, got {name!r}")
    return ACQUISITIONS[name]
