"""The explorer of notebook 07: its mixture and coverage against sampling, its controls, its clicks."""

import numpy as np
import pytest
import torch

from bal_course.explorers.how_many_networks import (
    GAP,
    IN_GAP_G,
    MOST,
    NOISE,
    PLACES_G,
    HowManyNetworks,
    HowManyNetworksState,
    coverage,
    data_of,
    mixtures,
    scaled_network,
    train_members,
)
from bal_scenes.base import Event
from bal_utils.theory.uncertainty import split_variance
from bal_utils.training.fit import initialised


def test_the_mixture_of_the_first_members_is_that_of_the_law_of_total_variance():
    means_G_M, variances_G_M = train_members(1.0, 0)
    mean_G_M, std_G_M = mixtures(1.0, 0)
    for members in (1, 2, 7, MOST):
        first = torch.tensor(means_G_M[:, :members]), torch.tensor(variances_G_M[:, :members])
        np.testing.assert_allclose(mean_G_M[:, members - 1], first[0].mean(dim=1), atol=1e-12)
        expected = split_variance(*first).total_N.sqrt()
        np.testing.assert_allclose(std_G_M[:, members - 1], expected, atol=1e-8)  # a difference of close numbers


@pytest.mark.parametrize("members", [1, 5, 20])
def test_coverage_is_the_share_of_sampled_data(members):
    mean_G_M, std_G_M = mixtures(1.0, 0)
    rng = np.random.default_rng(0)
    new_G_D = np.sin(PLACES_G)[:, None] + NOISE * rng.standard_normal((len(PLACES_G), 20_000))
    error_G_D = np.abs(new_G_D - mean_G_M[:, members - 1 : members])
    inside_G = (error_G_D < 1.96 * std_G_M[:, members - 1 : members]).mean(axis=1)
    seen_M, gap_M = coverage(1.0, 0)
    # a million draws or more: the standard error is below 0.0005
    assert seen_M[members - 1] == pytest.approx(inside_G[~IN_GAP_G].mean(), abs=0.002)
    assert gap_M[members - 1] == pytest.approx(inside_G[IN_GAP_G].mean(), abs=0.002)


def test_no_data_lie_in_the_gap():
    for seed in range(10):
        inputs_N, _ = data_of(seed)
        assert len(inputs_N) == 100 and not ((inputs_N > GAP[0]) & (inputs_N < GAP[1])).any()


def test_the_lesson_members_part_in_the_gap_and_agree_on_the_data():
    spreads = [train_members(1.0, seed)[0].std(axis=1) for seed in range(4)]
    in_gap = np.mean([spread_G[IN_GAP_G].mean() for spread_G in spreads])
    on_data = np.mean([spread_G[~IN_GAP_G].mean() for spread_G in spreads])
    assert in_gap > 2 * on_data


def test_wild_initial_weights_make_a_band_that_is_too_wide():
    assert (
        train_members(4.0, 0)[0][IN_GAP_G].std(axis=1).mean()
        > 5 * train_members(1.0, 0)[0][IN_GAP_G].std(axis=1).mean()
    )
    assert coverage(4.0, 0)[1][-1] > 0.99


def test_initial_weights_are_scaled():
    plain, scaled = (initialised(lambda scale=scale: scaled_network(scale), 3) for scale in (1.0, 2.5))
    for ours, theirs in zip(scaled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, 2.5 * theirs)


@pytest.mark.parametrize("members", [1, MOST])
@pytest.mark.parametrize("scale", [0.25, 4.0])
@pytest.mark.parametrize("seed", [0, 9])
def test_the_corners_of_the_sliders_work(members, scale, seed):
    explorer = HowManyNetworks(HowManyNetworksState(members=members, scale=scale, seed=seed))
    assert explorer.error is None and explorer.status.startswith("1 network:" if members == 1 else "20 networks:")
    for panel in explorer.scene["panels"]:
        for layer in panel["layers"]:
            assert all(np.isfinite(layer[key]).all() for key in ("low", "high") if key in layer)


def test_the_picture_shows_as_many_members_as_asked_for():
    scene = HowManyNetworks(HowManyNetworksState(members=3)).scene
    members = next(layer for layer in scene["panels"][0]["layers"] if layer.get("label") == "members")
    assert np.isnan(members["x"]).sum() == 3  # a gap ends each line
    np.testing.assert_allclose(members["y"].reshape(3, -1)[:, :-1], train_members(1.0, 0)[0][:, :3].T, rtol=1e-5)


def test_clicks_choose_the_number_of_networks():
    explorer = HowManyNetworks()
    explorer.dispatch(Event(kind="click", panel=1, x=12.3, y=0.5))
    assert explorer.state.members == 12
    explorer.dispatch(Event(kind="click", panel=1, x=20.4, y=0.5))
    assert explorer.state.members == 20
    explorer.dispatch(Event(kind="click", panel=1, x=0.5, y=0.5))
    assert explorer.state.members == 1
    explorer.dispatch(Event(kind="click", panel=0, x=3.0, y=0.0))
    assert explorer.state.members == 1 and explorer.error is None
    explorer.undo()
    assert explorer.state.members == 20


def test_computing_is_pure():
    explorer, state = HowManyNetworks(), HowManyNetworksState(members=7)
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    first, second = explorer.compute(state), explorer.compute(state)
    train_members.cache_clear()
    train_members(1.0, 0)
    assert torch.equal(torch.rand(2), expected)
    assert first["status"] == second["status"] and explorer.state.members == 5
    for before, after in zip(first["panels"][0]["layers"], second["panels"][0]["layers"], strict=True):
        for key in {"x", "y", "low", "high"} & before.keys():
            np.testing.assert_array_equal(before[key], after[key])


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_the_axis_of_the_coverage_is_narrow_and_stays_while_networks_are_added(scale):
    ends = set()
    for members in (1, 5, MOST):
        panel = HowManyNetworks(HowManyNetworksState(members=members, scale=scale)).scene["panels"][1]
        ends.add(tuple(panel["y"]))
    assert len(ends) == 1
    lowest = min(share_M.min() for share_M in coverage(scale, 0))
    (low, _), *_ = ends
    assert low < lowest and (low == 0.8 or low > lowest - 0.13)


def test_states_outside_the_sliders_are_refused():
    for bad in ({"members": 0}, {"members": 21}, {"scale": 5.0}, {"seed": 10}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            HowManyNetworks(HowManyNetworksState(**bad))


def test_training_says_that_it_is_busy():
    assert HowManyNetworks.slow_fields == {"scale", "seed"}
