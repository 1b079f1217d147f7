"""Batches of inputs unlike each other: long and different gradients (BADGE), or balls that cover the pool (ProbCover).

Dimensions: N inputs, M inputs to be scored, K posterior samples, C classes, F features, L labelled inputs, P points.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from bal_utils.acquisition.batches import gumbel_top_k
from bal_utils.batchbald import AcquiredBatch
from bal_utils.checks import check_finite, check_number, check_whole
from bal_utils.theory.information import check_log_probs, log_mean_exp

NEIGHBOURS = 20
_PART = 256


def badge_batch(log_probs_N_K_C: Tensor, features_N_F: Tensor, batch_size: int, generator: Generator) -> AcquiredBatch:
    """A batch of long and different gradients: BADGE (Ash et al. 2020, arXiv:1906.03671, section 3).

    The longest gradient comes first, as in the authors' program; each of the others is drawn in proportion to its squared
    distance from the nearest chosen one (k-means++). Scores are the lengths. The N C F numbers of all gradients are never
    written down: their inner products are products of the factors' inner products.
    Raises what `favourite_gradient_lengths` raises, and ValueError where the batch is not between 1 and N.
    """
    gaps_N_C, inputs_N_G = _gradient_factors(log_probs_N_K_C, features_N_F)
    batch_size = check_whole("batch_size", batch_size, at_least=1, at_most=len(gaps_N_C))
    squares_N = gaps_N_C.square().sum(dim=1) * inputs_N_G.square().sum(dim=1)

    def from_one(place: int) -> Tensor:
        products_N = (gaps_N_C @ gaps_N_C[place]) * (inputs_N_G @ inputs_N_G[place])
        return (squares_N + squares_N[place] - 2 * products_N).clamp_min(0)

    chosen = k_means_plus_plus(from_one, int(squares_N.argmax()), batch_size, generator)
    return AcquiredBatch(indices=chosen, scores=squares_N[chosen].sqrt().tolist())


def favourite_gradient_lengths(log_probs_N_K_C: Tensor, features_N_F: Tensor) -> Tensor:
    """How long the gradient is that the most probable label ŷ would cause in the last layer and its biases.

    The gradient is (p̄ - e_ŷ) ⊗ (φ, 1), with p̄ the mean prediction and φ the features. Returns scores_N in float64.
    Raises ValueError where rows are not normalised log-probabilities, or features are not finite or not a row an input.
    """
    gaps_N_C, inputs_N_G = _gradient_factors(log_probs_N_K_C, features_N_F)
    return gaps_N_C.norm(dim=1) * inputs_N_G.norm(dim=1)


def _gradient_factors(log_probs_N_K_C: Tensor, features_N_F: Tensor) -> tuple[Tensor, Tensor]:
    """p̄ - e_ŷ and (φ, 1) of each input, in float64."""
    check_log_probs(log_probs_N_K_C)
    check_finite("features_N_F", features_N_F, dims=2)
    if len(features_N_F) != len(log_probs_N_K_C):
        raise ValueError(
            f"features_N_F: expected {len(log_probs_N_K_C)} rows, one for each input, got {len(features_N_F)}"
        )
    mean_N_C, features_N_F = log_mean_exp(log_probs_N_K_C.double(), dim=1).exp(), features_N_F.double()
    favourite_N_C = torch.nn.functional.one_hot(mean_N_C.argmax(dim=1), mean_N_C.shape[1])
    return mean_N_C - favourite_N_C, torch.cat([features_N_F, torch.ones_like(features_N_F[:, :1])], dim=1)


def k_means_plus_plus(squares_from: Callable[[int], Tensor], first: int, count: int, generator: Generator) -> list[int]:
    """`first`, then places drawn one by one in proportion to the squared distance from the nearest chosen one.

    `squares_from(place)` gives the squared distances of all points from one. No place is drawn twice, and copies of chosen
    points are drawn last (Arthur & Vassilvitskii 2007).
    """
    chosen, nearest_P = [first], squares_from(first)
    left_P = torch.ones(len(nearest_P), dtype=torch.bool, device=nearest_P.device)
    for _ in range(count - 1):
        left_P[chosen[-1]] = False
        places = left_P.nonzero()[:, 0]
        chosen.append(int(places[gumbel_top_k(nearest_P[places].log(), 1, generator)[0]]))
        nearest_P = torch.minimum(nearest_P, squares_from(chosen[-1]))
    return chosen


def probcover_batch(
    features_N_F: Tensor, labelled_L_F: Tensor, batch_size: int, generator: Generator, *, radius: float | None = None
) -> AcquiredBatch:
    """A batch whose balls cover as much of the pool as one can greedily: ProbCover (Yehuda et al. 2022, arXiv:2205.11320).

    An input is covered once a labelled or chosen one lies within `radius`, by default `cover_radius` of the pool. Again and
    again comes the input whose ball holds the most uncovered ones; ties, and what is left once all are covered, are decided
    at random. Scores are those numbers; they never rise. Nothing needs to be labelled. Holds N² truth values.
    Raises what `uncovered_neighbours` raises, and ValueError where the batch is not between 1 and N.
    """
    radius = cover_radius(features_N_F) if radius is None else radius
    uncovered_N = _uncovered(features_N_F, labelled_L_F, radius)
    batch_size = check_whole("batch_size", batch_size, at_least=1, at_most=len(features_N_F))
    near_N_N = torch.cat([_distances(part, features_N_F) <= radius for part in features_N_F.split(_PART)])
    shuffled_N = torch.randperm(len(features_N_F), generator=generator).to(features_N_F.device)
    batch = AcquiredBatch(indices=[], scores=[])
    for _ in range(batch_size):
        counts_N = (near_N_N & uncovered_N).sum(dim=1)
        counts_N[batch.indices] = -1
        best = int(shuffled_N[counts_N[shuffled_N].argmax()])
        batch.indices.append(best)
        batch.scores.append(float(counts_N[best]))
        uncovered_N = uncovered_N & ~near_N_N[best]
    return batch


def uncovered_neighbours(
    inputs_M_F: Tensor, features_N_F: Tensor, labelled_L_F: Tensor, *, radius: float | None = None
) -> Tensor:
    """How many inputs of the pool each of M places has within `radius` that no labelled input has: scores_M in float64.

    Raises ValueError where features are not finite or tables differ in width, or the radius is negative or not finite.
    """
    radius = cover_radius(features_N_F) if radius is None else radius
    uncovered_N = _uncovered(features_N_F, labelled_L_F, radius)
    parts = [_distances(part, features_N_F[uncovered_N]) <= radius for part in inputs_M_F.split(_PART)]
    return torch.cat([near.sum(dim=1) for near in parts]).double()


def cover_radius(features_N_F: Tensor) -> float:
    """The median, over the pool, of the distance to the 20th nearest other input.

    So half of the balls hold more than twenty others. (The paper takes the largest radius at which nineteen balls in twenty
    hold one cluster only, which needs a clustering.) Raises ValueError where features are not finite.
    """
    check_finite("features_N_F", features_N_F, dims=2)
    rank = min(NEIGHBOURS, len(features_N_F) - 1) + 1  # the nearest of all is the input itself
    far = [_distances(part, features_N_F).kthvalue(rank, dim=1).values for part in features_N_F.split(_PART)]
    return torch.cat(far).median().item()


def _uncovered(features_N_F: Tensor, labelled_L_F: Tensor, radius: float) -> Tensor:
    """Which inputs of the pool have no labelled one within the radius."""
    check_finite("features_N_F", features_N_F, dims=2)
    check_number("radius", radius, at_least=0)
    if labelled_L_F.dim() != 2 or labelled_L_F.shape[1] != features_N_F.shape[1]:
        raise ValueError(f"labelled_L_F: expected shape (L, {features_N_F.shape[1]}), got {tuple(labelled_L_F.shape)}")
    if len(labelled_L_F) == 0:
        return torch.ones(len(features_N_F), dtype=torch.bool, device=features_N_F.device)
    return _distances(features_N_F, labelled_L_F).amin(dim=1) > radius


def _distances(first_M_F: Tensor, second_P_F: Tensor) -> Tensor:
    """distances_M_P in float64, from differences feature by feature."""
    return torch.cdist(first_M_F.double(), second_P_F.double(), compute_mode="donot_use_mm_for_euclid_dist")
