"""The explorer of notebook 05: its numbers against integrals and plain sampling, its handlers, its ends."""

import numpy as np
import pytest
import torch

from bal_course.explorers.dropout_kl import (
    FINE,
    FINE_HERE,
    WRONG_HERE,
    DropoutKL,
    DropoutKLState,
    divergence_curves,
    sampled,
)
from bal_scenes.base import Event
from bal_utils.posteriors.dropout_elbo import coin_entropy, kl, l2_form, monte_carlo_kl
from bal_utils.runtime import stream


def row(state):
    return torch.full((1, state.dims), state.size, dtype=torch.float64)


@pytest.mark.parametrize("state", [DropoutKLState(), DropoutKLState(drop=0.6, std=0.3, dims=1, size=0.5)])
def test_the_gap_is_the_divergence_minus_its_l2_form(state):
    settings = {"keep": state.keep, "std": state.std, "length_scale": 1.0}
    estimate = monte_carlo_kl(row(state), **settings, num_samples=40_000, generator=stream(0, "plain"))
    gap = DropoutKL(state).gap
    assert abs(estimate.value - l2_form(row(state), **settings) - gap) < 4 * estimate.standard_error
    assert f"{gap:.3f} nats" in DropoutKL(state).status


def test_the_curve_is_the_divergence_without_its_constant():
    norms_G, kl_G, l2_G = divergence_curves(0.8, 0.8, 0.1)
    settings = {"keep": 0.8, "std": 0.1, "length_scale": 1.0}
    constant = l2_form(torch.zeros(1, 3, dtype=torch.float64), **settings) + coin_entropy(0.8)
    for g in (0, 20, 100):
        mean_1_D = torch.tensor([[norms_G[g], 0.0, 0.0]], dtype=torch.float64)
        assert kl_G[g] == pytest.approx(float(kl(mean_1_D, **settings) - constant), abs=1e-9)
        assert l2_G[g] == pytest.approx(float(l2_form(mean_1_D, **settings) - constant), abs=1e-9)


@pytest.mark.parametrize("dims", [1, 4, 256])
@pytest.mark.parametrize(("keep", "std"), [(0.8, 0.1), (0.3, 1.0), (0.95, 0.01)])
def test_sampled_points_lie_on_the_curve(dims, keep, std):
    norms_P, values_P, errors_P = sampled(8 * std, keep, std, dims)
    _, kl_G, _ = divergence_curves(8 * std, keep, std)
    expected_P = np.interp(norms_P, np.linspace(0, 8 * std, len(kl_G)), kl_G)
    assert (np.abs(values_P - expected_P) < 4.5 * errors_P + 1e-3 * std).all()  # the largest of many; interpolation


def test_longer_rows_have_smaller_errors_and_push_inwards():
    gaps = [DropoutKL(DropoutKLState(dims=dims)).gap for dims in (1, 4, 16, 64)]
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 0.01
    assert "outwards, against L2" in DropoutKL().status
    assert "inwards, as L2 does" in DropoutKL(DropoutKLState(dims=64)).status


def test_smaller_sigma_moves_the_bend_and_raises_the_constant():
    wide, narrow = DropoutKL(), DropoutKL(DropoutKLState(std=0.01))
    assert narrow.gap < 0.01 < wide.gap
    constants = [float(explorer.status.split("left out is ")[1].split()[0]) for explorer in (wide, narrow)]
    assert constants[1] - constants[0] == pytest.approx(4 * np.log(10), abs=0.2)  # two roundings to 0.1, and 4 l²σ²/2


@pytest.mark.parametrize("drop", [0.05, 0.95])
@pytest.mark.parametrize("std", [0.001, 1.0])
@pytest.mark.parametrize("dims", [1, 256])
@pytest.mark.parametrize("size", [0.001, 2.0])
def test_the_corners_of_the_sliders_work(drop, std, dims, size):
    explorer = DropoutKL(DropoutKLState(drop=drop, std=std, dims=dims, size=size))
    assert explorer.error is None and "|m| = " in explorer.status
    for layer in explorer.scene["panels"][0]["layers"]:
        if layer["kind"] == "band":
            assert np.isfinite(layer["high"]).all() and (layer["high"] >= layer["low"] - 1e-5).all()


def test_clicks_and_drags_set_the_length_or_the_dimension_within_range():
    explorer = DropoutKL()
    explorer.dispatch(Event(kind="click", panel=0, x=0.5, y=0.0))
    assert explorer.state.size == 0.25 and explorer.state.norm == pytest.approx(0.5)
    explorer.dispatch(Event(kind="click", panel=2, x=5.02, y=0.0))
    assert explorer.state.dims == 32
    explorer.undo()
    assert explorer.state.dims == 4
    explorer.dispatch(Event(kind="drag", panel=0, x=-1.0, y=0.0, point=0))
    assert explorer.state.size == 0.001
    explorer.dispatch(Event(kind="drop", panel=2, x=12.0, y=0.0, point=1))
    assert explorer.state.dims == 256
    before = explorer.state
    explorer.dispatch(Event(kind="click", panel=1, x=0.3, y=0.0))
    assert explorer.state == before and explorer.error is None


@pytest.mark.parametrize("changes", [{}, {"dims": 64}, {"std": 0.01}, {"drop": 0.5}, {"size": 0.001}])
def test_the_words_say_where_the_l2_form_is_fine(changes):
    explorer = DropoutKL(DropoutKLState(**changes))
    assert explorer.status.startswith(FINE_HERE if explorer.gap < FINE else WRONG_HERE)
    state = explorer.state
    layers = explorer.scene["panels"][0]["layers"]
    (tint,) = (layer for layer in layers if layer["kind"] == "rects")
    norms_G, kl_G, l2_G = divergence_curves(state.highest, state.keep, state.std)
    assert ((kl_G - l2_G)[norms_G >= tint["x1"][0] + 1e-6] < FINE).all()
    assert ((kl_G - l2_G)[norms_G < tint["x1"][0] - 1.01 * norms_G[1]] >= FINE).all()
    words = {layer["words"][0]: layer["x"][0] for layer in layers if layer["kind"] == "text"}
    assert words.get(WRONG_HERE, 0.0) <= tint["x1"][0] <= words.get(FINE_HERE, np.inf)


def test_a_state_outside_the_sliders_is_refused():
    with pytest.raises(ValueError, match="drop"):
        DropoutKL(DropoutKLState(drop=1.0))


def test_the_same_state_gives_the_same_scene():
    first, second = (DropoutKL().scene["panels"][0]["layers"] for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        assert ours["kind"] == theirs["kind"]
        for name in ("x", "y"):
            if name in ours:
                np.testing.assert_array_equal(ours[name], theirs[name])
