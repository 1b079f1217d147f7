"""Pictures of notebook 13: areas are what they say, and what is drawn is what was given."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Circle

from bal_course.figures import batches as pictures


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


@pytest.mark.parametrize(
    ("first", "second", "distance"), [(1.0, 1.0, 0.7), (0.5, 1.0, 0.8), (1.0, 0.3, 1.1), (1, 0.3, 0.6)]
)
def test_the_common_area_of_two_discs_is_that_of_counted_points(first, second, distance):
    x, y = np.meshgrid(np.linspace(-2, 3, 2001), np.linspace(-2, 2, 1601))
    inside = (x**2 + y**2 < first**2) & ((x - distance) ** 2 + y**2 < second**2)
    # a grid of 0.0025: the edge of the area is uncertain by half a step
    assert pictures.lens(first, second, distance) == pytest.approx(inside.sum() * 0.0025**2, abs=5e-3)


@pytest.mark.parametrize("shared", [0.0, 0.2, 0.7])
def test_discs_are_moved_until_they_share_the_area(shared):
    first, second = 1.0, 0.5
    assert pictures.lens(first, second, pictures.distance_for(first, second, shared)) == pytest.approx(shared, abs=1e-9)


def test_discs_cannot_share_more_than_the_smaller():
    with pytest.raises(ValueError, match="shared: expected between 0 and the area of the smaller disc, got 1"):
        pictures.distance_for(1.0, 0.5, 1.0)


def test_venn_draws_areas_in_nats(ax):
    pictures.venn(ax, ["coat", "town"], [1.33, 1.10], 0.87)
    discs = [patch for patch in ax.patches if isinstance(patch, Circle) and patch.get_facecolor()[3] > 0]
    assert [math.pi * disc.radius**2 for disc in discs] == pytest.approx([1.33, 1.10])
    apart = math.dist(discs[0].center, discs[1].center)
    assert pictures.lens(discs[0].radius, discs[1].radius, apart) == pytest.approx(0.87, abs=1e-6)
    assert [text.get_text() for text in ax.texts] == ["coat 1.33", "town 1.10", "0.87"]


def test_discs_apart_share_no_number(ax):
    pictures.venn(ax, ["town", "hand"], [1.1, 0.7], 0.0)
    assert [text.get_text() for text in ax.texts] == ["town 1.10", "hand 0.70"]


def test_growth_begins_at_one_label_and_shows_the_cap(ax):
    pictures.growth(ax, {"one": np.array([0.5, 0.9]), "two": np.array([0.4])}, {"log 3": math.log(3)})
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 0.5], [2, 0.9]])
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert ax.lines[2].get_ydata()[0] == math.log(3) and ax.texts[0].get_text() == "log 3"
    assert ax.lines[2].get_zorder() < ax.lines[0].get_zorder()


def test_ratios_are_counted(ax):
    pictures.against_the_best(ax, np.array([0.7, 0.99, 0.995, 1 + 1e-15]), 0.632)
    assert sum(bar.get_height() for bar in ax.patches) == 4
    assert "0.632" in ax.texts[0].get_text()


def test_errors_have_a_guide_of_slope_one_half(ax):
    pictures.errors(ax, [100, 10_000], {"one": np.array([0.2, 0.01])})
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [0.2, 0.02])
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_evaluations_stand_side_by_side(ax):
    pictures.evaluations(ax, {"all": [9, 8], "lazy": [9, 2]})
    assert [bar.get_height() for bar in ax.patches] == [9, 8, 9, 2]
    assert [text.get_text() for text in ax.texts] == ["9", "8", "9", "2"]


def test_costs_name_their_units(ax):
    pictures.costs(ax, [1, 10], {"all": [80, 8e10], "kept": [80, 1.6e6]}, unit="bytes")
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [80, 1.6e6])
    assert ax.yaxis.get_major_formatter()(1.6e6, 0) == "1.6 MB"


@pytest.mark.parametrize(("count", "words"), [(80, "80 B"), (1.6e6, "1.6 MB"), (16e12, "16 TB"), (1e30, "$10^{30}$ B")])
def test_bytes_in_words(count, words):
    assert pictures.in_bytes(count) == words
