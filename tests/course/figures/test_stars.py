"""What the figures of notebook 02 draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import stars
from bal_utils.plotting import COLOURS


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_claims_count_worlds_and_the_expected_wrong_among_them(ax):
    stars.claims(ax, np.array([0.995, 0.003, 0.52]), np.array([1.0, 0.25, 0.5]))
    heights = [bar.get_height() for bar in ax.patches]
    everything, wrong = np.array(heights).reshape(2, -1)
    assert everything[-1] == 2 and wrong[-1] == pytest.approx(0.25)  # 0 of the first, a quarter of the second
    assert everything[0] == 1 and wrong[0] == pytest.approx(0.5)
    assert everything.sum() == 3


def test_equal_flights_are_drawn_beside_each_other(ax):
    stars.flights(ax, [70, 70, 70, 53], [0, 0, 1, 1], launch=31)
    places = {tuple(np.round(dots.get_offsets()[0], 3)) for dots in ax.collections}
    assert len(places) == 4


def test_curves_are_named_at_their_ends_in_the_colours_of_the_course(ax):
    stars.probabilities(
        ax, np.arange(3), {"MAP, best line": np.array([0.1, 0.5, 0.9]), "exact": np.array([0.2, 0.5, 0.7])}
    )
    assert {text.get_text() for text in ax.texts} == {"MAP, best line", "exact"}
    assert [line.get_color() for line in ax.lines] == [COLOURS["map"], COLOURS["exact"]]


def test_running_away_has_a_logarithmic_axis_for_what_is_left():
    axes = stars.running_away(plt.figure().subplots(1, 2), np.array([1.0, 2.0]), np.array([0.1, 0.01]))
    assert axes[1].get_yscale() == "log" and axes[0].get_yscale() == "linear"
    plt.close("all")
