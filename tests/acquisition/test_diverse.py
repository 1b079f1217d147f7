"""BADGE against gradients by automatic differentiation and k-means++ by enumeration; ProbCover against counting in loops."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from bal_utils.acquisition import Candidates, Features, badge_batch, find_strategy, probcover_batch
from bal_utils.acquisition.diverse import cover_radius, k_means_plus_plus, uncovered_neighbours
from bal_utils.runtime import stream

DRAWS = 6000


def case(seed, size=5, classes=3, features=4):
    g = stream(seed, "badge")
    logits_N_K_C = 2 * torch.randn(size, 6, classes, generator=g, dtype=torch.float64)
    return logits_N_K_C.log_softmax(dim=-1), torch.randn(size, features, generator=g, dtype=torch.float64)


def gradients(log_probs_N_K_C, features_N_F):
    """The gradient of the last layer's cross-entropy at the favourite class, found by PyTorch, a row an input."""
    rows = []
    for log_probs_K_C, features_F in zip(log_probs_N_K_C, features_N_F, strict=True):
        mean_C = log_probs_K_C.exp().mean(dim=0)
        weights = torch.zeros(len(mean_C), len(features_F) + 1, dtype=torch.float64, requires_grad=True)
        entering = torch.cat([features_F, torch.ones(1, dtype=torch.float64)])
        logits_C = mean_C.log() + weights @ entering  # a last layer that predicts the mean where its change is zero
        torch.nn.functional.cross_entropy(logits_C[None], mean_C.argmax()[None]).backward()
        rows.append(weights.grad.ravel())
    return torch.stack(rows)


def chances(points_N_G, size):
    """The probability of each sequence of k-means++ after the longest, multiplied out."""
    rows = points_N_G.numpy()
    first = int(np.linalg.norm(rows, axis=1).argmax())
    found = {}
    for rest in itertools.permutations(set(range(len(rows))) - {first}, size - 1):
        chosen, chance = [first], 1.0
        for place in rest:
            nearest = [min(((row - rows[c]) ** 2).sum() for c in chosen) for row in rows]
            chance *= nearest[place] / sum(nearest)
            chosen.append(place)
        found[first, *rest] = chance
    return found


@pytest.mark.parametrize("seed", range(2))
def test_badge_draws_as_k_means_plus_plus_on_the_gradients_would(seed):
    """Pearson's test of 6000 sequences of three; refuses one in ten thousand right samplers, and the seeds are fixed."""
    log_probs_N_K_C, features_N_F = case(seed)
    points_N_G = gradients(log_probs_N_K_C, features_N_F)
    expected = chances(points_N_G, 3)
    generator, counts = stream(seed, "draws"), dict.fromkeys(expected, 0)
    for _ in range(DRAWS):
        batch = badge_batch(log_probs_N_K_C, features_N_F, 3, generator)
        counts[tuple(batch.indices)] += 1
    np.testing.assert_allclose(batch.scores, points_N_G.norm(dim=1)[batch.indices], rtol=1e-9)
    assert sum(expected.values()) == pytest.approx(1)
    observed = np.array([counts[order] for order in expected])
    assert stats.chisquare(observed, DRAWS * np.array(list(expected.values()))).pvalue > 1e-4


def test_copies_are_drawn_last_and_no_place_twice():
    log_probs_N_K_C, features_N_F = (part.repeat(3, *[1] * (part.dim() - 1)) for part in case(0, size=4))
    batch = badge_batch(log_probs_N_K_C, features_N_F, 12, stream(0, "draws"))
    assert sorted(batch.indices) == list(range(12))
    assert sorted(place % 4 for place in batch.indices[:4]) == [0, 1, 2, 3]
    assert k_means_plus_plus(lambda place: torch.zeros(3), 1, 3, stream(0, "draws"))[0] == 1


def test_badge_refuses_what_does_not_fit():
    log_probs_N_K_C, features_N_F = case(0)
    with pytest.raises(ValueError, match="^features_N_F: expected 5 rows, .* got 4"):
        badge_batch(log_probs_N_K_C, features_N_F[:4], 2, stream(0, "draws"))
    with pytest.raises(ValueError, match="^features_N_F: expected .*finite"):
        badge_batch(log_probs_N_K_C, features_N_F * torch.inf, 2, stream(0, "draws"))
    with pytest.raises(ValueError, match="^batch_size: .* from 1 to 5, got 6"):
        badge_batch(log_probs_N_K_C, features_N_F, 6, stream(0, "draws"))
    with pytest.raises(ValueError, match="^log_probs_N_K_C: expected"):
        badge_batch(2 * log_probs_N_K_C, features_N_F, 2, stream(0, "draws"))


def by_counting(points, labelled, radius, covered):
    """For each point, how many points within the radius nothing covers."""
    near = [[float((a - b).norm()) <= radius for b in points] for a in points]
    free = [
        index
        for index, point in enumerate(points)
        if not any(float((point - other).norm()) <= radius for other in labelled)
        and not any(near[index][one] for one in covered)
    ]
    return [sum(near[index][other] for other in free) for index in range(len(points))]


@pytest.mark.parametrize("known", [0, 3])
def test_probcover_takes_the_ball_with_the_most_that_is_uncovered(known):
    g = stream(known, "points")
    pool, labelled = (torch.randn(size, 2, generator=g, dtype=torch.float64) for size in (40, known))
    batch = probcover_batch(pool, labelled, 6, stream(0, "ties"), radius=0.6)
    for step, (index, score) in enumerate(zip(batch.indices, batch.scores, strict=True)):
        counts = by_counting(pool, labelled, 0.6, batch.indices[:step])
        assert score == counts[index] == max(counts)
    assert uncovered_neighbours(pool, pool, labelled, radius=0.6).tolist() == by_counting(pool, labelled, 0.6, [])


def test_a_greedy_cover_is_at_least_63_per_cent_of_the_best():
    for seed in range(5):
        pool = torch.randn(14, 2, generator=stream(seed, "points"), dtype=torch.float64)
        near_N_N = torch.cdist(pool, pool) <= 0.7
        best = max(int(near_N_N[list(three)].any(dim=0).sum()) for three in itertools.combinations(range(14), 3))
        assert sum(probcover_batch(pool, pool[:0], 3, stream(0, "ties"), radius=0.7).scores) >= (1 - 1 / np.e) * best


def test_the_default_radius_gives_half_of_the_pool_twenty_neighbours():
    pool = torch.randn(301, 3, generator=stream(0, "points"), dtype=torch.float64)
    radius = cover_radius(pool)
    neighbours_N = (torch.cdist(pool, pool) <= radius + 1e-9).sum(dim=1) - 1
    assert (neighbours_N >= 20).double().mean() == pytest.approx(0.5, abs=0.01)
    assert cover_radius(torch.tensor([[0.0], [3.0]])) == 3


def test_probcover_goes_on_when_all_are_covered():
    batch = probcover_batch(torch.zeros(6, 2), torch.zeros(1, 2), 6, stream(0, "ties"), radius=1.0)
    assert sorted(batch.indices) == list(range(6)) and batch.scores == [0] * 6


def test_probcover_refuses_what_does_not_fit():
    pool = torch.randn(5, 2)
    with pytest.raises(ValueError, match=r"^labelled_L_F: expected shape \(L, 2\), got \(1, 3\)"):
        probcover_batch(pool, torch.zeros(1, 3), 1, stream(0, "ties"))
    with pytest.raises(ValueError, match="^radius: .* at least 0, got -1"):
        probcover_batch(pool, pool, 1, stream(0, "ties"), radius=-1.0)
    with pytest.raises(ValueError, match="^batch_size: .* from 1 to 5, got 0"):
        probcover_batch(pool, pool, 0, stream(0, "ties"))


@pytest.mark.parametrize("name", ["badge", "probcover"])
def test_the_strategies_take_what_a_round_knows(name):
    log_probs_N_K_C, features_N_F = case(3, size=30)
    known_L_F = case(4, size=2)[1]
    pool = Candidates(30, lambda: log_probs_N_K_C, lambda: Features(features_N_F, known_L_F))
    batch = find_strategy(name).select(pool, 4, stream(0, "choices"))
    direct = {
        "badge": lambda g: badge_batch(log_probs_N_K_C, features_N_F, 4, g),
        "probcover": lambda g: probcover_batch(features_N_F, known_L_F, 4, g),
    }[name]
    assert batch == direct(stream(0, "choices"))
