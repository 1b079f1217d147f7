"""Whole runs of active learning on many pairs of moons at once, for questions that one run cannot answer.

Training networks of this size is mostly overhead: the committees of all runs go into one stack and are trained together.
Dimensions: S runs (one a seed), P pool points, K members of a committee, L labels, R rounds, B points asked a round.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bal_course.explorers import moons
from bal_course.explorers.moons import HIDDEN, NUM_POOL
from bal_utils.checks import check_whole
from bal_utils.models import MLP
from bal_utils.posteriors.ensemble import member_seed
from bal_utils.theory.information import expected_entropy, mutual_information
from bal_utils.training.fit import initialised


@dataclass(frozen=True, eq=False)
class Picks:
    """What was asked, round by round, and what the committee that asked made of it; arrays_S_R_B, entropies in nats."""

    places: np.ndarray  # [S, R, B, 2]
    prob: np.ndarray  # of class 1, averaged over the committee
    noise: np.ndarray  # expected entropy
    taught: np.ndarray  # mutual information


def committees(noise: float, seeds: Sequence[int], sets: Sequence[tuple[int, ...]], members: int) -> Tensor:
    """log_probs_S_P_K_C of one committee a run on its pool, trained on that run's labelled points."""
    chosen_S_L, share_S_L = moons.padded(sets)
    data = [moons.moons(noise, seed) for seed in seeds]
    inputs_S_L_2 = torch.stack([one.pool_P_2[chosen_L] for one, chosen_L in zip(data, chosen_S_L, strict=True)])
    labels_S_L = torch.stack([one.labels_P[chosen_L] for one, chosen_L in zip(data, chosen_S_L, strict=True)])
    models = [
        initialised(lambda: MLP(2, 2, hidden=HIDDEN, dropout=0.0), member_seed(seed, k))
        for seed in seeds
        for k in range(members)
    ]
    spread = (part.repeat_interleave(members, dim=0) for part in (inputs_S_L_2, labels_S_L, share_S_L))
    predict = moons.train_weighted(models, *spread)
    pools_SK_P_2 = torch.stack([one.pool_P_2 for one in data]).repeat_interleave(members, dim=0)
    return predict(pools_SK_P_2).unflatten(0, (len(seeds), members)).transpose(1, 2)


def follow(
    strategy: str, *, noise: float, seeds: Sequence[int], start: int, rounds: int, batch: int, members: int = 5
) -> Picks:
    """Lets a strategy ask `rounds` times for `batch` labels, from `start` first labels, once for each seed.

    Committees are retrained from the same initial weights in each round. Raises ValueError where the pool is too small.
    """
    check_whole("rounds", rounds, at_least=1, at_most=(NUM_POOL - start) // batch)
    known = [moons.first_labels(noise, seed, start) for seed in seeds]
    rows: list[list[list]] = [[] for _ in range(4)]
    for _ in range(rounds):
        log_probs_S_P_K_C = committees(noise, seeds, known, members)
        picks_S_B = [choose(strategy, *one, batch) for one in zip(log_probs_S_P_K_C, known, seeds, strict=True)]
        for row, parts in zip(rows, _seen(noise, seeds, log_probs_S_P_K_C, picks_S_B), strict=True):
            row.append(parts)
        known = [(*before, *picked) for before, picked in zip(known, picks_S_B, strict=True)]
    return Picks(*(np.stack(row, axis=1) for row in rows))


def choose(strategy: str, log_probs_P_K_C: Tensor, known: tuple[int, ...], seed: int, batch: int) -> tuple[int, ...]:
    """The pool points that a strategy asks for next."""
    return tuple(moons.choose_batch(strategy, log_probs_P_K_C, known, batch, seed).indices)


def _seen(
    noise: float, seeds: Sequence[int], log_probs_S_P_K_C: Tensor, picks_S_B: Sequence[tuple[int, ...]]
) -> tuple[np.ndarray, ...]:
    """The fields of `Picks` for one round."""
    asked_S_B = torch.tensor(picks_S_B)
    log_probs = log_probs_S_P_K_C[torch.arange(len(seeds))[:, None], asked_S_B]
    places = torch.stack([moons.moons(noise, seed).pool_P_2[one] for seed, one in zip(seeds, asked_S_B, strict=True)])
    flat = log_probs.flatten(0, 1)
    parts = flat[..., 1].exp().mean(dim=1), expected_entropy(flat), mutual_information(flat)
    return places.numpy(), *(part.unflatten(0, asked_S_B.shape).numpy() for part in parts)
