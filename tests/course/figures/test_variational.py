"""What the figures of notebook 04 draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import variational
from bal_utils.plotting import COLOURS


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_a_bar_and_its_gap_end_at_the_log_evidence(ax):
    variational.bound_bars(ax, {"a": -3.0, "b": -2.25}, -2.0)
    tops = [bar.get_y() + bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(tops, [-3.0, -2.25, -2.0, -2.0])
    assert [text.get_text() for text in ax.texts] == ["1.00", "0.25"]


def test_lines_may_have_places_of_their_own_and_are_named_at_their_ends(ax):
    variational.lines_and_dots(ax, [1, 10], {"known": np.ones(3)}, {"known": [1.1, 0.9]}, lines_at=[1, 3, 10])
    line, dots = ax.lines
    assert list(line.get_xdata()) == [1, 3, 10] and list(dots.get_xdata()) == [1, 10]
    assert [text.get_text() for text in ax.texts] == ["known"] and ax.get_legend() is None


def test_ellipses_lie_one_and_two_standard_deviations_out_in_the_colour_of_the_posterior(ax):
    covariance_2_2 = np.array([[4.0, 1.0], [1.0, 2.0]])
    variational.ellipses(ax, np.array([1.0, -1.0]), covariance_2_2, name="mean field")
    for radius, line in enumerate(ax.lines, start=1):
        offset_G_2 = line.get_xydata() - [1.0, -1.0]
        np.testing.assert_allclose((offset_G_2 @ np.linalg.inv(covariance_2_2) * offset_G_2).sum(axis=1), radius**2)
        assert line.get_color() == COLOURS["mean_field"]


def test_a_band_is_two_standard_deviations_to_either_side(ax):
    variational.bands(ax, np.arange(2), {"exact": (np.array([0.0, 1.0]), np.array([1.0, 2.0]))})
    np.testing.assert_allclose([line.get_ydata() for line in ax.lines], [[-2.0, -3.0], [2.0, 5.0]])
