"""The pictures of committees show the opinions that they are given, and every pair of runs."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import committees
from bal_utils.plotting import COLOURS


def test_a_grid_holds_the_opinions_on_a_scale_from_zero_to_one():
    figure, axes = plt.subplots(1, 2)
    probs = np.random.default_rng(0).dirichlet(np.ones(3), (2, 5))
    committees.grids(axes, probs, ["P", "Q"], classes=["cat", "dog", "fox"])
    for ax, expected in zip(axes, probs, strict=True):
        (image,) = ax.images
        np.testing.assert_array_equal(image.get_array(), expected)
        assert image.get_clim() == (0, 1)
        assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog", "fox"]
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == ["P", "Q"]
    assert figure.axes[-1].get_ylabel() == "probability"
    plt.close(figure)


def test_classes_without_names_are_numbered():
    figure, axes = plt.subplots(1, 2)
    committees.grids(axes, np.full((2, 4, 3), 1 / 3), ["P", "Q"])
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["0", "1", "2"]
    with pytest.raises(ValueError):
        committees.grids(axes, np.full((2, 4, 3), 1 / 3), ["P"])
    plt.close(figure)


def test_each_pair_is_a_dot_in_the_colour_of_its_strategy():
    figure, ax = plt.subplots()
    committees.dots(ax, {"BALD": [0.5, 2.0, -1.0], "BatchBALD": [3.0]})
    zero, *rows = ax.lines
    assert list(zero.get_xdata()) == [0, 0]
    assert [list(row.get_xdata()) for row in rows] == [[0.5, 2.0, -1.0], [3.0]]
    assert [row.get_color() for row in rows] == [COLOURS["bald"], COLOURS["batchbald"]]
    plt.close(figure)
