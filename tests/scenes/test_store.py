"""Scenes packed for a page: the colours of maps, what is kept once, what it costs."""

import base64
import gzip

import numpy as np
import pytest

from bal_scenes.scene import heat, line, panel, points, scene
from bal_scenes.store import SceneStore, as_shades

PLANE = {"x": (-2, 2), "y": (-2, 2)}
ALT = "Some map or line for a test"


def colours_of(layer: dict) -> list[int]:
    """The places in the colour table as layers.js finds them, one value at a time; None where it is transparent."""
    low, high = layer["low"], layer["high"]
    shares = [
        min(1, max(0, (value - low) / (high - low))) if value == value else None for value in layer["values"].tolist()
    ]
    return [None if share is None else int(255 * share + 0.5) for share in shares]


@pytest.mark.parametrize("ends", [{}, {"low": -0.5, "top": 0.7}], ids=["own ends", "given ends"])
def test_a_stored_map_has_the_colours_and_the_bar_of_the_live_one(ends):
    values_R_C = np.random.default_rng(0).normal(size=(20, 30))
    values_R_C[0, :2] = np.inf, -np.inf
    live = heat(values_R_C, **PLANE, bar="height", **ends)
    stored = as_shades(live)
    assert stored["values"].dtype == np.uint8 and len(set(colours_of(live))) > 100
    assert colours_of(stored) == colours_of(live)
    up = [
        [(value - one["low"]) / (one["high"] - one["low"]) for value, _ in one["bar_ticks"]] for one in (stored, live)
    ]
    np.testing.assert_allclose(*up, atol=1e-12)


def test_a_map_with_holes_stays_as_it_is():
    layer = heat([[0.0, np.nan], [1.0, 2.0]], **PLANE)
    assert as_shades(layer) is layer, "what is transparent has no colour"


def test_equal_arrays_and_equal_layers_have_one_place():
    store = SceneStore()
    x = np.linspace(0, 1, 7)
    scenes = [
        store.add(scene(panel(line(x, height * x), points(x, x, colour=colour)), alt=ALT))
        for height, colour in ((1, "blue"), (2, "blue"), (1, "orange"))
    ]
    assert [one["panels"][0]["layers"] for one in scenes] == [[0, 1], [2, 1], [0, 3]]
    # x and x of the points; x and y of the lines, which end in a gap: for height 1 they are the same
    assert len(store.places) == 3
    assert all(start % 4 == 0 for _, start, _ in store.places)


def test_values_of_different_types_are_not_taken_for_each_other():
    store = SceneStore()
    layer = heat(np.eye(2), **PLANE)  # its colours are those of `other`
    store.add(
        scene(panel(layer | {"more": np.zeros(1, np.float32), "other": np.array([255, 0, 0, 255], np.uint8)}), alt=ALT)
    )
    assert sorted((kind, count) for kind, _, count in store.places) == [("float32", 1), ("uint8", 4), ("uint8", 768)]


def test_a_map_costs_at_most_a_byte_a_cell():
    store, generator = SceneStore(), np.random.default_rng(0)
    noise = [heat(generator.random((40, 40)), **PLANE) for _ in range(200)]  # cannot be compressed
    text = store.as_text(scenes=[store.add(scene(panel(layer, **PLANE), alt=ALT)) for layer in noise])
    assert len(text) < 200 * (1600 + 100) * 4 / 3, "base64 takes four letters for three bytes"
    whole = gzip.decompress(base64.b64decode(text))
    assert whole.endswith(store.buffer) and len(store.buffer) >= 200 * 1600


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError):
        SceneStore().as_text(value=float("nan"))
