"""k-center greedy against its definition in loops, against scikit-activeml, and against the best batch by enumeration."""

import itertools

import numpy as np
import pytest
import torch

from bal_utils.acquisition import k_center_greedy
from bal_utils.runtime import stream


def points(seed, size, dims=2):
    return torch.randn(size, dims, generator=stream(seed, "points"), dtype=torch.float64)


def radius(points_N_F, centres_M_F):
    """How far the worst-off input is from its nearest centre."""
    return torch.cdist(points_N_F, centres_M_F).amin(dim=1).max().item()


@pytest.mark.parametrize("seed", range(3))
def test_each_pick_is_the_farthest(seed):
    pool, labelled = points(seed, 40, 3), points(seed + 10, 4, 3)
    batch = k_center_greedy(pool, labelled, 6)
    centres = labelled
    for index, score in zip(batch.indices, batch.scores, strict=True):
        distances = [min(float((x - c).norm()) for c in centres) for x in pool]
        assert index == int(np.argmax(distances)) and score == pytest.approx(max(distances), rel=1e-9)
        centres = torch.cat([centres, pool[index][None]])
    assert batch.scores == sorted(batch.scores, reverse=True)


@pytest.mark.parametrize("seed", range(3))
def test_picks_equal_those_of_scikit_activeml(seed):
    pytest.importorskip("skactiveml")
    from skactiveml.pool import k_greedy_center

    pool, labelled = points(seed, 30), points(seed + 10, 3)
    everything = torch.cat([pool, labelled]).numpy()
    answers = np.array([np.nan] * 30 + [0.0] * 3)
    theirs, _ = k_greedy_center(everything, answers, batch_size=5, random_state=0)
    assert k_center_greedy(pool, labelled, 5).indices == list(theirs)


@pytest.mark.parametrize("seed", range(5))
def test_the_radius_is_at_most_twice_the_best(seed):
    pool, labelled = points(seed, 12), points(seed + 10, 1)
    batch = k_center_greedy(pool, labelled, 3)
    best = min(
        radius(pool, torch.cat([labelled, pool[list(chosen)]])) for chosen in itertools.combinations(range(12), 3)
    )
    assert best <= radius(pool, torch.cat([labelled, pool[batch.indices]])) <= 2 * best


def test_copies_are_taken_last_and_only_once_each():
    pool = torch.tensor([[0.0], [5.0], [5.0], [9.0]])
    batch = k_center_greedy(pool, torch.tensor([[0.0]]), 4)
    assert sorted(batch.indices) == [0, 1, 2, 3] and batch.indices[:2] == [3, 1] and batch.scores[2:] == [0.0, 0.0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="L at least 1"):
        k_center_greedy(points(0, 5), points(0, 0), 1)
    with pytest.raises(ValueError, match="expected shapes"):
        k_center_greedy(points(0, 5), points(0, 3, 4), 1)
    for size in (0, 6, 1.5):
        with pytest.raises(ValueError, match=f"^batch_size: .* from 1 to 5, got {size}"):
            k_center_greedy(points(0, 5), points(1, 2), size)


@pytest.mark.parametrize(("offset", "spread"), [(100, 0.01), (-3e4, 1.0), (0, 1e-30), (0, 1e30)])
def test_copies_of_labelled_inputs_are_not_picked_whatever_the_offset_and_the_unit(offset, spread):
    """In float32, |a|² + |b|² - 2 a·b has lost every digit of these distances; or their squares over- and underflow."""
    pool = (offset + spread * points(0, 200, 16)).float()
    batch = k_center_greedy(pool, pool[:30].clone(), 10)
    exact = np.linalg.norm(pool[:, None].double().numpy() - pool[None, :30].double().numpy(), axis=-1).min(axis=1)
    assert batch.indices[0] == exact.argmax() and min(batch.indices) >= 30
    np.testing.assert_allclose(batch.scores[0], exact.max(), rtol=1e-12)


def test_two_far_groups_keep_their_small_distances():
    """No common offset could be taken away here."""
    pool = torch.cat([1e4 + 0.01 * points(0, 40, 8), -1e4 + 0.01 * points(1, 40, 8)]).float()
    labelled = pool[[*range(10), *range(40, 50)]]
    assert not set(k_center_greedy(pool, labelled, 15).indices) & {*range(10), *range(40, 50)}


def test_precisions_may_differ_but_not_be_half():
    pool, labelled = points(0, 30), points(1, 3)
    assert k_center_greedy(pool.float(), labelled, 4).indices == k_center_greedy(pool, labelled, 4).indices
    for bad in (pool.half(), pool.bfloat16(), pool.int(), pool.numpy(), pool.tolist()):
        with pytest.raises(TypeError, match="^features_N_F: "):
            k_center_greedy(bad, labelled, 1)
        with pytest.raises(TypeError, match="^labelled_L_F: "):
            k_center_greedy(pool, bad, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(bad):
    spoilt = points(0, 6)
    spoilt[2, 1] = bad
    with pytest.raises(ValueError, match="^features_N_F: "):
        k_center_greedy(spoilt, points(1, 2), 1)
    with pytest.raises(ValueError, match="^labelled_L_F: "):
        k_center_greedy(points(1, 4), spoilt, 1)
    with pytest.raises(ValueError, match="features_N_F.*distances"):
        k_center_greedy(1e200 * points(0, 6), 1e200 * points(1, 2), 1)
