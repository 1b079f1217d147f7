"""Pictures of notebook 06: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import mc_dropout as pictures


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_the_gap_is_shaded_and_named(ax):
    pictures.measured_line(ax, np.array([[0.0], [3.0]]), np.array([[1.0], [2.0]]), (1.0, 2.0))
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[0, 1], [3, 2]])
    assert [text.get_text() for text in ax.texts] == ["no data"] and ax.texts[0].get_position()[0] == 1.5


@pytest.mark.parametrize("log", ["xy", "x", ""])
def test_dials_differ_by_marker_and_dash(ax, log):
    pictures.dial(ax, [1, 10], {"one": np.array([1.0, 2.0]), "two": np.array([3.0, 4.0])}, log=log)
    one, two = ax.lines
    np.testing.assert_allclose(two.get_ydata(), [3, 4])
    assert one.get_marker() != two.get_marker() and one.get_linestyle() != two.get_linestyle()
    assert [ax.get_xscale() == "log", ax.get_yscale() == "log"] == ["x" in log, "y" in log]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "10"]


def test_turning_draws_each_pass_and_the_mean(ax):
    probs_A_T_C = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 5))
    pictures.turning(ax, np.array([0.0, 30.0, 60.0]), probs_A_T_C, [2, 0])
    for line, dots, c in zip(ax.lines, ax.collections, [2, 0], strict=True):
        np.testing.assert_allclose(line.get_ydata(), probs_A_T_C[..., c].mean(axis=1))
        np.testing.assert_allclose(np.sort(dots.get_offsets()[:, 1]), np.sort(probs_A_T_C[..., c].ravel()))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["“2”", "“0”"]


def test_a_strip_is_one_image(ax):
    pictures.strip(ax, np.array([0.0, 10.0, 20.0]), np.arange(24).reshape(3, 2, 4))
    shown = ax.images[0].get_array()
    assert shown.shape == (2, 12)
    np.testing.assert_array_equal(shown[:, 4:8], np.arange(8, 16).reshape(2, 4))
    np.testing.assert_allclose(ax.images[0].get_extent(), [-5, 25, 0, 1])  # each image is centred at its angle


def test_paired_differences_show_their_mean_and_two_standard_errors(ax):
    difference_S = np.array([1.0, 2.0, 3.0, 6.0])
    pictures.paired(ax, {"ours": difference_S})
    np.testing.assert_allclose(np.sort(ax.collections[0].get_offsets()[:, 0]), np.sort(difference_S))
    (segment,) = ax.containers[0].lines[2][0].get_segments()
    error = difference_S.std(ddof=1) / 2
    np.testing.assert_allclose(segment[:, 0], [3 - 2 * error, 3 + 2 * error])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["ours"]


def test_splits_of_one_data_set_have_a_longer_bar(ax):
    """Nadeau and Bengio: s² (1/4 + 3/4) is four times s²/4, so the bar is twice as long."""
    difference_S = np.array([1.0, 2.0, 3.0, 6.0])
    pictures.paired(ax, {"ours": difference_S}, test_share=0.75)
    (segment,) = ax.containers[0].lines[2][0].get_segments()
    error = difference_S.std(ddof=1) / 2
    np.testing.assert_allclose(segment[:, 0], [3 - 4 * error, 3 + 4 * error])
