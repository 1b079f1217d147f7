"""Every score and BatchBALD on thousands of odd inputs, against a reference in float64 that shares no code with them.

The reference works on probabilities in NumPy; BatchBALD's enumerates the labels of small batches. What is invalid must be
refused with the name of the argument: a number that comes back would be wrong in silence.
Dimensions: N inputs, K posterior samples, C classes, T targets, F features.
"""

import math
from itertools import product

import numpy as np
import pytest
import torch

from bal_utils import acquisition
from bal_utils.acquisition import (
    epig_scores,
    expected_error_reduction_scores,
    expected_gradient_length_scores,
    k_center_greedy,
)
from bal_utils.batchbald import batchbald_batch, joint_mutual_information

VALID, INVALID = 2000, 500
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def plogp(probs):
    return np.where(probs > 0, probs * np.log(np.where(probs > 0, probs, 1)), 0.0)


def shannon(probs):
    return -plogp(probs).sum(axis=-1)


def vote_shares(probs):
    return (probs.argmax(axis=-1)[..., None] == np.arange(probs.shape[-1])).mean(axis=1)


def bald(probs):
    """The mean Kullback-Leibler divergence from the mean, not a difference of entropies."""
    mean = probs.mean(axis=1, keepdims=True)
    ratio = np.where(probs > 0, probs / np.where(mean > 0, mean, 1), 1)
    return (probs * np.log(ratio)).sum(axis=-1).mean(axis=1)


def top_two(probs):
    ordered = np.sort(probs.mean(axis=1), axis=-1)
    return ordered[:, -2] - ordered[:, -1]


REFERENCES = {
    "entropy": lambda probs: shannon(probs.mean(axis=1)),
    "margin": top_two,
    "least_confidence": lambda probs: 1 - probs.mean(axis=1).max(axis=-1),
    "variation_ratio": lambda probs: 1 - vote_shares(probs).max(axis=-1),
    "vote_entropy": lambda probs: shannon(vote_shares(probs)),
    "mean_kl": bald,
    "bald": bald,
    "mean_std": lambda probs: np.sqrt(((probs - probs.mean(axis=1, keepdims=True)) ** 2).mean(axis=1)).mean(axis=-1),
}
SCORES = {name: getattr(acquisition, f"{name}_scores") for name in REFERENCES}


def epig(probs, targets):
    """The divergence of every pair's joint distribution from the product of its margins."""
    joint = np.einsum("nky,tkz->ntyz", probs, targets) / probs.shape[1]
    apart = np.log(np.where(joint > 0, joint.sum(axis=3, keepdims=True), 1))  # apart, for their product underflows
    apart = apart + np.log(np.where(joint > 0, joint.sum(axis=2, keepdims=True), 1))
    return (plogp(joint) - joint * apart).sum(axis=(2, 3)).mean(axis=1)


def error_reduction(probs, targets):
    """The targets predicted anew after each label, the samples weighed by how probable each held it."""
    now = (1 - targets.mean(axis=1).max(axis=-1)).mean()
    scores = np.zeros(len(probs))
    for n, label in product(range(len(probs)), range(probs.shape[2])):
        weights = probs[n, :, label]
        if weights.sum() > 0:
            after = np.tensordot(weights / weights.sum(), targets, axes=(0, 1))
            scores[n] += weights.mean() * (now - (1 - after.max(axis=-1)).mean())
    return scores


def gradient_length(probs, features):
    mean, eye = probs.mean(axis=1), np.eye(probs.shape[2])
    lengths = np.linalg.norm(mean[:, None] - eye, axis=-1)
    return (mean * lengths).sum(axis=-1) * np.sqrt(1 + (features**2).sum(axis=-1))


def joint_information(probs):
    """I of a batch, [B, K, C]: every sequence of labels, one after the other."""
    total = 0.0
    for labels in product(range(probs.shape[2]), repeat=len(probs)):
        likelihoods = np.prod([row[:, label] for row, label in zip(probs, labels, strict=True)], axis=0)
        seen = likelihoods[likelihoods > 0]
        total += (seen * np.log(seen / likelihoods.mean())).sum() / len(likelihoods)
    return total


def drawn(rng, *, most=(6, 5, 5)):
    """log_probs_N_K_C of a kind that is hard in one way or another, in either precision, contiguous or not."""
    n, k = (int(rng.integers(1, top + 1)) for top in most[:2])
    c = int(rng.integers(2, most[2] + 1))
    logits = rng.normal(size=(n, k, c)) * rng.choice([0.0, 1e-4, 1.0, 5.0, 60.0, 1000.0])
    if rng.random() < 0.3:
        logits = np.where(rng.random((n, k, c)) < 0.4, -np.inf, logits)  # exact zeros, though never a whole row
        logits[..., int(rng.integers(c))] = 0.0
    if rng.random() < 0.1:
        logits[:] = logits[:, :1]  # samples that agree
    log_probs = torch.from_numpy(logits).log_softmax(dim=-1).to(rng.choice(list(TOLERANCE)))
    shape = int(rng.integers(4))
    if shape == 1:
        log_probs = log_probs.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    elif shape == 2:
        log_probs = torch.stack([log_probs, torch.full_like(log_probs, math.nan)], dim=2)[:, :, 0]
    elif shape == 3:
        log_probs = log_probs[:1].expand(n, -1, -1)
    return log_probs


def as_probs(log_probs):
    probs = log_probs.double().exp().numpy()
    return probs / probs.sum(axis=-1, keepdims=True)


@pytest.mark.slow
def test_valid_inputs_score_as_the_reference_says():
    rng = np.random.default_rng(0)
    for number in range(VALID):
        log_probs = drawn(rng)
        tolerance, probs = TOLERANCE[log_probs.dtype], as_probs(log_probs)
        for name, score in SCORES.items():
            if name in ("variation_ratio", "vote_entropy"):  # a vote between equals is anyone's
                ordered = log_probs.sort(dim=-1).values
                if (ordered[..., -1] - ordered[..., -2]).min() < 1e-6:
                    continue
            found = score(log_probs)
            np.testing.assert_allclose(
                found, REFERENCES[name](probs), rtol=0, atol=tolerance, err_msg=f"{number} {name}"
            )
        targets = log_probs.flip(0)[:3].to(rng.choice(list(TOLERANCE)))
        features = torch.from_numpy(rng.normal(size=(len(probs), 3))).to(rng.choice(list(TOLERANCE)))
        loosest = max(TOLERANCE[part.dtype] for part in (log_probs, targets, features))
        for score, reference, second, scale in (
            (epig_scores, epig, targets, as_probs(targets)),
            (expected_error_reduction_scores, error_reduction, targets, as_probs(targets)),
            (expected_gradient_length_scores, gradient_length, features, features.double().numpy()),
        ):
            found, expected = score(log_probs, second), reference(probs, scale)
            np.testing.assert_allclose(found, expected, rtol=0, atol=3 * loosest, err_msg=f"{number} {score.__name__}")


@pytest.mark.slow
def test_valid_batches_are_greedy_by_enumeration():
    """Equal to the last digits, either of two is right: the choice must be among the best, and its score its own."""
    rng = np.random.default_rng(1)
    for number in range(VALID):
        log_probs = drawn(rng, most=(4, 4, 3))
        probs, size = as_probs(log_probs), int(rng.integers(1, min(3, len(log_probs)) + 1))
        batch = batchbald_batch(log_probs, np.int64(size))
        for step in range(size):
            left = [x for x in range(len(probs)) if x not in batch.indices[:step]]
            totals = {x: joint_information(probs[[*batch.indices[:step], x]]) for x in left}
            mine = totals[batch.indices[step]]
            assert mine >= max(totals.values()) - 1e-5, number
            assert batch.scores[step] == pytest.approx(mine, abs=1e-5), number
        assert len(set(batch.indices)) == size
        assert joint_mutual_information(log_probs[batch.indices]) == pytest.approx(batch.scores[-1], abs=1e-9)


def spoilt(rng):
    """Something that is no log_probs_N_K_C, and what it was made from."""
    good = drawn(rng).clone()
    place = tuple(int(rng.integers(size)) for size in good.shape)

    def changed(value):
        bad = good.clone()
        bad[place] = value
        return bad

    kinds = {
        "NaN": lambda: changed(math.nan),
        "plus infinity": lambda: changed(math.inf),
        "positive": lambda: changed(float(rng.uniform(0.01, 5))),
        "not normalised": lambda: good - float(rng.uniform(0.01, 3)),
        "logits": lambda: good.nan_to_num(neginf=-9.0) * 2 + 1,
        "impossible row": lambda: good.index_fill(0, torch.tensor([place[0]]), -math.inf),
        "probabilities": lambda: good.exp(),
        "rank 2": lambda: good[0],
        "rank 4": lambda: good[None],
        "rank 0": lambda: good[place],
        "half": lambda: good.half(),
        "bfloat16": lambda: good.bfloat16(),
        "integers": lambda: torch.zeros(good.shape, dtype=torch.int64),
        "complex": lambda: good.to(torch.complex64),
        "array": lambda: good.numpy(),
        "list": lambda: good.tolist(),
        "nothing": lambda: None,
        "no inputs": lambda: good[:0],
        "no samples": lambda: good[:, :0],
        "no classes": lambda: good[..., :0],
        "one class": lambda: torch.zeros(good.shape[:2])[..., None],
        "sparse": lambda: good.to_sparse(),
    }
    return kinds[str(rng.choice(list(kinds)))](), good


def refused(name, score, *arguments):
    """Fails unless the score refuses its arguments, naming the one that is spoilt."""
    with pytest.raises((ValueError, TypeError), match=f"^{name}"):
        pytest.fail(f"{score.__name__} gave {score(*arguments)} for {arguments}")


def test_invalid_inputs_are_refused_by_name():
    rng = np.random.default_rng(2)
    for _ in range(INVALID):
        bad, good = spoilt(rng)
        for score in (*SCORES.values(), epig_scores):
            refused("log_probs_N_K_C: ", score, bad)
        refused("log_probs_N_K_C: ", expected_error_reduction_scores, bad, good)
        refused("log_probs_N_K_C: ", expected_gradient_length_scores, bad, torch.zeros(len(good), 2))
        refused("log_probs_N_K_C: ", batchbald_batch, bad, 1)
        refused("log_probs_B_K_C: ", joint_mutual_information, bad)
        refused("target_log_probs_T_K_C: ", expected_error_reduction_scores, good, bad)
        if bad is not None:  # no targets: the inputs themselves
            refused("target_log_probs_T_K_C: ", epig_scores, good, bad)


def spoilt_features(rng, good):
    kinds = (
        lambda: good.index_fill(0, torch.tensor([0]), math.nan),
        lambda: good.index_fill(0, torch.tensor([0]), -math.inf),
        lambda: good.half(),
        lambda: good.long(),
        lambda: good.numpy(),
        lambda: good[:, 0],
        lambda: good[None],
        lambda: good.tolist(),
    )
    return kinds[int(rng.integers(len(kinds)))]()


def test_spoilt_features_are_refused_by_name():
    rng = np.random.default_rng(3)
    for _ in range(INVALID):
        log_probs = drawn(rng)
        good = torch.from_numpy(rng.normal(size=(len(log_probs), 3)))
        bad = spoilt_features(rng, good)
        refused("features_N_F: ", expected_gradient_length_scores, log_probs, bad)
        refused("features_N_F", k_center_greedy, bad, good, 1)
        refused("(features_N_F, )?labelled_L_F: ", k_center_greedy, good, bad, 1)
