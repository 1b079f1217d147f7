"""Scores against loops over single numbers, written from the definitions; the registry; refusals."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from bal_utils import acquisition
from bal_utils.acquisition import ACQUISITIONS, Candidates, Features, find_strategy, highest_scores, random_scores
from bal_utils.runtime import stream
from bal_utils.theory import information

SCORES = {
    name: getattr(acquisition, f"{name}_scores")
    for name in (
        *("entropy", "margin", "least_confidence", "variation_ratio", "mean_std", "bald"),
        *("vote_entropy", "mean_kl"),
    )
}


def random_log_probs(seed, shape=(9, 6, 4)):
    logits = 3 * torch.randn(*shape, generator=stream(seed, "logits"), dtype=torch.float64)
    return logits.log_softmax(dim=-1)


def random_features(seed, size):
    return torch.randn(size, 3, generator=stream(seed, "features"), dtype=torch.float64)


def by_hand(name, probs_K_C):
    """The score of one input, from its K lists of C probabilities, in plain Python."""
    num_samples, num_classes = len(probs_K_C), len(probs_K_C[0])
    mean_C = [sum(row[c] for row in probs_K_C) / num_samples for c in range(num_classes)]

    def shannon(row):
        return -sum(p * math.log(p) for p in row if p > 0)

    if name == "entropy":
        return shannon(mean_C)
    if name == "margin":
        return sorted(mean_C)[-2] - sorted(mean_C)[-1]
    if name == "least_confidence":
        return 1 - max(mean_C)
    if name == "variation_ratio":
        votes = Counter(row.index(max(row)) for row in probs_K_C)
        return 1 - votes.most_common(1)[0][1] / num_samples
    if name == "vote_entropy":
        votes = Counter(row.index(max(row)) for row in probs_K_C)
        return shannon([count / num_samples for count in votes.values()])
    if name == "mean_std":
        spread = [sum((row[c] - mean_C[c]) ** 2 for row in probs_K_C) / num_samples for c in range(num_classes)]
        return sum(math.sqrt(v) for v in spread) / num_classes
    return shannon(mean_C) - sum(shannon(row) for row in probs_K_C) / num_samples


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_their_definition(name, seed):
    """float64 sums of at most 24 terms: 1e-12."""
    log_probs = random_log_probs(seed)
    expected = [by_hand(name, probs) for probs in log_probs.exp().tolist()]
    np.testing.assert_allclose(SCORES[name](log_probs), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_scores_stay_in_their_range_and_finite_with_certain_predictions(name):
    low, high = {
        "entropy": (0, math.log(3)),
        "margin": (-1, 0),
        "least_confidence": (0, 2 / 3),
        "variation_ratio": (0, 2 / 3),
        "mean_std": (0, 0.5),
        "bald": (0, math.log(3)),
        "vote_entropy": (0, math.log(3)),
        "mean_kl": (0, math.log(3)),
    }[name]
    certain = torch.eye(3).log()[torch.tensor([[0, 0, 0], [0, 1, 2], [1, 1, 2]])]
    for log_probs in (certain, random_log_probs(0, (50, 5, 3)), torch.full((2, 4, 3), 1 / 3).log()):
        scores = SCORES[name](log_probs)
        assert scores.isfinite().all() and scores.min() >= low - 1e-6 and scores.max() <= high + 1e-6
    assert SCORES[name](certain).argmin() == 0  # the agreed and certain input is never the most wanted


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("bad", ["nan", "inf", "logits", "shape", "empty", "list"])
def test_bad_predictions_are_refused(name, bad):
    good = random_log_probs(0)
    value, error = {
        "nan": (good.clone().index_fill_(0, torch.tensor([2]), math.nan), ValueError),
        "inf": (good.clone().index_fill_(0, torch.tensor([2]), math.inf), ValueError),
        "logits": (good * 2, ValueError),
        "shape": (good[0], ValueError),
        "empty": (good[:0], ValueError),
        "list": (good.tolist(), TypeError),
    }[bad]
    with pytest.raises(error, match="log_probs_N_K_C: expected"):
        SCORES[name](value)


@pytest.mark.parametrize("name", SCORES)
def test_one_output_is_refused_and_the_sentence_says_what_to_do(name):
    """The softmax of one logit is 1: without a word every score would be zero."""
    one_logit = torch.randn(4, 3, 1, generator=stream(0, "logit")).log_softmax(dim=-1)
    with pytest.raises(ValueError, match=r"^log_probs_N_K_C: .*two outputs.*\[1 - p, p\]"):
        SCORES[name](one_logit)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused_by_name(name, dtype):
    with pytest.raises(TypeError, match=f"^log_probs_N_K_C: .*{dtype}"):
        SCORES[name](random_log_probs(0).to(dtype))


@pytest.mark.parametrize("name", SCORES)
def test_parts_do_not_change_a_score(name, monkeypatch):
    log_probs = random_log_probs(5, (50, 6, 4)).float()
    whole = SCORES[name](log_probs)
    monkeypatch.setattr(information, "SCORED_AT_ONCE", 7 * 6 * 4)
    parts = SCORES[name](log_probs)
    assert parts.dtype == whole.dtype and torch.equal(parts, whole)


def test_random_scores():
    assert torch.equal(random_scores(5, stream(0, "x")), random_scores(5, stream(0, "x")))
    assert random_scores(0, stream(0, "x")).shape == (0,)
    with pytest.raises(ValueError, match="^n: .* got -1"):
        random_scores(-1, stream(0, "x"))


def test_highest_scores_equal_a_sort():
    scores = random_scores(200, stream(1, "scores"))
    batch = highest_scores(scores, 20, stream(1, "ties"))
    assert batch.indices == sorted(range(200), key=lambda index: -scores[index])[:20]
    assert batch.scores == scores[batch.indices].tolist()


def test_ties_are_broken_at_random():
    """Each of 10 equal inputs is first in a tenth of 2,000 draws: 200 ± 5 standard deviations of 13.4."""
    first = Counter(highest_scores(torch.zeros(10), 1, stream(seed, "ties")).indices[0] for seed in range(2000))
    assert len(first) == 10 and all(abs(count - 200) < 67 for count in first.values())


@pytest.mark.parametrize("size", [0, -1, 11, 2.5, True])
def test_batch_size_is_checked(size):
    with pytest.raises(ValueError, match=f"^batch_size: .* from 1 to 10, got {size}"):
        highest_scores(torch.zeros(10), size, stream(0, "ties"))
    with pytest.raises(ValueError, match="scores_N: expected numbers, got NaN"):
        highest_scores(torch.tensor([1.0, math.nan]), 1, stream(0, "ties"))


def test_unknown_strategies_list_the_known():
    with pytest.raises(ValueError, match=r"strategy: expected one of random, .*batchbald.*, got 'bold'"):
        find_strategy("bold")


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_every_strategy_selects_different_inputs_of_the_pool(name):
    log_probs = random_log_probs(3, (40, 64, 5))  # log 64 nats: a batch of 7 does not exhaust them
    features = Features(random_features(0, 40), random_features(1, 5))
    pool = Candidates(40, lambda: log_probs, lambda: features)
    batch = find_strategy(name).select(pool, 7, stream(0, "choices"))
    assert len(set(batch.indices)) == len(batch.scores) == 7 and set(batch.indices) <= set(range(40))
    again = find_strategy(name).select(Candidates(40, lambda: log_probs, lambda: features), 7, stream(0, "choices"))
    assert again == batch


def test_random_never_asks_for_predictions_and_others_ask_once():
    asked = []
    pool = Candidates(40, lambda: asked.append(1) or random_log_probs(0, (40, 3, 2)))
    find_strategy("random").select(pool, 3, stream(0, "choices"))
    assert not asked
    for name in ("bald", "entropy"):
        find_strategy(name).select(pool, 3, stream(0, "choices"))
    assert len(asked) == 1


def test_strategies_that_need_features_say_so():
    for name in ("core_set", "gradient_length"):
        with pytest.raises(ValueError, match="candidates: expected a `describe` that gives features"):
            find_strategy(name).select(Candidates(5, lambda: random_log_probs(0, (5, 3, 2))), 1, stream(0, "choices"))


@pytest.mark.parametrize("seed", range(3))
def test_mean_kl_is_bald(seed):
    """The mutual information is the mean divergence of each conditional from the marginal (Houlsby et al. 2011)."""
    log_probs = random_log_probs(seed, (30, 8, 5))
    torch.testing.assert_close(
        acquisition.mean_kl_scores(log_probs), acquisition.bald_scores(log_probs), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_scikit_activeml(seed):
    pytest.importorskip("skactiveml")
    from skactiveml.pool import average_kl_divergence, uncertainty_scores, vote_entropy
    from skactiveml.pool import variation_ratios as variation_ratios_of

    log_probs = random_log_probs(seed, (50, 7, 4))
    probs, mean = log_probs.exp().numpy(), log_probs.exp().mean(dim=1).numpy()
    votes = log_probs.argmax(dim=-1).numpy()
    theirs = {
        "entropy": uncertainty_scores(mean, method="entropy"),
        "margin": uncertainty_scores(mean, method="margin_sampling") - 1,
        "least_confidence": uncertainty_scores(mean, method="least_confident"),
        "vote_entropy": vote_entropy(votes, np.arange(4)),
        "mean_kl": average_kl_divergence(probs.transpose(1, 0, 2)),
        "variation_ratio": variation_ratios_of(votes),
    }
    for name, expected in theirs.items():
        # they add 1e-7 to probabilities before taking logarithms
        np.testing.assert_allclose(SCORES[name](log_probs), expected, rtol=0, atol=1e-5, err_msg=name)
