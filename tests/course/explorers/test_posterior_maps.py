"""The explorer of notebook 09: its maps against the posteriors themselves, the lesson in numbers, its handlers."""

import numpy as np
import pytest
import torch

from bal_course.comparison import BACKPROP, DROPOUT, ENSEMBLE, LAPLACE_ALL, LAPLACE_LAST, ONE_NETWORK
from bal_course.explorers import posterior_maps
from bal_course.explorers.posterior_maps import (
    BALD,
    DOUBT,
    METHODS,
    PIXELS,
    PLANE,
    PROBABILITY,
    PosteriorMaps,
    PosteriorMapsState,
    maps_of,
    posterior_of,
)
from bal_scenes.base import Event
from bal_scenes.scene import grid

TASK = {"num_points": 40, "noise": 0.2, "seed": 0, "prior_std": 3.0, "dropout": 0.2}


def heat_values(explorer, panel):
    return next(layer["values"] for layer in explorer.scene["panels"][panel]["layers"] if layer["kind"] == "heat")


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_averages_over_the_first_samples(method):
    inputs = torch.from_numpy(grid(**PLANE, columns=PIXELS))
    task = TASK | {"dropout": 0.2 if method == DROPOUT else 0.0}
    probs_G_K_C = posterior_of(method, **task).sample_log_probs(inputs).exp()[:, :7].double().numpy()
    mean_G_C = probs_G_K_C.mean(axis=1)
    found = maps_of(method, 7, *(TASK[name] for name in ("num_points", "noise", "seed", "prior_std", "dropout")))

    def entropy(p):
        return -(p * np.log(np.maximum(p, 1e-30))).sum(axis=-1)

    expected = {PROBABILITY: mean_G_C[:, 1], DOUBT: entropy(mean_G_C)}
    expected[BALD] = entropy(mean_G_C) - entropy(probs_G_K_C).mean(axis=1)
    for name, values_G in expected.items():
        np.testing.assert_allclose(found[name].ravel(), values_G, atol=1e-5)  # float32


def test_far_from_the_data_only_laplace_of_all_weights_has_doubts():
    corner = maps_of(ONE_NETWORK, 50, 40, 0.2, 0, 3.0, 0.2), maps_of(LAPLACE_ALL, 50, 40, 0.2, 0, 3.0, 0.2)
    alone, laplace = (found[PROBABILITY][-6:, :6].mean() for found in corner)  # top left, far above class 0
    assert alone < 0.02 and laplace > 0.1
    assert maps_of(ONE_NETWORK, 50, 40, 0.2, 0, 3.0, 0.2)[BALD].max() < 1e-5


def test_a_narrow_prior_makes_the_ensemble_agree():
    spread = {s: maps_of(ENSEMBLE, 50, 40, 0.2, 0, s, 0.2)[BALD].max() for s in (0.3, 10.0)}
    assert spread[0.3] < 0.01 < spread[10.0]


@pytest.mark.slow
@pytest.mark.parametrize("num_points", [10, 200])
@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize(("prior_std", "dropout", "samples"), [(0.3, 0.8, 1), (10.0, 0.05, 100)])
def test_the_corners_of_the_sliders_work(num_points, noise, prior_std, dropout, samples):
    state = PosteriorMapsState(left=DROPOUT, right=LAPLACE_LAST, shown=BALD, num_points=num_points, noise=noise,
                               prior_std=prior_std, dropout=dropout, samples=samples, seed=9)  # fmt: skip
    explorer = PosteriorMaps(state)
    assert explorer.error is None and "At the star" in explorer.status
    assert np.isfinite(heat_values(explorer, 0)).all() and np.isfinite(heat_values(explorer, 1)).all()


def test_both_maps_have_one_scale_of_colours():
    scene = PosteriorMaps(PosteriorMapsState(left=BACKPROP, right=LAPLACE_ALL, shown=BALD)).scene
    ends = [
        (layer["low"], layer["high"])
        for panel in scene["panels"]
        for layer in panel["layers"]
        if layer["kind"] == "heat"
    ]
    assert ends[0] == ends[1] and ends[0][0] == 0


@pytest.mark.parametrize("shown", [PROBABILITY, DOUBT, BALD])
def test_maps_have_one_size_and_a_scale_that_stays(shown):
    flat = PosteriorMaps(PosteriorMapsState(left=ONE_NETWORK, right=LAPLACE_ALL, shown=shown)).scene["panels"]
    other = PosteriorMaps(PosteriorMapsState(left=LAPLACE_ALL, right=ONE_NETWORK, shown=shown)).scene["panels"]
    shapes = {(*panel["margins"], *panel["box"][2:]) for panel in (*flat, *other)}
    assert len(shapes) == 1
    tops = {layer["high"] for panel in (*flat, *other) for layer in panel["layers"] if layer["kind"] == "heat"}
    assert tops == {1.0 if shown == PROBABILITY else float(np.log(2))}


def test_the_same_state_gives_the_same_picture():
    first = heat_values(PosteriorMaps(), 1).copy()
    for cache in (maps_of, posterior_maps.samples_of, posterior_of, posterior_maps.networks_of):
        cache.cache_clear()
    np.testing.assert_array_equal(heat_values(PosteriorMaps(), 1), first)


def test_clicks_and_drags_move_the_star_within_the_plane():
    explorer = PosteriorMaps()
    explorer.dispatch(Event(kind="click", panel=1, x=1.234, y=0.5))
    assert explorer.state.star == (1.23, 0.5)
    explorer.dispatch(Event(kind="drag", panel=0, x=9.0, y=-9.0, point=0))
    assert explorer.state.star == (4.0, -3.0)
    explorer.dispatch(Event(kind="drop", panel=0, x=2.0, y=2.0, point=0))
    explorer.undo()
    assert explorer.state.star == (1.23, 0.5)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="left"):
        PosteriorMaps(PosteriorMapsState(left="a crystal ball"))
