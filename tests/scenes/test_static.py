"""The still picture: every kind of layer is drawn, in its colour and at its place."""

import io

import matplotlib.image
import numpy as np
import pytest
from matplotlib import colormaps

from bal_scenes.scene import band, bars, contour, heat, images, line, panel, points, rects, scene, text
from bal_scenes.static import picture
from bal_utils.plotting import PALETTE

UNIT = {"x": (0, 1), "y": (0, 1)}


def pixels(*layers, width=300, height=200, **options):
    bare = {"x_ticks": (), "y_ticks": (), "legend": ""} | options
    made = scene(panel(*layers, **bare), alt="a picture made to be looked at by a test", width=width, height=height)
    png = io.BytesIO()
    picture(made).savefig(png, dpi=100)
    png.seek(0)
    return (matplotlib.image.imread(png)[:, :, :3] * 255).round().astype(int), made["panels"][0]["margins"]


def at(drawn, x, y):
    """The colour at a place given in axis units from 0 to 1."""
    image, (left, above, right, below) = drawn
    height, width, _ = image.shape
    row, column = above + (1 - y) * (height - above - below), left + x * (width - left - right)
    return tuple(image[int(row), int(column)])


def code(name):
    return tuple(int(PALETTE[name][i : i + 2], 16) for i in (1, 3, 5))


def near(colour, expected):
    return np.abs(np.subtract(colour, expected)).max() <= 8  # antialiasing and rounding


def test_size_is_that_of_the_scene():
    assert pixels()[0].shape == (200, 300, 3)


def test_heat_has_row_0_at_the_bottom():
    drawn = pixels(heat([[0, 1], [0, 0]], **UNIT, smooth=False))
    first, last = (tuple(round(255 * part) for part in colormaps["cividis"](i)[:3]) for i in (0, 255))
    assert near(at(drawn, 0.75, 0.25), last)
    assert near(at(drawn, 0.75, 0.75), first)


def test_lines_bands_points_and_rects_are_where_they_belong():
    assert near(at(pixels(line([0, 1], [0.5, 0.5], width=8, colour="green")), 0.3, 0.5), code("green"))
    assert near(at(pixels(band([0, 1], [0.2, 0.2], [0.8, 0.8], opacity=1.0)), 0.5, 0.7), code("blue"))
    assert near(at(pixels(points([0.25], [0.75], size=20, colour="vermillion")), 0.25, 0.75), code("vermillion"))
    assert near(at(pixels(rects([0.2], [0.4], [0.1], [0.9], colour="sky")), 0.3, 0.5), code("sky"))
    assert near(at(pixels(line([0, 1], [0.5, 0.5], width=8)), 0.3, 0.8), (255, 255, 255))


def test_later_layers_lie_on_top_whatever_their_kind():
    ink = images([[[1.0]]], x=[0.5], y=[0.5], width=1, height=1)
    full = {
        "images": (ink, (0, 0, 0)),
        "rects": (rects([0], [1], [0], [1], colour="green"), code("green")),
        "points": (points([0.5], [0.5], size=30, colour="vermillion"), code("vermillion")),
        "heat": (heat([[0.0]], **UNIT), tuple(round(255 * part) for part in colormaps["cividis"](0)[:3])),
        "line": (line([0, 1], [0.5, 0.5], width=40, colour="sky"), code("sky")),
        "band": (band([0, 1], [0, 0], [1, 1], opacity=1.0, colour="purple"), code("purple")),
    }
    for name, (layer, colour) in full.items():
        below = [other for other_name, (other, _) in full.items() if other_name != name]
        assert near(at(pixels(*below, layer), 0.5, 0.5), colour), name


def test_hollow_marks_are_white_and_rings_are_open():
    under = rects([0], [1], [0], [1], colour="green")
    assert near(at(pixels(under, points([0.5], [0.5], size=24, filled=False)), 0.5, 0.5), (255, 255, 255))
    assert near(at(pixels(under, points([0.5], [0.5], size=24, shape="ring")), 0.5, 0.5), code("green"))


def test_images_stand_upright_on_either_direction_of_the_axis():
    ink_on_top = [[[1.0, 1.0], [0.0, 0.0]]]
    place = {"x": [0.5], "y": [0.5], "width": 1, "height": 1}
    for y in ((0, 1), (1, 0)):
        drawn = pixels(images(ink_on_top, **place), y=y)
        assert near(at(drawn, 0.5, 0.75), (0, 0, 0))
        assert near(at(drawn, 0.5, 0.25), (255, 255, 255))


@pytest.mark.parametrize(
    "layer",
    [
        contour(np.arange(16).reshape(4, 4), 7.0, **UNIT),
        text(0.5, 0.5, "words"),
        bars([[0.3, 0.2]], segments=["a", "b"], totals="{:.1f}"),
        *(points([0.5], [0.5], shape=shape, size=20) for shape in ("triangle", "star", "cross", "plus", "diamond")),
        points([0.5], [0.5], shape="ring", labels=["1"]),
    ],
    ids=lambda layer: layer["kind"] if isinstance(layer, dict) else "bars",
)
def test_every_other_layer_leaves_ink(layer):
    assert (pixels(layer)[0] != pixels()[0]).any()


def test_titles_ticks_colour_bars_and_legends_leave_ink_in_the_margins():
    named = [heat(np.eye(3), **UNIT, bar="nats"), line([0, 1], [0, 1], label="mean"), points([1], [1], label="points")]
    full = {"title": "A title", "x_label": "x", "y_label": "y", "x_ticks": None, "y_ticks": None, "legend": "top left"}
    image, (left, above, right, below) = pixels(*named, **full)
    for margin in (image[:, : int(left)], image[: int(above)], image[:, -int(right) :], image[-int(below) :]):
        assert margin.min() < 200


def test_equal_axes_have_one_scale():
    square = rects([0.0], [1.0], [0.0], [1.0], colour="black")
    image, _ = pixels(square, equal=True)
    dark = (image.max(axis=2) < 100).nonzero()
    height, width = np.ptp(dark[0]), np.ptp(dark[1])
    assert abs(height - width) <= 2
