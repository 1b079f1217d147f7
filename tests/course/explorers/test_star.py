"""The star: its numbers against the exact posterior, what a drag and a button do, and the extremes of every control."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bal_course.explorers.star import BEST, PLANE, StarState, TheStar, fitted, predictions, probability_map, where
from bal_scenes.base import Button, Choice, Event
from bal_scenes.canvas import packed
from bal_utils.plotting import CLASS_COLOURS
from bal_utils.theory.logistic_regression import average_probability, fit_map, grid_posterior, log_joint, two_groups


@pytest.fixture
def explorer():
    return TheStar()


def exact(state):
    """The best line's answer and the average, on a fine grid of the test's own."""
    inputs_N_2, labels_N = two_groups(state.num_each, distance=state.distance, seed=state.seed)
    alpha, place_2 = state.prior_width**-2, torch.tensor(state.star, dtype=torch.float64)
    axis = torch.linspace(-6 * state.prior_width, 6 * state.prior_width, 601, dtype=torch.float64)
    weights_G_2 = torch.cartesian_prod(axis, axis)
    shares_G = log_joint(weights_G_2, inputs_N_2, labels_N, alpha).softmax(dim=0)
    best_2, _ = fit_map(inputs_N_2, labels_N, alpha)
    return torch.sigmoid(best_2 @ place_2).item(), (shares_G @ torch.sigmoid(weights_G_2 @ place_2)).item()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"star": (-3.0, -4.5)},
        {"star": (0.4, 0.1)},
        {"prior_width": 0.5},
        {"num_each": 20, "seed": 3},
        {"distance": 0.0},
    ],
)
def test_both_predictions_are_those_of_the_model(change):
    state = StarState(**change)
    said = predictions(*where(state), state.star)
    best, average = exact(state)
    assert said.best == pytest.approx(best, abs=1e-5)
    assert said.average == pytest.approx(average, abs=2e-3)  # a coarser grid, without its lightest cells
    assert said.shares_B.sum() == pytest.approx(1, abs=1e-5)
    assert 0 <= said.side <= 1


def test_the_lesson_holds_at_the_start(explorer):
    said = predictions(*where(explorer.state), explorer.state.star)
    assert said.best > 0.99 and 0.55 < said.average < 0.65
    assert "0.995" in explorer.status and "61 %" in explorer.status
    near = replace(explorer.state, star=(1.6, 0.0))
    said = predictions(*where(near), near.star)
    assert abs(said.best - said.average) < 0.05
    explorer.state = near
    assert "nearly agree" in explorer.status


def test_the_map_shows_what_the_choice_says():
    state = StarState()
    average_R_C, best_R_C = (probability_map(*where(state), shown) for shown in (state.shown, BEST))
    assert average_R_C.shape == best_R_C.shape == (40, 40)
    step = (PLANE["x"][1] - PLANE["x"][0]) / 40
    place = torch.tensor([[PLANE["x"][0] + 24.5 * step, PLANE["y"][0] + 35.5 * step]], dtype=torch.float64)
    inputs_N_2, labels_N = two_groups(5, seed=12)
    posterior = grid_posterior(inputs_N_2, labels_N, 3.16**-2)
    average = average_probability(posterior.weights_G_2, place, posterior.shares_G).item()
    assert average_R_C[35, 24] == pytest.approx(average, abs=2e-3)
    best = torch.sigmoid(place @ fit_map(inputs_N_2, labels_N, 3.16**-2)[0]).item()
    assert best_R_C[35, 24] == pytest.approx(best, abs=1e-4)


def test_a_drag_moves_the_star_and_leaves_the_posterior(explorer):
    before = fitted(*where(explorer.state))
    explorer.dispatch(Event(kind="drag", panel=0, x=2.0, y=3.0, point=0))
    explorer.dispatch(Event(kind="drop", panel=0, x=2.504, y=3.0, point=0))
    assert explorer.state.star == (2.5, 3.0)
    assert fitted(*where(explorer.state)) is before
    explorer.undo()
    assert explorer.state.star == StarState().star


def test_solid_lines_are_those_that_say_ill(explorer):
    lines = {layer["label"]: layer for layer in explorer.scene["panels"][0]["layers"] if layer["kind"] == "line"}
    draws_K_2 = fitted(*where(explorer.state)).draws_K_2[:40]
    says_ill = int((draws_K_2 @ np.array(explorer.state.star) > 0).sum())
    assert np.isnan(lines["says: star is ill"]["x"]).sum() == says_ill
    assert np.isnan(lines["says: star is well"]["x"]).sum() == 40 - says_ill
    assert lines["says: star is ill"]["dash"] != lines["says: star is well"]["dash"]
    x, y = lines["says: star is ill"]["x"][:2], lines["says: star is ill"]["y"][:2]
    weights_2 = draws_K_2[draws_K_2 @ np.array(explorer.state.star) > 0][0]
    np.testing.assert_allclose(weights_2[0] * x + weights_2[1] * y, 0, atol=1e-3)


def test_colours_of_the_classes_are_those_of_the_map_alone(explorer):
    plane, *beside = explorer.scene["panels"]
    lines = [layer for layer in plane["layers"] if layer["kind"] == "line"]
    assert not {layer["colour"] for layer in lines} & set(CLASS_COLOURS)
    assert not {layer["colour"] for shown in beside for layer in shown["layers"]} & set(CLASS_COLOURS)


def test_the_key_stands_beside_the_map_and_covers_nobody(explorer):
    plane, key, *_ = explorer.scene["panels"]
    named = [layer["label"] for layer in plane["layers"] if layer.get("label")]
    assert plane["legend"] == "" and key["legend"] and named == [layer["label"] for layer in key["layers"]]
    assert plane["box"][0] + plane["box"][2] <= key["box"][0]


def test_the_hand_is_told_to_drag_until_it_has(explorer):
    def words():
        return [word for layer in explorer.scene["panels"][0]["layers"] for word in layer.get("words", [])]

    assert "drag me" in words()
    explorer.dispatch(Event(kind="drop", panel=0, x=2.0, y=3.0, point=0))
    assert "drag me" not in words()


def test_more_draws_keep_the_first(explorer):
    few = fitted(*where(explorer.state)).draws_K_2[:5]
    explorer.set(draws=200)
    np.testing.assert_array_equal(fitted(*where(explorer.state)).draws_K_2[:5], few)


def test_other_patients_are_other_data(explorer):
    before = packed(explorer.scene)
    explorer.press("other_patients")
    assert explorer.state.seed == 13 and packed(explorer.scene) != before


@pytest.mark.parametrize("end", ["low", "high"])
def test_extremes_of_the_controls_draw(explorer, end):
    for control in explorer.controls:
        if isinstance(control, Button):
            continue
        values = control.options if isinstance(control, Choice) else [getattr(control, end)]
        for value in values:
            explorer.reset()
            explorer.set(**{control.field: value})
            assert explorer.error is None, (control.field, value, explorer.error)
            heat = explorer.scene["panels"][0]["layers"][0]["values"]
            assert np.isfinite(heat).all() and heat.min() >= 0 and heat.max() <= 1 + 1e-6
    explorer.state = StarState(num_each=1, distance=0.0, prior_width=100.0, draws=1, star=(-7.5, 10.0))
    assert explorer.error is None
    explorer.state = StarState(num_each=100, distance=6.0, prior_width=100.0)
    assert explorer.error is None


def test_it_does_not_depend_on_the_default_type():
    torch.set_default_dtype(torch.float64)
    try:
        predictions.cache_clear()
        assert TheStar().error is None
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_picture_is_a_figure(explorer):
    figure = explorer.picture()
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")] == [
        "Map: average over all lines",
        "How probable is ill?",
        "What do single lines say?",
    ]
