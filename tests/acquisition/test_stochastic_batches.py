"""Stochastic batches against draws one by one, whose probabilities are multiplied out in plain Python."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import stats

from bal_utils.acquisition import (
    Candidates,
    bald_scores,
    find_strategy,
    gumbel_top_k,
    power_batch,
    softmax_batch,
)
from bal_utils.runtime import stream

SCORES = torch.tensor([0.1, 0.8, 0.3, 0.5])
DRAWS = 6000


def one_by_one(weights, size):
    """The probability of each sequence of draws without replacement: weight over what is left, factor by factor."""
    chances = {}
    for order in permutations(range(len(weights)), size):
        left, chance = sum(weights), 1.0
        for place in order:
            chance *= weights[place] / left
            left -= weights[place]
        chances[order] = chance
    return chances


def agrees(draw, weights, size):
    """Pearson's test of 6000 drawn sequences; refuses one in ten thousand right samplers, and the seeds are fixed."""
    generator = stream(0, "draws")
    counts = dict.fromkeys(permutations(range(len(weights)), size), 0)
    for _ in range(DRAWS):
        counts[tuple(draw(size, generator))] += 1
    expected = {order: DRAWS * chance for order, chance in one_by_one(weights, size).items()}
    return stats.chisquare(list(counts.values()), [expected[order] for order in counts]).pvalue > 1e-4


@pytest.mark.parametrize("size", [1, 2, 3])
def test_gumbel_top_k_draws_without_replacement(size):
    weights = [0.5, 3.0, 1.0, 2.0]
    log_weights_N = torch.tensor(weights).log()
    assert agrees(lambda b, g: gumbel_top_k(log_weights_N, b, g).tolist(), weights, size)
    assert not agrees(lambda b, g: gumbel_top_k(log_weights_N, b, g).tolist(), [1.0, 3.0, 1.0, 2.0], size)


@pytest.mark.slow
@pytest.mark.parametrize("coldness", [0.0, 1.0, 3.0])
def test_batches_follow_their_weights(coldness):
    scores = SCORES.tolist()
    assert agrees(lambda b, g: power_batch(SCORES, b, g, coldness=coldness).indices, [s**coldness for s in scores], 2)
    weights = [math.exp(coldness * s) for s in scores]
    assert agrees(lambda b, g: softmax_batch(SCORES, b, g, coldness=coldness).indices, weights, 2)


@pytest.mark.parametrize("draw", [power_batch, softmax_batch])
def test_a_cold_batch_is_the_top_of_the_scores(draw):
    batch = draw(SCORES, 4, stream(0, "cold"), coldness=1e4)
    assert batch.indices == [1, 3, 2, 0]
    assert batch.scores == pytest.approx([0.8, 0.5, 0.3, 0.1])


@pytest.mark.parametrize("draw", [power_batch, softmax_batch])
def test_same_generator_same_batch_of_different_inputs(draw):
    scores_N = torch.rand(500, generator=stream(0, "scores"))
    batch = draw(scores_N, 100, stream(0, "draws"))
    assert batch == draw(scores_N, 100, stream(0, "draws")) != draw(scores_N, 100, stream(1, "draws"))
    assert len(set(batch.indices)) == 100
    np.testing.assert_allclose(batch.scores, scores_N[batch.indices])


def test_inputs_that_teach_nothing_come_last_in_any_order():
    scores_N = torch.tensor([0.0, 0.2, 0.0, 1e-9, 0.0])
    orders = {tuple(power_batch(scores_N, 5, stream(seed, "zeros")).indices[2:]) for seed in range(60)}
    assert len(orders) == 6  # all orders of the three zeros
    assert all(set(order) == {0, 2, 4} for order in orders)


def test_without_any_information_every_input_is_as_good():
    chosen = [power_batch(torch.zeros(4), 1, stream(seed, "zeros")).indices[0] for seed in range(400)]
    assert stats.chisquare(np.bincount(chosen, minlength=4)).pvalue > 1e-4


@pytest.mark.parametrize(("name", "draw"), [("power_bald", power_batch), ("softmax_bald", softmax_batch)])
def test_the_registry_draws_by_bald(name, draw):
    logits_N_K_C = 2 * torch.randn(30, 8, 4, generator=stream(0, "logits"), dtype=torch.float64)
    log_probs_N_K_C = logits_N_K_C.log_softmax(dim=-1)
    batch = find_strategy(name).select(Candidates(30, lambda: log_probs_N_K_C), 5, stream(0, "choices"))
    assert batch == draw(bald_scores(log_probs_N_K_C), 5, stream(0, "choices"))


@pytest.mark.parametrize("draw", [power_batch, softmax_batch])
@pytest.mark.parametrize(
    ("scores", "size", "options", "error", "message"),
    [
        ([1.0, math.nan], 1, {}, ValueError, "scores_N: expected finite numbers, got NaN or infinity"),
        ([1.0, math.inf], 1, {}, ValueError, "scores_N: expected finite numbers, got NaN or infinity"),
        ([1.0, 2.0], 0, {}, ValueError, "batch_size: .*from 1 to 2, got 0"),
        ([1.0, 2.0], 3, {}, ValueError, "batch_size: .*from 1 to 2, got 3"),
        ([1.0, 2.0], 1.0, {}, ValueError, "batch_size: .*got 1.0"),
        ([1.0, 2.0], 1, {"coldness": -1.0}, ValueError, "coldness: .*got -1.0"),
        ([1.0, 2.0], 1, {"coldness": math.nan}, ValueError, "coldness: "),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, scores, size, options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        draw(torch.tensor(scores), size, stream(0, "draws"), **options)


def test_negative_scores_have_no_power():
    with pytest.raises(ValueError, match="scores_N: expected numbers of at least 0, got -0.5"):
        power_batch(torch.tensor([1.0, -0.5]), 1, stream(0, "draws"))
    assert softmax_batch(torch.tensor([1.0, -0.5]), 2, stream(0, "draws")).indices in ([0, 1], [1, 0])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_log_weights_must_be_comparable(bad):
    with pytest.raises(ValueError, match="log_weights_N: expected numbers or minus infinity"):
        gumbel_top_k(torch.tensor([0.0, bad]), 1, stream(0, "draws"))
