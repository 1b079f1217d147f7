"""The explorer of notebook 03: its numbers against a Gaussian process, its verdicts, its handlers."""

import numpy as np
import pytest

from bal_course.explorers.three_kinds import (
    REMEDIES,
    SEED,
    ThreeKinds,
    ThreeKindsState,
    believe,
    doubt_at,
    features,
)
from bal_course.lake import sounding_noise, soundings
from bal_scenes.base import Event


@pytest.mark.parametrize(("noise", "count", "place"), [(0.5, 40, 7.0), (0.05, 5, 0.0), (1.0, 320, 4.3)])
def test_the_doubt_is_that_of_a_gaussian_process(noise, count, place):
    places_N, _ = soundings(count, noise, SEED)
    phi_N_D, phi_1_D = features(places_N), features(np.array([place]))
    kernel_N_N = phi_N_D @ phi_N_D.T + np.diag(sounding_noise(places_N, noise) ** 2)
    cross_N = (phi_N_D @ phi_1_D.T)[:, 0]
    prior = float((phi_1_D**2).sum())
    epistemic = prior - cross_N @ np.linalg.solve(kernel_N_N, cross_N)
    doubt = doubt_at(noise, count, place)
    assert doubt.epistemic == pytest.approx(epistemic, rel=1e-4, abs=1e-8)  # a difference of close numbers
    assert doubt.share_left == pytest.approx(epistemic / prior, rel=1e-4, abs=1e-8)
    assert doubt.aleatoric == pytest.approx(sounding_noise(place, noise) ** 2)


def test_the_mean_is_a_weighted_ridge_regression():
    from sklearn.linear_model import Ridge

    places_N, depths_N = soundings(80, 0.5, SEED)
    ridge = Ridge(alpha=1, fit_intercept=False)
    ridge.fit(features(places_N), depths_N, sample_weight=sounding_noise(places_N, 0.5) ** -2.0)
    np.testing.assert_allclose(believe(0.5, 80).mean_D, ridge.coef_, atol=1e-7)


@pytest.mark.parametrize(
    ("place", "count", "noise", "kind"),
    [(2.0, 40, 0.5, "noise"), (7.0, 40, 0.5, "ignorance"), (11.0, 320, 0.5, "a stranger"), (2.0, 320, 0.05, "sure")],
)
def test_each_kind_is_told_from_the_others(place, count, noise, kind):
    assert doubt_at(noise, count, place).kind == kind
    explorer = ThreeKinds(ThreeKindsState(place=place, count=count, noise=noise))
    words = [word for layer in explorer.scene["panels"][1]["layers"] for word in layer["words"]]
    assert words[:2] == [f"Here: {kind}", REMEDIES[kind]]


def test_bars_are_now_more_data_and_less_noise():
    bars = ThreeKinds(ThreeKindsState(place=7.0)).scene["panels"][2]["layers"]
    noise, ignorance = (layer["x1"] - layer["x0"] for layer in bars if layer["kind"] == "rects")
    doubts = doubt_at(0.5, 40, 7.0), doubt_at(0.5, 80, 7.0), doubt_at(0.25, 40, 7.0)
    np.testing.assert_allclose(noise, [doubt.aleatoric for doubt in doubts], atol=1e-6)
    np.testing.assert_allclose(ignorance, [doubt.epistemic for doubt in doubts], atol=1e-6)


@pytest.mark.parametrize("place", [0.0, 6.1, 12.0])
@pytest.mark.parametrize("noise", [0.05, 1.0])
@pytest.mark.parametrize("count", [5, 320])
def test_the_corners_of_the_sliders_work(place, noise, count):
    explorer = ThreeKinds(ThreeKindsState(place=place, noise=noise, count=count))
    assert explorer.error is None and f"At {place:.1f} km" in explorer.status


def test_clicks_and_drags_move_the_question_and_stay_on_the_lake():
    explorer = ThreeKinds()
    explorer.dispatch(Event(kind="click", panel=0, x=3.14, y=0.0))
    assert explorer.state.place == 3.1
    explorer.dispatch(Event(kind="drag", panel=0, x=15.0, y=0.0, point=0))
    assert explorer.state.place == 12.0
    explorer.dispatch(Event(kind="drop", panel=0, x=-3.0, y=0.0, point=0))
    assert explorer.state.place == 0.0
    explorer.dispatch(Event(kind="click", panel=2, x=0.1, y=0.0))
    assert explorer.state.place == 0.0 and explorer.error is None
    explorer.undo()
    assert explorer.state.place == 3.1


@pytest.mark.parametrize(("zone", "place"), [(1, 2.0), (2, 7.0), (3, 11.0)])
def test_a_click_on_the_name_of_a_zone_goes_there(zone, place):
    explorer = ThreeKinds(ThreeKindsState(place=5.0))
    explorer.dispatch(Event(kind="click", panel=0, x=place + 0.4, y=-3.7, point=zone))
    assert explorer.state.place == place


@pytest.mark.parametrize("place", [0.0, 2.0, 4.3, 7.2])
def test_the_star_hides_no_sounding(place):
    lake = ThreeKinds(ThreeKindsState(place=place)).scene["panels"][0]
    (star,) = (layer for layer in lake["layers"] if layer.get("shape") == "star")
    places_N, depths_N = soundings(40, 0.5, SEED)
    away = np.abs(depths_N - star["y"][0])[np.abs(places_N - place) < 0.4]
    assert (away > 0.6).all()


def test_a_state_outside_the_sliders_is_refused():
    with pytest.raises(ValueError, match="count"):
        ThreeKinds(ThreeKindsState(count=0))
