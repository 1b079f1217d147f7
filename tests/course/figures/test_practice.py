"""Pictures of notebook 14: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import practice as pictures


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_races_draw_the_mean_of_each_strategy(ax):
    values = {"one": np.array([[1.0, 2.0], [3.0, 4.0]]), "two": np.array([[0.0, 0.0], [1.0, 2.0]])}
    pictures.races(ax, np.array([10, 20]), values)
    curves = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(curves["one"].get_ydata(), [2, 3])
    np.testing.assert_allclose(curves["two"].get_ydata(), [0.5, 1])
    assert curves["one"].get_linestyle() != curves["two"].get_linestyle()
    assert [text.get_text() for text in ax.texts] == ["two", "one"]  # at their ends, from below


def test_stops_lie_on_the_curve_of_their_seed(ax):
    accuracy = np.array([[0.5, 0.6, 0.7], [0.4, 0.8, 0.9]])
    pictures.stops(ax, np.array([20, 40, 60]), accuracy, {"held out": [1, 0], "gain": [2, 2]})
    held_out, gain = ax.collections
    np.testing.assert_allclose(held_out.get_offsets()[:, 1], [0.6, 0.4])
    np.testing.assert_allclose(gain.get_offsets()[:, 1], [0.7, 0.9])
    np.testing.assert_allclose(held_out.get_offsets()[:, 0], [40, 20], atol=1)
    np.testing.assert_allclose(gain.get_offsets()[:, 0], [60, 60], atol=1)


def test_hours_are_drawn_against_the_batch_size(ax):
    pictures.hours(ax, [1, 10], {"fast": np.array([2.0, 1.0]), "slow": np.array([20.0, 3.0])}, 0.5)
    fast, slow, alone = ax.lines
    np.testing.assert_allclose(fast.get_ydata(), [2, 1])
    np.testing.assert_allclose(slow.get_ydata(), [20, 3])
    assert alone.get_ydata()[0] == 0.5 and ax.get_xscale() == ax.get_yscale() == "log"


def test_two_scores_tell_the_kinds_apart_by_shape(ax):
    pictures.two_scores(ax, [1, 2, 3], [4, 5, 6], [True, False, True], ("wanted", "other"))
    wanted, other = ax.collections
    np.testing.assert_allclose(wanted.get_offsets(), [[1, 4], [3, 6]])
    np.testing.assert_allclose(other.get_offsets(), [[2, 5]])
    assert len(other.get_facecolor()) == 0 and len(wanted.get_facecolor()) > 0
