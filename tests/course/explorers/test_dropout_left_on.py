"""The explorer of notebook 06: its band is that of its passes, T costs no training, the reference is a Gaussian process."""

import numpy as np
import pytest
import torch
from torch import nn

from bal_course.explorers import dropout_left_on
from bal_course.explorers.dropout_left_on import (
    CENTRE,
    COUNTED,
    MOST_PASSES,
    NOISE,
    PLACES_G,
    DropoutLeftOn,
    DropoutLeftOnState,
    data,
    functions,
    multiply_adds,
    process,
)
from bal_scenes.base import Event
from bal_utils.models import MLP


def layers(explorer, panel, kind):
    return [layer for layer in explorer.scene["panels"][panel]["layers"] if layer["kind"] == kind]


def test_the_band_is_the_spread_of_the_functions_shown():
    explorer = DropoutLeftOn(DropoutLeftOnState(passes=12))
    fan = layers(explorer, 0, "line")[0]["y"].reshape(12, -1)[:, :-1]  # each line ends in a gap
    total, own = layers(explorer, 1, "band")
    mean, std = fan.mean(axis=0), fan.std(axis=0)
    np.testing.assert_allclose(own["high"] - own["low"], 4 * std, atol=1e-5)
    np.testing.assert_allclose(own["high"] + own["low"], 2 * mean, atol=1e-5)
    np.testing.assert_allclose(total["high"] - total["low"], 4 * np.sqrt(std**2 + NOISE**2), atol=1e-5)


def test_more_passes_keep_the_first_and_train_nothing(monkeypatch):
    explorer = DropoutLeftOn(DropoutLeftOnState(passes=5))
    before = layers(explorer, 0, "line")[0]["y"].reshape(5, -1)[:, :-1]
    monkeypatch.setattr(dropout_left_on, "fit", lambda *_, **__: pytest.fail("it trained"))
    explorer.set(passes=MOST_PASSES)
    after = layers(explorer, 0, "line")[0]["y"].reshape(MOST_PASSES, -1)[:5, :-1]
    np.testing.assert_array_equal(before, after)
    assert explorer.error is None


def test_the_reference_is_the_closed_form():
    inputs_N, targets_N = (values.astype(float) for values in data(2.5))

    def kernel(a, b):
        return 1.44 * np.exp(-((a[:, None] - b[None]) ** 2) / (2 * 1.9**2))

    noisy_N_N = kernel(inputs_N, inputs_N) + NOISE**2 * np.eye(len(inputs_N))
    cross_G_N = kernel(PLACES_G, inputs_N)
    mean_G, std_G = process(2.5)
    np.testing.assert_allclose(mean_G, cross_G_N @ np.linalg.solve(noisy_N_N, targets_N), atol=1e-6)
    variance_G = 1.44 - np.einsum("gn,ng->g", cross_G_N, np.linalg.solve(noisy_N_N, cross_G_N.T))
    np.testing.assert_allclose(std_G, np.sqrt(variance_G), atol=1e-5)


def test_the_lesson_holds_a_larger_p_is_a_wider_fan():
    spread = [functions(p, 2.5).std(axis=0).mean() for p in (0.02, 0.1, 0.6)]
    assert spread[0] < 0.8 * spread[1] < 0.64 * spread[2]


def test_the_data_respect_the_gap():
    for gap in (0.0, 2.5, 5.0):
        inputs_N, targets_N = data(gap)
        assert (np.abs(inputs_N - CENTRE) >= gap / 2 - 1e-6).all() and len(targets_N) == len(inputs_N) == 60


def test_the_cost_counts_the_multiplications_of_a_pass():
    network = MLP(1, 1, hidden=dropout_left_on.HIDDEN, dropout=0.1)
    assert multiply_adds() == sum(layer.weight.numel() for layer in network if isinstance(layer, nn.Linear))
    assert f"K = 30 passes cost 30 × {multiply_adds():,}" in DropoutLeftOn().status


@pytest.mark.parametrize("passes", [1, MOST_PASSES])
@pytest.mark.parametrize("dropout", [0.02, 0.6])
@pytest.mark.parametrize("gap", [0.0, 5.0])
@pytest.mark.parametrize("reference", [True, False])
def test_the_corners_of_the_controls_work(passes, dropout, gap, reference):
    explorer = DropoutLeftOn(DropoutLeftOnState(passes=passes, dropout=dropout, gap=gap, reference=reference))
    assert explorer.error is None
    assert ("no spread" in explorer.status) == (passes == 1)
    assert ("Gaussian process" in explorer.scene["alt"]) == reference
    dashed = [layer for layer in layers(explorer, 1, "line") if layer["dash"] == "dashed"]
    assert len(dashed) == reference


def test_a_dragged_edge_trains_only_where_it_is_dropped(monkeypatch):
    explorer = DropoutLeftOn()
    left, right = (CENTRE - 1.25, CENTRE + 1.25)
    (edges,) = (layer for layer in layers(explorer, 0, "points") if layer["drag"])
    assert edges["x"].tolist() == [left, right]
    with monkeypatch.context() as patch:
        patch.setattr(dropout_left_on, "fit", lambda *_, **__: pytest.fail("it trained"))
        explorer.dispatch(Event(kind="drag", panel=0, point=0, x=left - 0.6, y=4.0))
        assert explorer.error is None and "Let go" in explorer.status and "3.5 wide" in explorer.status
    explorer.dispatch(Event(kind="drop", panel=0, point=1, x=right + 0.26, y=4.0))
    assert explorer.state == DropoutLeftOnState(gap=3.0)
    explorer.undo()
    assert explorer.state == DropoutLeftOnState()
    explorer.dispatch(Event(kind="drop", panel=0, point=1, x=6.0, y=4.0))
    assert explorer.state.gap == 5.0


def test_the_last_pass_is_drawn_over_the_others():
    explorer = DropoutLeftOn(DropoutLeftOnState(passes=7))
    fan, last = layers(explorer, 0, "line")
    np.testing.assert_array_equal(last["y"], fan["y"].reshape(7, -1)[-1])
    assert last["label"] == "pass 7" and last["colour"] != fan["colour"]


def test_play_adds_passes_from_the_first_to_the_last():
    explorer = DropoutLeftOn()
    assert list(explorer.moments(explorer.state)) == sorted(set(COUNTED)) and COUNTED[0] == 1
    assert COUNTED[-1] == MOST_PASSES and explorer.state.passes in COUNTED


def test_a_state_outside_the_controls_is_refused():
    with pytest.raises(ValueError, match="passes"):
        DropoutLeftOn(DropoutLeftOnState(passes=0))


def test_same_state_same_scene_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    one = DropoutLeftOn().compute(DropoutLeftOnState(dropout=0.3))
    functions.cache_clear()
    two = DropoutLeftOn().compute(DropoutLeftOnState(dropout=0.3))
    assert torch.equal(before, torch.get_rng_state())
    first, second = (found["panels"][0]["layers"][-1]["y"] for found in (one, two))
    np.testing.assert_array_equal(first, second)


def test_training_says_that_it_is_busy():
    assert DropoutLeftOn.slow_fields == {"dropout", "gap"}
