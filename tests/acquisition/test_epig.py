"""EPIG against its definition by loops, its bounds, and cases whose value is known beforehand."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from bal_utils import acquisition
from bal_utils.acquisition import Candidates, bald_scores, epig_scores, find_strategy
from bal_utils.runtime import stream
from bal_utils.theory.information import entropy, log_mean_exp


def random_log_probs(seed, shape, dtype=torch.float64):
    return (2 * torch.randn(*shape, generator=stream(seed, "logits"), dtype=torch.float64)).log_softmax(-1).to(dtype)


def by_enumeration(probs, targets):
    """The definition: KL(p(y, y_t) || p(y) p(y_t)), every pair of labels by itself, averaged over the targets."""
    num_inputs, num_samples, num_classes = probs.shape
    scores = np.zeros(num_inputs)
    for n in range(num_inputs):
        for target in targets:
            for y in range(num_classes):
                for y_t in range(num_classes):
                    joint = sum(probs[n, k, y] * target[k, y_t] for k in range(num_samples)) / num_samples
                    if joint > 0:
                        scores[n] += joint * math.log(joint / (probs[n, :, y].mean() * target[:, y_t].mean()))
    return scores / len(targets)


@pytest.mark.parametrize("chunk", [1, 2**21])
def test_it_is_the_mean_information_between_two_labels(chunk, monkeypatch):
    monkeypatch.setattr(acquisition.scores, "PAIRS_AT_ONCE", chunk)
    pool, targets = random_log_probs(0, (6, 4, 3)), random_log_probs(1, (5, 4, 3))
    scores = epig_scores(pool, targets)
    np.testing.assert_allclose(scores, by_enumeration(pool.exp().numpy(), targets.exp().numpy()), atol=1e-12)


def test_it_is_how_much_a_label_lowers_the_entropy_of_the_targets():
    """A second derivation, by Bayes' rule: weigh the samples by each possible label and predict the targets again."""
    pool, targets = random_log_probs(2, (6, 4, 3)).exp(), random_log_probs(3, (5, 4, 3)).exp()
    entr = torch.special.entr
    expected = []
    for probs_K_C in pool:
        after = torch.zeros(len(targets), dtype=torch.float64)
        for y in range(3):
            weights_K = probs_K_C[:, y] / probs_K_C[:, y].sum()
            after += probs_K_C[:, y].mean() * entr(torch.einsum("k,tkc->tc", weights_K, targets)).sum(-1)
        expected.append((entr(targets.mean(dim=1)).sum(-1) - after).mean())
    np.testing.assert_allclose(epig_scores(pool.log(), targets.log()), torch.stack(expected), atol=1e-12)


def test_it_never_exceeds_bald_nor_the_doubt_about_the_targets():
    for seed in range(5):
        pool, targets = random_log_probs(seed, (40, 6, 4)), random_log_probs(seed + 100, (30, 6, 4))
        scores = epig_scores(pool, targets)
        assert (scores >= 0).all() and (scores <= bald_scores(pool) + 1e-12).all()
        assert (scores <= bald_scores(targets).mean() + 1e-12).all()  # information is symmetric


def test_sure_members_asked_about_the_same_input_give_bald():
    """Where each member is sure, y_t repeats y: what is learnt about the target is all that is learnt about the members."""
    votes_N_K = torch.randint(3, (12, 8), generator=stream(0, "votes"))
    sure = torch.nn.functional.one_hot(votes_N_K, 3).double().log()
    scores = torch.cat([epig_scores(one[None], one[None]) for one in sure])
    torch.testing.assert_close(scores, bald_scores(sure))
    torch.testing.assert_close(scores, entropy(log_mean_exp(sure, dim=1)))


def test_on_the_same_inputs_the_pairs_are_symmetric():
    """With the candidates as targets the table of pairs is symmetric, so both ways of averaging it agree."""
    pool = random_log_probs(4, (7, 5, 3))
    pairs_N_N = torch.stack([epig_scores(pool, one[None]) for one in pool], dim=1)
    torch.testing.assert_close(pairs_N_N, pairs_N_N.T)
    torch.testing.assert_close(epig_scores(pool, pool), pairs_N_N.mean(dim=0))
    assert torch.equal(epig_scores(pool), epig_scores(pool, pool))


def test_what_tells_nothing_about_the_targets_scores_zero():
    """Two questions that split four members crosswise: full marks from BALD, none from EPIG for the other question."""
    left, right = torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 0.0, 1.0])
    pool = torch.stack([torch.stack([1 - yes, yes], dim=-1) for yes in (left, right)]).double().log()
    np.testing.assert_allclose(bald_scores(pool), [math.log(2)] * 2, atol=1e-12)
    np.testing.assert_allclose(epig_scores(pool, pool[:1]), [math.log(2), 0], atol=1e-12)


def test_float32_is_close_to_float64():
    pool, targets = random_log_probs(5, (50, 20, 10)), random_log_probs(6, (40, 20, 10))
    np.testing.assert_allclose(epig_scores(pool.float(), targets.float()), epig_scores(pool, targets), atol=5e-6)


def test_the_strategy_draws_its_targets_from_the_pool():
    pool = random_log_probs(7, (30, 5, 3))
    batch = find_strategy("epig").select(Candidates(30, lambda: pool), 4, stream(0, "choices"))
    best = epig_scores(pool, pool).topk(4)  # the pool is smaller than the number of targets: all of it counts
    assert batch.indices == best.indices.tolist()
    np.testing.assert_allclose(batch.scores, best.values, atol=1e-12)


def test_what_does_not_fit_is_refused():
    pool = random_log_probs(0, (4, 3, 2))
    with pytest.raises(ValueError, match="target_log_probs_T_K_C: expected K and C as in"):
        epig_scores(pool, random_log_probs(0, (4, 2, 2)))
    with pytest.raises(ValueError, match="target_log_probs_T_K_C: expected"):
        epig_scores(pool, pool * 2)


def test_precisions_may_differ():
    pool, targets = random_log_probs(8, (9, 5, 3)), random_log_probs(9, (6, 5, 3))
    for mixed in (epig_scores(pool.float(), targets), epig_scores(pool, targets.float())):
        assert mixed.dtype == torch.float64
        np.testing.assert_allclose(mixed, epig_scores(pool, targets), atol=1e-6)


MEMORY = """
import resource, torch
from bal_utils import acquisition, batchbald
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
torch.set_num_threads(1)
pool = torch.full((20_000, 100, 10), 0.1).log_()
features = torch.zeros(20_000, 10)
scores = {name: lambda x, f=getattr(acquisition, name + "_scores"): f(x) for name in (
    "entropy", "margin", "least_confidence", "variation_ratio", "mean_std", "bald", "vote_entropy", "mean_kl")}
scores["gradient_length"] = lambda x: acquisition.expected_gradient_length_scores(x, features[: len(x)])
def error_reduction(x):
    acquisition.scores.PAIRS_AT_ONCE = 2**16  # its tables, C times as large, would hide what the others take
    acquisition.expected_error_reduction_scores(x, pool[:4])
    acquisition.scores.PAIRS_AT_ONCE = 2**21
scores["error_reduction"] = error_reduction
scores["epig"] = lambda x: acquisition.epig_scores(x, pool[:20])
scores["batchbald"] = lambda x: batchbald.batchbald_batch(x, 2)
for name, score in scores.items():
    score(pool[:2500])  # what a first call of anything loads is no part of it
before = peak()
for name, score in scores.items():
    score(pool)
    print(name, peak() - before)
"""


@pytest.mark.slow
def test_no_score_takes_memory_in_proportion_to_the_pool():
    """A pool of 80 MB: the scores once held two to six times as much beside it, and the fragments of EPIG twenty times."""
    found = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True).stdout
    peaks = {name: float(value) for name, value in (line.split() for line in found.splitlines())}
    assert len(peaks) == 12 and max(peaks.values()) < 40, peaks
