"""Layers, maps and charts: what is built from arrays, and what is refused."""

import numpy as np
import pytest
import torch

from bal_scenes.scene import bar_axis, bars, class_points, contour, grid, heat, images, line, panel, points, text
from bal_utils.plotting import CLASS_COLOURS, PALETTE

PLANE = {"x": (-2.0, 2.0), "y": (-1.0, 3.0)}


def test_a_grid_lists_the_middles_of_cells_row_by_row_from_the_bottom():
    places = grid((0, 4), (10, 12), columns=4, rows=2)
    expected = [[x, y] for y in (10.5, 11.5) for x in (0.5, 1.5, 2.5, 3.5)]
    np.testing.assert_allclose(places, expected)


def test_a_contour_of_a_paraboloid_is_the_circle():
    values = ((grid(**PLANE, columns=80) - [0, 1]) ** 2).sum(axis=1).reshape(80, 80)
    found = contour(values, 1.0, **PLANE)
    points_P_2 = np.stack([found["x"], found["y"]], axis=1)
    points_P_2 = points_P_2[~np.isnan(points_P_2).any(axis=1)]
    radius = np.hypot(points_P_2[:, 0], points_P_2[:, 1] - 1)
    # linear interpolation between cells h = 0.05 apart errs by at most h²/8 times the second derivative 2, over slope 2
    np.testing.assert_allclose(radius, 1.0, atol=0.05**2)
    length = np.hypot(*np.diff(points_P_2, axis=0).T).sum()
    assert length == pytest.approx(2 * np.pi, rel=1e-2)


def test_contours_reach_the_edges_and_absent_levels_give_an_empty_line():
    values = np.tile(np.linspace(0, 1, 20), (20, 1))
    found = contour(values, 0.5, **PLANE)
    assert (np.nanmin(found["y"]), np.nanmax(found["y"])) == PLANE["y"]
    assert np.isnan(contour(values, 7.0, **PLANE)["x"]).all()


def test_a_bundle_is_one_layer_with_gaps_between_its_lines():
    found = line([0, 1, 2], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(found["y"], np.float32([1, 2, 3, np.nan, 4, 5, 6, np.nan]))
    np.testing.assert_array_equal(found["x"], np.float32([0, 1, 2, np.nan, 0, 1, 2, np.nan]))


def test_layers_copy_their_arrays():
    x = np.zeros(3, dtype=np.float32)
    layer = points(x, x)
    x[:] = 1
    assert layer["x"].max() == 0


def test_tensors_are_arrays_too():
    assert heat(torch.eye(3), **PLANE)["values"].tolist() == np.eye(3).ravel().tolist()


def test_the_range_of_a_heat_map_is_that_of_its_finite_values():
    layer = heat([[1.0, np.nan], [5.0, np.inf]], **PLANE)
    assert (layer["low"], layer["high"]) == (0.0, 5.0), "a scale begins at zero"
    assert heat([[-1.0, 5.0]], **PLANE)["low"] == -1.0
    fixed = heat([[0.1, 0.2]], **PLANE, top=0.7)
    assert (fixed["low"], fixed["high"]) == (0.0, pytest.approx(0.7))


@pytest.mark.parametrize("value", [0.0, 0.5, -2.0])
def test_a_flat_map_says_so_and_its_plane_stays_where_it_is(value):
    flat, varied = heat(np.full((2, 2), value), **PLANE, bar="nats"), heat([[value, value + 0.5]], **PLANE, bar="nats")
    assert flat["high"] > flat["low"] and flat["flat"] and not varied["flat"]
    panels = panel(flat, **PLANE), panel(varied, **PLANE)
    words = [[one["words"] for one in found["layers"] if one["kind"] == "text"] for found in panels]
    assert words == [[["the same everywhere"]], []]
    assert panels[0]["margins"] == panels[1]["margins"]


def test_a_class_is_a_shape_and_a_colour():
    layers = class_points([[0, 0], [1, 1], [2, 2]], [1, 0, 1], ids=[7, 8, 9])
    assert [layer["ids"] for layer in layers] == [[8], [7, 9]]
    assert len({layer["shape"] for layer in layers}) == 2
    assert [layer["colour"] for layer in layers] == list(CLASS_COLOURS[:2])


def test_ink_is_dark():
    pixels = images([[[0.0, 1.0]]], x=[0], y=[0], width=1, height=1)["pixels"]
    assert pixels.tolist() == [255, 0]


def test_stacked_segments_meet_and_differ_by_hatch():
    low, high, totals = bars([[1, 2], [3, 4]], segments=["a", "b"], totals="{:.1f}")
    np.testing.assert_array_equal(low["x1"], high["x0"])
    np.testing.assert_array_equal(high["x1"], [3, 7])
    assert low["hatch"] != high["hatch"]
    assert totals["words"] == ["3.0", "7.0"]


def test_horizontal_bars_run_from_the_top():
    axis = bar_axis(["first", "second"])
    assert axis["y"][0] > axis["y"][1]
    assert axis["y_ticks"] == [(0, "first"), (1, "second")]


def test_palette_names_and_codes_are_colours():
    assert line([0], [0], colour="green")["colour"] == PALETTE["green"]
    assert line([0], [0], colour="#123456")["colour"] == "#123456"


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: line([0], [0], colour="mauve"), "colour: expected one of blue"),
        (lambda: line([0], [0], dash="wavy"), "dash: expected one of 'solid'"),
        (lambda: points([0], [0], shape="heart"), "shape: expected one of 'circle'"),
        (lambda: points([0, 1], [0]), "expected one length, got x 2, y 1"),
        (lambda: points([0], [0], drag=True), "ids: expected one a point"),
        (lambda: heat([1, 2], **PLANE), r"values_R_C: expected 2 dimension\(s\), got shape \(2,\)"),
        (lambda: text([0, 1], [0, 1], ["one"]), "words 1"),
        (lambda: bars([[1, -2]], segments=["a", "b"]), "at least 0, got -2"),
        (lambda: bars([[1, np.nan]], segments=["a", "b"]), "at least 0, got nan"),
        (lambda: bars([[1, 2]], segments=["a"]), "segments 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(build, words):
    with pytest.raises(ValueError, match=words):
        build()
