"""Pictures of notebook 09: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import comparison as pictures


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_bands_have_their_mean_and_hide_the_panels_left_over(ax):
    outputs_G_K = np.array([[0.0, 2.0], [1.0, 3.0], [4.0, 4.0]])
    axes = plt.figure().subplots(1, 3)
    pictures.bands(
        axes, np.arange(3), {"a": outputs_G_K, "b": outputs_G_K + 1}, (np.zeros((2, 1)), np.ones((2, 1))), (0, 1)
    )
    np.testing.assert_allclose(axes[1].lines[0].get_ydata(), [2, 3, 5])
    assert [panel.get_title(loc="left") or panel.get_title() for panel in axes[:2]] == ["a", "b"]
    assert not axes[2].axison and axes[0].get_ylabel() == "f(x)" and axes[1].get_ylabel() == ""


def test_a_table_writes_every_cell_and_shades_the_best(ax):
    pictures.table(ax, ["a", "b"], ["p", "q"], [["1", "2"], ["3", "4"]], np.array([[0, 1], [1, 0.0]]))
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3", "4"]
    shades = np.asarray(ax.images[0].get_array())
    assert shades[0, 0] > shades[1, 0] and shades[1, 1] > shades[0, 1]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["p", "q"]


def test_a_cell_without_a_rank_stays_white(ax):
    pictures.table(ax, ["a", "b"], ["p"], [["1"], ["-"]], np.array([[0], [np.nan]]))
    assert np.asarray(ax.images[0].get_array())[1, 0] == 0


def test_differences_put_their_means_beside_zero():
    axes = plt.figure().subplots(1, 2)
    values = {"a": np.array([0.1, 0.2, 0.3]), "b": np.array([-1.0, 0.0, 0.4])}
    pictures.differences(axes, {"NLL": values, "ECE": values})
    assert axes[0].get_title(loc="left") == "NLL" or axes[0].get_title() == "NLL"
    np.testing.assert_allclose(
        [line.get_xdata()[0] for line in axes[1].lines if len(line.get_xdata()) == 1], [0.2, -0.2]
    )
    plt.close("all")


def test_price_names_every_method_at_its_cost(ax):
    pictures.price(ax, {"a": 1, "b": 50}, {"a": np.array([0.1, 0.3]), "b": np.array([0.2, 0.2])})
    assert ax.get_xscale() == "log" and [text.get_text() for text in ax.texts] == ["a", "b"]
    np.testing.assert_allclose([text.xy for text in ax.texts], [(1, 0.2), (50, 0.2)])


def test_agreement_writes_each_correlation(ax):
    pictures.agreement(ax, ["a", "b"], np.array([[1, 0.25], [0.25, 1]]))
    assert [text.get_text() for text in ax.texts] == ["1.00", "0.25", "0.25", "1.00"]
