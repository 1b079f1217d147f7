"""The regression explorer: readings placed, moved and removed; what it draws against the closed forms and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bal_course.explorers.regression import (
    LEFTMOST,
    MOST_FEATURES,
    MOST_READINGS,
    NEXT,
    PLACES_G,
    Regression,
    RegressionState,
    meter,
)
from bal_scenes.base import Event
from bal_utils.theory import linear_regression
from bal_utils.theory.linear_regression import BASES


@pytest.fixture
def explorer():
    return Regression()


def layers(explorer, kind, panel=0):
    return [layer for layer in explorer.scene["panels"][panel]["layers"] if layer["kind"] == kind]


def dots(explorer):
    """id -> place of every reading that is drawn."""
    (layer,) = (layer for layer in layers(explorer, "points") if layer["drag"])
    return dict(zip(layer["ids"], zip(layer["x"].tolist(), layer["y"].tolist(), strict=True), strict=True))


def click(explorer, x, y, *, point=None, shift=False):
    explorer.dispatch(Event(kind="click", panel=0, x=x, y=y, point=point, shift=shift))


def test_a_click_places_a_reading_and_undo_takes_it_back(explorer):
    click(explorer, 1.25, 0.5)
    click(explorer, -1.5, -2.0)
    assert dots(explorer)[MOST_READINGS] == (1.25, 0.5) and dots(explorer)[MOST_READINGS + 1] == (-1.5, -2.0)
    assert "22 readings." in explorer.status
    explorer.undo()
    assert len(dots(explorer)) == 21


def test_shift_click_takes_away_placed_readings_and_those_of_the_meter(explorer):
    click(explorer, 1.0, 1.0)
    click(explorer, 1.0, 1.0, point=MOST_READINGS, shift=True)
    click(explorer, 0.0, 0.0, point=3, shift=True)
    assert set(dots(explorer)) == set(range(20)) - {3}
    click(explorer, 2.0, 2.0)
    assert MOST_READINGS in dots(explorer)


def test_a_drag_moves_a_reading_in_one_step_of_undo(explorer):
    before = dots(explorer)
    for x in (0.5, 1.0, 1.5):
        explorer.dispatch(Event(kind="drag", panel=0, x=x, y=2.0, point=5))
    explorer.dispatch(Event(kind="drop", panel=0, x=1.75, y=2.5, point=5))
    assert dots(explorer) == before | {5: (1.75, 2.5)}
    explorer.undo()
    assert dots(explorer) == before


def test_a_moved_reading_stays_where_it_was_put_when_the_number_changes(explorer):
    explorer.dispatch(Event(kind="drop", panel=0, x=1.0, y=2.0, point=19))
    explorer.set(num_readings=10)
    assert 19 not in dots(explorer)
    explorer.set(num_readings=20)
    assert dots(explorer)[19] == (1.0, 2.0)


@pytest.mark.parametrize("event", [{"point": None, "shift": True}, {"point": 4, "shift": False}])
def test_what_cannot_be_done_is_said(explorer, event):
    before = explorer.state
    click(explorer, 0.0, 0.0, **event)
    assert explorer.state == before
    assert "hift-click" in explorer.status


@pytest.mark.parametrize("basis", BASES)
def test_the_bands_are_those_of_the_closed_form(explorer, basis):
    explorer.set(basis=basis, num_features=4, prior_precision=2.0, noise_std=0.5)
    inputs_N, targets_N = np.array(meter()[:20])[:, 1:].T
    belief = linear_regression.posterior(
        BASES[basis](inputs_N, 4, low=-4, high=4), targets_N, prior_precision=2, noise_precision=4
    )
    features_G_D = BASES[basis](PLACES_G, 4, low=-4, high=4)
    doubt_G = np.sqrt(np.diag(features_G_D @ belief.covariance_D_D @ features_G_D.T))
    total, alone = layers(explorer, "band")
    middle_G = features_G_D @ belief.mean_D
    np.testing.assert_allclose(alone["high"] - alone["low"], 4 * doubt_G, atol=1e-4)  # scenes are float32
    np.testing.assert_allclose(total["high"], middle_G + 2 * np.sqrt(doubt_G**2 + 0.25), atol=1e-4)


def test_the_bars_are_ratios_of_marginal_densities(explorer):
    inputs_N, targets_N = np.array(meter()[:20])[:, 1:].T
    expected = []
    for size in range(1, MOST_FEATURES + 1):
        features_N_D = linear_regression.gaussian_bumps(inputs_N, size, low=-4, high=4)
        covariance_N_N = features_N_D @ features_N_D.T + 0.04 * np.eye(20)
        expected.append(multivariate_normal.logpdf(targets_N, np.zeros(20), covariance_N_N))
    others, here = layers(explorer, "rects", panel=1)
    np.testing.assert_allclose(others["x1"] + here["x1"] - here["x0"], np.exp(expected - np.max(expected)), atol=1e-5)
    assert np.flatnonzero(here["x1"] > here["x0"]).tolist() == [7]
    assert f"{max(expected):.1f}".replace("-", "−") in explorer.status and "no size does better" in explorer.status


def test_the_next_reading_is_asked_for_in_the_gap(explorer):
    (asked,) = (layer for layer in layers(explorer, "points") if layer["ids"] == [NEXT])
    assert 0.5 < asked["x"][0] < 2.0
    for x in (0.9, 1.2, 1.5):
        click(explorer, x, 1.0)
    (moved,) = (layer for layer in layers(explorer, "points") if layer["ids"] == [NEXT])
    assert abs(moved["x"][0] - asked["x"][0]) > 0.5


def test_a_click_on_the_triangle_reads_the_meter_there(explorer):
    places = []
    for count in range(1, 41):
        (asked,) = (layer for layer in layers(explorer, "points") if layer["ids"] == [NEXT])
        click(explorer, float(asked["x"][0]), float(asked["y"][0]), point=NEXT)
        assert f"{20 + count} readings." in explorer.status
        places.append(explorer.state.edits[-1][1:])
    x_N, y_N = np.array(places).T
    assert (y_N - np.sin(x_N)).std() == pytest.approx(0.2, abs=0.08)  # the truth and the meter's noise, not the mark
    assert abs((y_N - np.sin(x_N)).mean()) < 4 * 0.2 / 40**0.5


def test_the_key_covers_no_data(explorer):
    plane, _, key = explorer.scene["panels"]
    assert plane["legend"] == "" and key["legend"] == "top left"
    words = [layer["label"] for layer in plane["layers"] if layer["label"]]
    assert [layer["label"] for layer in key["layers"]] == words
    assert all(layer[axis].size == 0 for layer in key["layers"] for axis in ("x", "y") if axis in layer)


def test_the_preset_without_the_left_opens_the_band_there(explorer):
    inputs = {index: x for index, x, _ in meter()[:20]}
    assert set(LEFTMOST) == {index for index, x in inputs.items() if x < -2.2}


def test_without_readings_the_prior_is_drawn(explorer):
    explorer.set(num_readings=0)
    _, alone = layers(explorer, "band")
    np.testing.assert_allclose(alone["high"] + alone["low"], 0, atol=1e-6)
    assert "0 readings. Log evidence with 8 features: 0.0 nats, no size does better" in explorer.status


def test_more_readings_narrow_the_band(explorer):
    widths = []
    for count in (5, 20, 100):
        explorer.set(num_readings=count)
        _, alone = layers(explorer, "band")
        widths.append((alone["high"] - alone["low"])[np.abs(PLACES_G + 2) < 0.5].mean())
    assert widths[0] > widths[1] > widths[2]


def test_drawing_again_changes_the_curves_alone(explorer):
    before = explorer.scene
    explorer.press("draw_again")
    changed = [
        (p, i)
        for p in range(2)
        for i, (old, new) in enumerate(
            zip(before["panels"][p]["layers"], explorer.scene["panels"][p]["layers"], strict=True)
        )
        if any(not np.array_equal(old[key], new[key], equal_nan=True) for key in ("x", "y") if key in old)
    ]
    assert len(changed) == 1
    explorer.set(num_draws=0)
    assert "drawn curves" not in {layer["label"] for layer in layers(explorer, "line")}


@pytest.mark.parametrize(
    "extreme",
    [
        {"num_readings": 100, "num_features": 14, "prior_precision": 0.001, "noise_std": 0.05},
        {"num_readings": 100, "num_features": 14, "basis": "polynomial", "prior_precision": 0.001, "noise_std": 0.05},
        {"num_readings": 1, "num_features": 1, "prior_precision": 1000.0, "noise_std": 1.5, "num_draws": 60},
        {"num_readings": 0, "show_mle": True},
        {"num_readings": 2, "num_features": 14, "show_mle": True, "basis": "polynomial"},
    ],
)
def test_extremes_are_drawn(extreme):
    explorer = Regression(replace(RegressionState(), **extreme))
    assert explorer.error is None
    values = np.concatenate([layer[key] for layer in layers(explorer, "band") for key in ("low", "high")])
    assert np.isfinite(values).all()


def test_a_scene_travels_as_text(explorer):
    click(explorer, 1.25, 0.5)
    explorer.set(basis="polynomial", num_readings=7)
    other = Regression()
    other.restore(explorer.state_as_text())
    assert other.state == explorer.state and dots(other) == dots(explorer)
